"""A person's settlements are undone again and again soon after they were made.

Rule: the swipe was reversed at most `within` after it was made, at a time r, and at least `count` of the person's
swipes that were undone so soon, at any institutions, have their reversal in the window that ends at r.
Source: docs/rules.md, settle_refund.
Edges: a reversal at the very time of the swipe counts, one before it does not; the earliest matching reversal decides;
the window is open at its start and closed at r, ties are inside; the finding lies at r. It is the one rule that sees
reversed swipes.
Misses: reversals made later than `within`.
"""

from __future__ import annotations

import numpy as np

from detectors.examples import reversal, swipe
from detectors.rule import AtLeastOne, Duration, Example, Firing, Reach, RuleParameters, Window
from detectors.slab import Slab
from detectors.windows import trailing_window
from events.findings import Severity

SCOPE = "person"


class Parameters(RuleParameters, frozen=True, kw_only=True):
    """`count` swipes reversed `within` of their time, the reversals in one `window`."""

    within: Duration = Duration(900_000)
    window: Window = Window(86_400_000)
    count: AtLeastOne = 2
    severity: Severity = "medium"


def reach(parameters: Parameters) -> Reach:
    """Looks back one window from the reversal, to swipes that were made up to `within` before theirs."""
    return Reach(back_ms=parameters.window + parameters.within, ahead_ms=0)


def detect(slab: Slab, parameters: Parameters) -> list[Firing]:
    """Returns a firing at every swipe undone so soon whose person has reached the count."""
    swipes, undone_ms = slab.reversed_swipes, slab.reversed_at_ms
    delay_ms = undone_ms - swipes.time_ms
    soon = np.flatnonzero((delay_ms >= 0) & (delay_ms <= parameters.within))
    soon = soon[np.argsort(undone_ms[soon], kind="stable")]
    spans = trailing_window(undone_ms[soon], swipes.person[soon], parameters.window, least=parameters.count)
    firings = []
    for number in np.flatnonzero(spans.count).tolist():
        row = int(soon[number])
        counted = np.sort(soon[spans.rows_of(number)])
        firings.append(
            Firing(
                row=row,
                of_reversed=True,
                key={"person_id": slab.persons.names[swipes.person[row]]},
                severity=parameters.severity,
                measure={"count": len(counted), "delay_ms": int(delay_ms[row])},
                threshold={
                    "count": parameters.count,
                    "window_ms": int(parameters.window),
                    "within_ms": int(parameters.within),
                },
                evidence=swipes.settlement_id[counted].tolist(),
            )
        )
    return firings


_FIRST = [swipe("a", "0m"), reversal("a", "15m")]

EXAMPLES = (
    Example(
        title="the second refund within a day, the first exactly a quarter of an hour after its swipe",
        events=[*_FIRST, swipe("b", "24h"), reversal("b", "1454m")],
        fires={"b": "medium"},
    ),
    Example(
        title="the first refund is exactly a day ago",
        events=[*_FIRST, swipe("b", "24h"), reversal("b", "1455m")],
        fires={},
    ),
    Example(
        title="a refund after more than a quarter of an hour is none of these",
        events=[*_FIRST, swipe("b", "1h"), reversal("b", "4500001ms")],
        fires={},
    ),
)
