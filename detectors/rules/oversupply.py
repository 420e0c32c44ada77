"""A person has bought far more days of one medicine than have passed.

Rule: over the person's purchases of a generic in the window up to and including the swipe, by order and line,
cover_end = max(cover_end, time of purchase) + days of supply, from nothing; it fires when cover_end − t is above the
limit, `chronic_limit` where the swipe's category starts with `chronic_category`. A key of its own for each generic.
Source: docs/rules.md, oversupply; NHSA rule library, 超量.
Edges: the limit itself is not above it; the window is open at its start; items without days_supply are left out; the
generic is the drug's generic_code, else its own code; days may be decimal and are exact.
Misses: supply bought with a relative's card.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import Annotated

import numpy as np
from msgspec import Meta

from detectors.exact import fraction_of, shown
from detectors.examples import drug, item, swipe
from detectors.rule import Duration, Example, Firing, Reach, RuleParameters, Window
from detectors.slab import Slab
from detectors.windows import Groups, Int64s
from events.findings import Severity

SCOPE = "supply"

DAY_MS = 86_400_000
_ROUNDING = 1e-9
_WHOLE_DAYS = 10**9

ExactMs = int | Fraction


class Parameters(RuleParameters, frozen=True, kw_only=True):
    """More than `limit` ahead after the purchases of one `window`; `chronic_limit` for chronic categories."""

    window: Window = Window(365 * DAY_MS)
    limit: Duration = Duration(45 * DAY_MS)
    chronic_limit: Duration = Duration(84 * DAY_MS)
    chronic_category: Annotated[str, Meta(pattern=r"^[0-9]{1,6}\Z")] = "14"
    severity: Severity = "medium"


def reach(parameters: Parameters) -> Reach:
    """Looks back one window."""
    return Reach(back_ms=parameters.window, ahead_ms=0)


def detect(slab: Slab, parameters: Parameters) -> list[Firing]:
    """Returns a firing for every swipe and generic whose supply reaches too far ahead."""
    is_chronic = [name.startswith(parameters.chronic_category) for name in slab.categories.names]
    least_ms = min(parameters.limit, parameters.chronic_limit)
    firings = []
    for lines in _plentiful(slab, least_ms):
        for reached in _reaching_ahead(lines, parameters.window, least_ms):
            chronic = is_chronic[slab.swipes.category[reached.row]]
            limit_ms = parameters.chronic_limit if chronic else parameters.limit
            if reached.ahead_ms > limit_ms:
                firings.append(_firing(slab, parameters, lines[reached.start : reached.end], reached, limit_ms))
    return firings


@dataclass(frozen=True, slots=True)
class _Line:
    """One item: the row of its swipe, the swipe's time and the days of supply in ms."""

    row: int
    at_ms: int
    supply_ms: ExactMs
    generic: int


@dataclass(frozen=True, slots=True)
class _Reached:
    """How far ahead of a swipe the supply reaches, and which lines lie in its window."""

    row: int
    ahead_ms: ExactMs
    start: int
    end: int


def _plentiful(slab: Slab, limit_ms: int) -> Iterator[list[_Line]]:
    """Yields the lines of every person and generic whose days add up to more than the limit; no other can fire."""
    swipes, items = slab.swipes, slab.items
    rows = np.flatnonzero(~np.isnan(items.days_supply))
    if len(rows) == 0:
        return
    generic = slab.drug_facts.generic[items.drug[rows]]
    key = swipes.person[items.swipe[rows]].astype(np.int64) * len(slab.generics.names) + generic
    order = Groups.of(key).rows
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    with np.errstate(over="ignore"):  # an absurd supply is infinite here, and exact below
        total_ms = np.add.reduceat(items.days_supply[rows[order]], starts) * (DAY_MS * (1 + _ROUNDING))
    ends = np.append(starts[1:], len(order))
    for number in np.flatnonzero(total_ms > limit_ms).tolist():
        of_key = order[starts[number] : ends[number]]
        yield _lines(slab, rows[of_key], int(generic[of_key[0]]))


def _lines(slab: Slab, item_rows: Int64s, generic: int) -> list[_Line]:
    rows = slab.items.swipe[item_rows]
    columns = (rows.tolist(), slab.swipes.time_ms[rows].tolist(), slab.items.days_supply[item_rows].tolist())
    return [_Line(row, at_ms, _exact_ms(days), generic) for row, at_ms, days in zip(*columns, strict=True)]


def _exact_ms(days: float) -> ExactMs:
    return int(days) * DAY_MS if days.is_integer() and days < _WHOLE_DAYS else fraction_of(days) * DAY_MS


def _reaching_ahead(lines: Sequence[_Line], window_ms: int, least_ms: int) -> Iterator[_Reached]:
    """Yields every swipe whose supply may reach further than that beyond it.

    Older purchases can only lengthen the supply, so the cover over all of them shows who may fire at all.
    """
    times = [line.at_ms for line in lines]
    cover_ms: ExactMs = -1
    end = 0
    for row, of_swipe in groupby(lines, key=lambda line: line.row):
        own = list(of_swipe)
        cover_ms, end = _cover_end(own, cover_ms), end + len(own)
        at_ms = own[0].at_ms
        if cover_ms - at_ms > least_ms:
            start = bisect_right(times, at_ms - window_ms)
            within_ms = cover_ms if start == 0 else _cover_end(lines[start:end], -1)
            yield _Reached(row, within_ms - at_ms, start, end)


def _cover_end(lines: Sequence[_Line], cover_ms: ExactMs) -> ExactMs:
    for line in lines:
        cover_ms = max(cover_ms, line.at_ms) + line.supply_ms
    return cover_ms


def _firing(slab: Slab, parameters: Parameters, counted: Sequence[_Line], reached: _Reached, limit_ms: int) -> Firing:
    swipes = slab.swipes
    purchases = list(dict.fromkeys(line.row for line in counted))
    return Firing(
        row=reached.row,
        key={
            "person_id": slab.persons.names[swipes.person[reached.row]],
            "generic": slab.generics.names[counted[-1].generic],
        },
        severity=parameters.severity,
        measure={"days_ahead": shown(Fraction(reached.ahead_ms) / DAY_MS), "purchases": len(purchases)},
        threshold={"limit_ms": int(limit_ms), "window_ms": int(parameters.window)},
        evidence=swipes.settlement_id[purchases].tolist(),
    )


def _bought(settlement_id: str, offset: str, days: float, category: str = "41") -> dict[str, object]:
    return swipe(settlement_id, offset, category=category, items=[item(days_supply=days)])


EXAMPLES = (
    Example(
        title="30 days' supply on top of 16 that have not begun, a little less than a day later",
        events=[_bought("a", "0h", 30), _bought("b", "86399999ms", 16)],
        fires={"b": "medium"},
    ),
    Example(
        title="exactly 45 days ahead, and a new beginning after a gap",
        events=[_bought("a", "0h", 45), _bought("b", "60d", 45)],
        fires={},
    ),
    Example(
        title="chronic categories may hold 84 days",
        events=[_bought("a", "0h", 84, category="1402"), _bought("b", "84d", 84.5, category="14")],
        fires={"b": "medium"},
    ),
    Example(
        title="two drugs of one generic are one supply",
        events=[
            drug("one", generic_code="g"),
            drug("two", generic_code="g"),
            swipe("a", "0h", items=[item("one", days_supply=30), item("two", line_no=2, days_supply=16)]),
        ],
        fires={"a": "medium"},
    ),
)
