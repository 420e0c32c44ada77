"""Slabs out of the live store: for touched keys, all that their anchors depend on and nothing of other keys' past."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Final, cast

import numpy as np

from detectors.local_time import DAY_MS, local_ms
from detectors.rule import Reach, Scope
from detectors.slab import Slab, Till
from detectors.slab_builder import SlabBuilder
from detectors.windows import Bools, Int64s, different
from events.types import FaceObserved, Institution, StockMovement, VisitorCorrection
from streams.store.columns import numbered, ranges
from streams.store.facts import FactStore
from streams.store.meetings import MeetingStore
from streams.store.sightings import SightingStore
from streams.store.swipes import STANDS, Day, Owned, Stock, SwipeStore
from streams.touched import ScopeKey, Touched

DEFAULT_ZONE: Final = "Asia/Shanghai"
NO_DAY: Final = -(2**40)
WEEK_DAYS: Final = 7

Span = tuple[str, int, int]
"""An institution with first and last moment, both inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What one partition keeps."""

    swipes: SwipeStore
    facts: FactStore
    meetings: MeetingStore
    sightings: SightingStore


class Gathering:
    """Finds swipes by place and time, and makes the slab of a scope's touched keys."""

    def __init__(self, stores: Stores) -> None:
        self._swipes, self._facts = stores.swipes, stores.facts
        self._meetings, self._sightings = stores.meetings, stores.sightings
        self._day_counts: dict[str, dict[int, int]] = {}

    # ------------------------------------------------------------------------------------------- found by place

    def at_institutions(self, spans: Sequence[Span]) -> Owned:
        """Returns the swipes of each institution from first to last, both inside."""
        return self._in_days(spans)

    def at_tills(self, spans: Sequence[tuple[Till, int, int]]) -> Owned:
        """Returns the swipes of each till from first to last, both inside."""
        owner, rows = self._in_days([(till[0], first_ms, last_ms) for till, first_ms, last_ms in spans])
        used, number = numbered(rows)
        till_ids = self._swipes.text("till_id", used)
        wanted = [till[1] for till, _, _ in spans]
        same = np.fromiter(
            (till_ids[row] == wanted[span] for span, row in zip(owner.tolist(), number.tolist(), strict=True)),
            np.bool_,
            len(owner),
        )
        return owner[same], rows[same]

    def _in_days(self, spans: Sequence[Span]) -> Owned:
        """Returns (span, row) of the swipes in each span, by the days that the spans lie in."""
        earliest_ms, latest_ms = self._swipes.first_and_last_ms()
        days: dict[Day, list[int]] = {}
        for number, (institution_id, first_ms, last_ms) in enumerate(spans):
            start, end = max(first_ms, earliest_ms) // DAY_MS, min(last_ms, latest_ms) // DAY_MS
            for day in range(start, end + 1):
                days.setdefault((institution_id, day), []).append(number)
        owner, rows = self._swipes.of_days(list(days))
        owner, rows = _joined(list(days.values()), owner, rows)
        inside = _inside(spans, owner, self._swipes.time_ms(rows))
        return owner[inside], rows[inside]

    def neighbours(self, rows: Int64s, within_ms: int) -> Owned:
        """Returns (row, other) for every swipe at the same till at most so far from one of the rows, itself too."""
        time_ms = self._swipes.time_ms(rows)
        tills = self._swipes.tills(rows)
        spans = [(till, at - within_ms, at + within_ms) for till, at in zip(tills, time_ms.tolist(), strict=True)]
        owner, other = self.at_tills(spans)
        return rows[owner], other

    # ------------------------------------------------------------------------------------------------ local days

    def local_days(self, rows: Int64s) -> Int64s:
        """Returns for each swipe its local day since 1970, NO_DAY where no zone is in force."""
        time_ms, code = self._swipes.time_ms(rows), self._swipes.code("institution_id", rows)
        used, number = numbered(code)
        first = np.zeros(len(used), dtype=np.int64)
        first[number[::-1]] = np.arange(len(number), dtype=np.int64)[::-1]
        names = self._swipes.text("institution_id", rows[first])
        zones: dict[str, int] = {}
        zone = np.full(len(rows), -1, dtype=np.int64)
        order = np.argsort(number, kind="stable")
        ends = np.cumsum(np.bincount(number, minlength=len(used)))[: len(used)]
        for name, places in zip(names, np.split(order, ends[:-1]), strict=False):
            zone[places] = _zones_at(self._facts.institutions.get(name, ()), time_ms[places], zones)
        days = np.full(len(rows), NO_DAY, dtype=np.int64)
        for name, one in zones.items():
            there = zone == one
            days[there] = local_ms(time_ms[there], name) // DAY_MS
        return days

    def forget_days(self, institution_id: str, first_day: int | None = None, last_day: int | None = None) -> None:
        """The counts of these UTC days, or of all, may have changed; local days lie up to one day off."""
        known = self._day_counts.get(institution_id)
        if known is None:
            return
        if first_day is None or last_day is None:
            del self._day_counts[institution_id]
            return
        for day in range(first_day - 1, last_day + 2):
            known.pop(day, None)

    def _counts(self, days: Collection[Day]) -> list[tuple[str, int, int]]:
        """Returns (institution, local day, standing swipes) of each day that has any."""
        unknown = [day for day in days if day[1] not in self._day_counts.get(day[0], {})]
        if unknown:
            for (institution_id, local_day), rows in self._standing_on(unknown).items():
                self._day_counts.setdefault(institution_id, {})[local_day] = len(rows)
        counted = [(name, day, self._day_counts[name][day]) for name, day in days]
        return [one for one in counted if one[2] > 0]

    def _standing_on(self, days: Collection[Day]) -> dict[Day, Int64s]:
        """Returns the standing swipes of each institution's local day."""
        utc = list(dict.fromkeys((name, day + shift) for name, day in days for shift in (-1, 0, 1)))
        owner, rows = self._swipes.of_days(utc)
        stands = self._swipes.reversed_at_ms(rows) == STANDS
        owner, rows = owner[stands], rows[stands]
        local = self.local_days(rows)
        found: dict[Day, list[int]] = {day: [] for day in days}
        for number, day, row in zip(owner.tolist(), local.tolist(), rows.tolist(), strict=True):
            key = (utc[number][0], day)
            if key in found:
                found[key].append(row)
        return {day: np.array(of_day, dtype=np.int64) for day, of_day in found.items()}

    # ----------------------------------------------------------------------------------------------------- slabs

    def slab(self, scope: Scope, touched: Touched, tie: Reach | None, watermark_ms: int) -> Slab:
        """Returns the slab of all that the touched anchors of a scope depend on.

        Args: `tie` is how far from a swipe the faces lie that may tie it to a visitor.
        """
        draft = _Draft(self._swipes, self._facts)
        match scope:
            case "person" | "supply":
                self._draw_persons(draft, touched)
            case "till":
                self._draw_tills(draft, touched)
            case "institution":
                draft.add_standing(self.at_institutions(cast("list[Span]", list(touched.needed())))[1], homes=True)
            case "weekday":
                self._draw_weekdays(draft, touched)
            case "stock":
                self._draw_stocks(draft, touched)
            case "trace_code":
                draft.add_standing(self._found(touched, self._swipes.of_codes), packs=True)
            case "pair":
                draft.add_standing(self._found(touched, self._meetings.of_pairs), homes=True)
            case "visitor":
                rows = draft.add_standing(self._found(touched, self._sightings.of_visitors), homes=True)
                draft.add_observed(self._around(rows, tie or Reach(back_ms=0, ahead_ms=0)))
        asked_from_ms = min((first_ms for _, first_ms, _ in touched.spans()), default=0)
        return replace(draft.build(watermark_ms), asked_from_ms=asked_from_ms)

    def _found(self, touched: Touched, find: Callable[[Sequence[Any]], Owned]) -> Int64s:
        """Returns the swipes that the keys are found by, each once, in the spans that their anchors need."""
        spans = list(touched.needed())
        numbers_of: dict[ScopeKey, list[int]] = {}
        for number, (key, _, _) in enumerate(spans):
            numbers_of.setdefault(key, []).append(number)
        owner, rows = _joined(list(numbers_of.values()), *find(list(numbers_of)))
        return different(rows[_inside(spans, owner, self._swipes.time_ms(rows))])

    def _draw_persons(self, draft: _Draft, touched: Touched) -> None:
        """Draws all swipes of the persons, reversed ones too, and what is known of these persons."""
        draft.add_all(self._found(touched, self._swipes.of_persons))
        persons = [str(key) for key in touched.keys]
        draft.builder.add(chain.from_iterable(self._facts.versions_of(persons).values()))
        draft.builder.add(self._facts.accounts_of(persons))

    def _draw_tills(self, draft: _Draft, touched: Touched) -> None:
        _, found = self.at_tills(cast("list[tuple[Till, int, int]]", list(touched.needed())))
        rows = draft.add_standing(found, homes=True)
        draft.add_observed(self._around(rows, touched.reach))
        holders = zip(self._swipes.text("institution_id", rows), self._swipes.text("person_id", rows), strict=True)
        draft.builder.add(self._facts.agents_of(dict.fromkeys(holders)))

    def _around(self, rows: Int64s, reach: Reach) -> Iterator[tuple[Till, int, int]]:
        """Yields where to look for observations of these swipes."""
        for till, at_ms in zip(self._swipes.tills(rows), self._swipes.time_ms(rows).tolist(), strict=True):
            yield till, at_ms - reach.back_ms, at_ms + reach.ahead_ms

    def _draw_weekdays(self, draft: _Draft, touched: Touched) -> None:
        """Draws all swipes of the anchors' local days, and of the same weekdays before them how many there were."""
        rows = different(self.at_institutions(cast("list[Span]", list(touched.spans())))[1])
        names = self._swipes.text("institution_id", rows)
        asked = {(name, day) for name, day in zip(names, self.local_days(rows).tolist(), strict=True) if day != NO_DAY}
        draft.add_standing(_all_of(self._standing_on(asked)), items=False)
        weeks = range(1, touched.reach.back_ms // (WEEK_DAYS * DAY_MS) + 2)
        before = {(name, day - WEEK_DAYS * week) for name, day in asked for week in weeks} - asked
        draft.builder.add_day_counts(self._counts(before))

    def _draw_stocks(self, draft: _Draft, touched: Touched) -> None:
        """Draws swipes and movements since the latest count before the first anchor: for none counts what is older."""
        movements = self._facts.movements_of(cast("list[Stock]", list(touched.keys)))
        since_count = Touched(Reach(back_ms=0, ahead_ms=0), is_asked_for=True)
        moved: dict[str, StockMovement] = {}
        for stock, anchor_ms, last_ms in touched.spans():
            of_stock = movements.get(cast("Stock", stock), [])
            reached_ms = anchor_ms - touched.reach.back_ms
            counts_ms = [m.occurred_at_ms for m in of_stock if m.kind == "count"]
            start_ms = max((at for at in counts_ms if reached_ms <= at <= anchor_ms), default=reached_ms)
            since_count.anchors(stock, start_ms, last_ms, "")
            moved |= {m.event_id: m for m in of_stock if start_ms <= m.occurred_at_ms <= last_ms}
        draft.builder.add(moved.values())
        draft.add_standing(self._found(since_count, self._swipes.of_stocks))


class _Draft:
    """A slab in the making."""

    def __init__(self, swipes: SwipeStore, facts: FactStore) -> None:
        self.builder = SlabBuilder()
        self._swipes, self._facts = swipes, facts
        self._reversed_at_ms: dict[str, int] = {}
        self._observed: dict[str, FaceObserved] = {}

    def add_all(self, rows: Int64s) -> None:
        """Adds swipes, reversed ones as such."""
        self._add(rows, items=True)
        undone = self._swipes.reversed_at_ms(rows)
        places = np.flatnonzero(undone != STANDS)
        self._reversed_at_ms = dict(
            zip(self._swipes.settlement_ids(rows[places]), undone[places].tolist(), strict=True)
        )

    def add_standing(self, rows: Int64s, *, items: bool = True, packs: bool = False, homes: bool = False) -> Int64s:
        """Adds those of the swipes that stand, each once, and returns them."""
        drawn = different(rows)
        standing: Int64s = drawn[self._swipes.reversed_at_ms(drawn) == STANDS]
        self._add(standing, items=items, packs=packs, homes=homes)
        return standing

    def _add(self, rows: Int64s, *, items: bool, packs: bool = False, homes: bool = False) -> None:
        columns = self._swipes.columns(rows, items=items, packs=packs, homes=homes)
        self.builder.add_columns(columns)
        drugs, institutions = self._facts.drugs, self._facts.institutions
        self.builder.add(chain.from_iterable(institutions.get(name, ()) for name in columns.institution.names))
        self.builder.add([drugs[code] for code in columns.items.drug.names if code in drugs])

    def add_observed(self, spans: Iterable[tuple[Till, int, int]]) -> None:
        """Adds the observations of these tills and times."""
        self._observed = self._facts.observed_at(spans)
        self.builder.add(self._observed.values())

    def build(self, watermark_ms: int) -> Slab:
        """Returns the slab of all that was added."""
        known = self._facts.corrections_of(self._observed).values()
        return self.builder.build(
            reversed_at_ms=self._reversed_at_ms,
            corrections=latest_corrections(chain.from_iterable(known)),
            watermark_ms=watermark_ms,
        )


def latest_corrections(corrections: Iterable[VisitorCorrection]) -> dict[tuple[str, int], str | None]:
    """Returns which visitor holds for (observation, face): that of the latest correction by (time, event_id)."""
    in_order = sorted(corrections, key=lambda correction: (correction.occurred_at_ms, correction.event_id))
    return {(correction.observation_id, correction.face_no): correction.visitor_id for correction in in_order}


def visitors_in(observed: FaceObserved, corrections: Iterable[VisitorCorrection]) -> set[str]:
    """Returns every visitor that a face of an observation was ever said to be."""
    seen = {face.visitor_id for face in observed.faces} | {correction.visitor_id for correction in corrections}
    return {name for name in seen if name is not None}


def _zones_at(versions: Sequence[Institution], time_ms: Int64s, zones: dict[str, int]) -> Int64s:
    """Returns the number of the zone in force at each time, −1 for none; new zones are added to `zones`."""
    if not versions:
        return np.full(len(time_ms), -1, dtype=np.int64)
    in_order = sorted(versions, key=lambda version: (version.effective_from_ms, version.event_id))
    numbers = [zones.setdefault(version.time_zone or DEFAULT_ZONE, len(zones)) for version in in_order]
    starts = np.array([version.effective_from_ms for version in in_order], dtype=np.int64)
    return np.array([*numbers, -1], dtype=np.int64)[np.searchsorted(starts, time_ms, side="right") - 1]


def _inside(spans: Sequence[tuple[Any, int, int]], owner: Int64s, time_ms: Int64s) -> Bools:
    """Returns whether each time lies in its owner's span, both ends inside."""
    first = np.array([first_ms for _, first_ms, _ in spans], dtype=np.int64)[owner]
    last = np.array([last_ms for _, _, last_ms in spans], dtype=np.int64)[owner]
    return np.asarray((time_ms >= first) & (time_ms <= last))


def _all_of(rows_of: Mapping[Day, Int64s]) -> Int64s:
    return np.concatenate([np.zeros(0, dtype=np.int64), *rows_of.values()])


def _joined(owners_of: Sequence[Sequence[int]], number: Int64s, rows: Int64s) -> Owned:
    """Returns (owner, row) where each number stands for several owners."""
    counts = np.array([len(owners) for owners in owners_of], dtype=np.int64)
    flat = np.array([owner for owners in owners_of for owner in owners], dtype=np.int64)
    starts = np.cumsum(counts) - counts
    if len(number) == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    pair, place = ranges(starts[number], counts[number])
    return flat[place], rows[pair]
