"""An account is emptied soon after money was put into it.

Rule: of the person's swipes after the injection and up to the window's end, taken in order, this is the first at which
the running sum of account_fen reaches `ratio` of the injected amount. It fires once per injection.
Source: docs/rules.md, injection_drawdown.
Edges: a swipe at the very time of the injection is before it, one exactly a window later is inside; an injection of
nothing is never drawn down; each injection is judged for itself; the ratio is exact.
Misses: money drawn from a relative's account.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from detectors.exact import fraction_of, shown
from detectors.examples import injection, swipe
from detectors.rule import Example, Firing, Ratio, Reach, RuleParameters, Window
from detectors.slab import Slab
from detectors.windows import Int64s, around
from events.findings import Severity

SCOPE = "person"

_JUST_AFTER_MS = -1


class Parameters(RuleParameters, frozen=True, kw_only=True):
    """`ratio` of the injected amount is spent within `window`."""

    window: Window = Window(72 * 3_600_000)
    ratio: Ratio = 0.6
    severity: Severity = "medium"


def reach(parameters: Parameters) -> Reach:
    """Looks back to an injection at most one window ago, and at the swipes since."""
    return Reach(back_ms=parameters.window, ahead_ms=0)


def detect(slab: Slab, parameters: Parameters) -> list[Firing]:
    """Returns a firing for every injection that is drawn down, at the swipe that does it."""
    swipes, injections = slab.swipes, slab.injections
    spans = around(
        injections.time_ms, injections.person, swipes.time_ms, swipes.person, _JUST_AFTER_MS, parameters.window
    )
    ratio = fraction_of(parameters.ratio)
    firings = []
    for number in np.flatnonzero((spans.count > 0) & (injections.amount_fen > 0)).tolist():
        amount_fen = int(injections.amount_fen[number])
        rows = spans.rows_of(number)
        spent_fen, counted = _until(swipes.account_fen[rows], ratio * amount_fen)
        if spent_fen < ratio * amount_fen:
            continue
        firings.append(
            Firing(
                row=int(rows[counted - 1]),
                key={
                    "person_id": slab.persons.names[injections.person[number]],
                    "injection": injections.event_id[number],
                },
                severity=parameters.severity,
                measure={"spent_fen": shown(spent_fen), "swipes": counted},
                threshold={
                    "amount_fen": amount_fen,
                    "ratio": parameters.ratio,
                    "window_ms": int(parameters.window),
                },
                evidence=swipes.settlement_id[rows[:counted]].tolist(),
            )
        )
    return firings


def _until(account_fen: Int64s, wanted_fen: Fraction) -> tuple[int, int]:
    """Returns the running sum and the number of swipes at the first that reaches the wanted sum, else at the last."""
    spent_fen, counted = 0, 0
    for drawn_fen in account_fen.tolist():
        spent_fen, counted = spent_fen + drawn_fen, counted + 1
        if spent_fen >= wanted_fen:
            break
    return spent_fen, counted


_SPENT = [swipe("a", "1h", account_fen=5_999), swipe("b", "72h", account_fen=1), swipe("c", "72h", account_fen=1)]

EXAMPLES = (
    Example(
        title="the second swipe reaches 60 %, exactly 72 hours later",
        events=[injection("i", "0h", 10_000), *_SPENT],
        fires={"b": "medium"},
    ),
    Example(
        title="a swipe at the time of the injection is before it",
        events=[injection("i", "1h", 10_000), *_SPENT],
        fires={},
    ),
    Example(
        title="a fen is missing when the window ends",
        events=[injection("i", "-1ms", 10_000), *_SPENT],
        fires={},
    ),
)
