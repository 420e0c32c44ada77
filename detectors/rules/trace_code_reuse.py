"""One pack is sold twice.

Rule: a trace code of the swipe stands in an earlier swipe within the window. Against the latest earlier one: at the
same institution it is a `swap`, at another at least `reflow_after` later a `reflow`, else a `counterfeit`.
From `critical_uses` on, the swipe among them, it is graver.
Source: docs/rules.md, trace_code_reuse.
Edges: earlier is by (time, settlement_id); the window is open at its start; items of split packs are ignored
everywhere; a code printed twice in one swipe counts once.
Misses: packs whose code was not scanned.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict

import numpy as np

from detectors.examples import item, swipe
from detectors.rule import AtLeastOne, Duration, Example, Firing, Reach, RuleParameters, Window
from detectors.slab import Slab
from events.findings import Severity

SCOPE = "trace_code"

DAY_MS = 86_400_000


class Parameters(RuleParameters, frozen=True, kw_only=True):
    """A code again within `window`; `critical_severity` from the `critical_uses`-th use on."""

    window: Window = Window(730 * DAY_MS)
    reflow_after: Duration = Duration(3 * DAY_MS)
    critical_uses: AtLeastOne = 3
    severity: Severity = "high"
    critical_severity: Severity = "critical"


def reach(parameters: Parameters) -> Reach:
    """Looks back one window."""
    return Reach(back_ms=parameters.window, ahead_ms=0)


def detect(slab: Slab, parameters: Parameters) -> list[Firing]:
    """Returns a firing for every code of a swipe that stands in an earlier one."""
    firings = []
    for code, rows in _reused(slab).items():
        times = slab.swipes.time_ms[rows].tolist()
        for number in range(1, len(rows)):
            start = bisect_right(times, times[number] - parameters.window)
            if start < number:
                firings.append(_firing(slab, parameters, code, rows[start : number + 1]))
    return firings


def _reused(slab: Slab) -> dict[str, list[int]]:
    """Returns the codes of more than one swipe with the rows of their swipes, ascending."""
    traces = slab.traces
    order = np.argsort(traces.code_hash)
    same = traces.code_hash[order[1:]] == traces.code_hash[order[:-1]]
    repeated = np.zeros(len(order), dtype=np.bool_)
    repeated[1:] |= same
    repeated[:-1] |= same
    rows_of: dict[str, list[int]] = defaultdict(list)
    for use in np.sort(order[repeated]).tolist():
        rows_of[traces.code[use]].append(int(traces.swipe[use]))
    return rows_of


def _firing(slab: Slab, parameters: Parameters, code: str, uses: list[int]) -> Firing:
    swipes = slab.swipes
    previous, row = uses[-2:]
    is_critical = len(uses) >= parameters.critical_uses
    return Firing(
        row=row,
        key={"trace_code": code},
        severity=parameters.critical_severity if is_critical else parameters.severity,
        measure={"class": _class_of(slab, parameters, previous, row), "uses": len(uses)},
        threshold={"uses": 1, "window_ms": int(parameters.window), "reflow_after_ms": int(parameters.reflow_after)},
        evidence=swipes.settlement_id[uses].tolist(),
    )


def _class_of(slab: Slab, parameters: Parameters, previous: int, row: int) -> str:
    swipes = slab.swipes
    if swipes.institution[previous] == swipes.institution[row]:
        return "swap"
    gap_ms = int(swipes.time_ms[row] - swipes.time_ms[previous])
    return "reflow" if gap_ms >= parameters.reflow_after else "counterfeit"


_CODE = "81000000000000000001"


def _sold(settlement_id: str, offset: str, *, split_pack: bool = False) -> dict[str, object]:
    return swipe(settlement_id, offset, items=[item(trace_codes=[_CODE, _CODE], split_pack=split_pack)])


EXAMPLES = (
    Example(
        title="the second and the third use of one code",
        events=[_sold("a", "0h"), _sold("b", "0h"), _sold("c", "63071999999ms")],
        fires={"b": "high", "c": "critical"},
    ),
    Example(
        title="printed twice in one swipe, and again exactly two years later",
        events=[_sold("a", "0h"), _sold("b", "730d")],
        fires={},
    ),
    Example(
        title="a split pack may be sold in parts",
        events=[_sold("a", "0h"), _sold("b", "1h", split_pack=True)],
        fires={},
    ),
)
