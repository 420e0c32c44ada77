"""A person's settlements stay just below the limit, again and again.

Rule: the swipe's total is near the limit (limit − margin < total ≤ limit, the margin the greater of `margin_fen` and
`margin_ratio` of the limit), and the person has at least `count` such swipes in the window.
Source: docs/rules.md, near_limit.
Edges: the limit itself is near, the margin's end is not; the margin is exact; the window is open at its start and
closed at the anchor, ties are inside.
Misses: limits that differ by insurance or category.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from detectors.exact import fraction_of
from detectors.examples import swipe
from detectors.rule import AtLeastOne, Example, FenBound, Firing, Ratio, Reach, RuleParameters, Window
from detectors.slab import Slab
from detectors.windows import Groups, trailing_window
from events.findings import Severity

SCOPE = "person"


class Parameters(RuleParameters, frozen=True, kw_only=True):
    """`count` swipes within `window` whose total is at most `limit_fen` and less than the margin below it."""

    limit_fen: FenBound = 20_000
    margin_fen: FenBound = 500
    margin_ratio: Ratio = 0.03
    window: Window = Window(30 * 86_400_000)
    count: AtLeastOne = 3
    severity: Severity = "medium"


def reach(parameters: Parameters) -> Reach:
    """Looks back one window."""
    return Reach(back_ms=parameters.window, ahead_ms=0)


def detect(slab: Slab, parameters: Parameters) -> list[Firing]:
    """Returns a firing at every swipe near the limit whose person has reached the count."""
    swipes = slab.swipes
    near = (swipes.total_fen >= least_near_fen(parameters)) & (swipes.total_fen <= parameters.limit_fen)
    groups = Groups.of(swipes.person, np.flatnonzero(near))
    spans = trailing_window(swipes.time_ms, swipes.person, parameters.window, groups, parameters.count)
    firings = []
    for row in np.flatnonzero(spans.count).tolist():
        counted = swipes.settlement_id[spans.rows_of(row)].tolist()
        firings.append(
            Firing(
                row=row,
                key={"person_id": slab.persons.names[swipes.person[row]]},
                severity=parameters.severity,
                measure={"count": len(counted), "total_fen": int(swipes.total_fen[row])},
                threshold={
                    "count": parameters.count,
                    "window_ms": int(parameters.window),
                    "limit_fen": parameters.limit_fen,
                },
                evidence=counted,
            )
        )
    return firings


def least_near_fen(parameters: Parameters) -> int:
    """Returns the least total that is near the limit, in whole fen."""
    margin = max(Fraction(parameters.margin_fen), fraction_of(parameters.margin_ratio) * parameters.limit_fen)
    return math.floor(parameters.limit_fen - margin) + 1


_NEAR = [swipe("a", "0h", total_fen=20_000), swipe("b", "24h", total_fen=19_401)]

EXAMPLES = (
    Example(
        title="the third settlement just below the limit within thirty days",
        events=[*_NEAR, swipe("c", "2591999999ms", total_fen=19_900)],
        fires={"c": "medium"},
    ),
    Example(
        title="the first is exactly thirty days ago",
        events=[*_NEAR, swipe("c", "30d", total_fen=19_900)],
        fires={},
    ),
    Example(
        title="above the limit, or a whole margin below it, is not near",
        events=[*_NEAR, swipe("c", "25h", total_fen=20_001), swipe("d", "26h", total_fen=19_400)],
        fires={},
    ),
)
