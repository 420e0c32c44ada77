"""One purchase is split into several settlements.

Rule: the person has at least `count` swipes at the same institution within the window.
Source: docs/rules.md, split_settlement.
Edges: the window is open at its start and closed at the anchor; ties at the anchor are inside.
Misses: splits over two institutions next door, or over several cards.
"""

from __future__ import annotations

import numpy as np

from detectors.examples import swipe
from detectors.rule import AtLeastOne, Example, Firing, Reach, RuleParameters, Window
from detectors.slab import Slab
from detectors.windows import trailing_window
from events.findings import Severity

SCOPE = "person"


class Parameters(RuleParameters, frozen=True, kw_only=True):
    """`count` swipes of one person at one institution within `window`."""

    window: Window = Window(600_000)
    count: AtLeastOne = 2
    severity: Severity = "medium"


def reach(parameters: Parameters) -> Reach:
    """Looks back one window."""
    return Reach(back_ms=parameters.window, ahead_ms=0)


def detect(slab: Slab, parameters: Parameters) -> list[Firing]:
    """Returns a firing at every swipe whose person and institution have reached the count."""
    swipes = slab.swipes
    pair = swipes.person.astype(np.int64) * len(slab.institution_ids.names) + swipes.institution
    spans = trailing_window(swipes.time_ms, pair, parameters.window, least=parameters.count)
    firings = []
    for row in np.flatnonzero(spans.count).tolist():
        counted = swipes.settlement_id[spans.rows_of(row)].tolist()
        firings.append(
            Firing(
                row=row,
                key={
                    "person_id": slab.persons.names[swipes.person[row]],
                    "institution_id": slab.institution_ids.names[swipes.institution[row]],
                },
                severity=parameters.severity,
                measure={"count": len(counted)},
                threshold={"count": parameters.count, "window_ms": int(parameters.window)},
                evidence=counted,
            )
        )
    return firings


EXAMPLES = (
    Example(
        title="the second swipe at one pharmacy just within ten minutes",
        events=[swipe("a", "0s"), swipe("b", "599999ms")],
        fires={"b": "medium"},
    ),
    Example(
        title="ten minutes apart, or at another pharmacy, is no split",
        events=[swipe("a", "0s"), swipe("b", "10m"), swipe("c", "11m", institution_id="P32990000002")],
        fires={},
    ),
    Example(
        title="two at the same instant fire both",
        events=[swipe("a", "0s"), swipe("b", "0s")],
        fires={"a": "medium", "b": "medium"},
    ),
)
