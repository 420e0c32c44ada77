"""Replay of inputs that memory would not hold: cut by key into parts on disk, each part one slab.

Every rule wants all swipes of its key in one slab: of a person, an institution, a trace code, a visitor or a pair. So
the input is cut by person and institution as it is read; what stands goes on from each person's part to the parts of
the institutions and trace codes, and from an institution's part to those of the visitors and pairs who were seen there.
Whoever has a key in a part is in it with all that rules ask of, so a part finds what the whole would; of a visitor or
pair whose key belongs to another part it may hold too little, and its word is not taken.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from detectors.catalogue import Rulebook, judge, meeting_reach, scopes_of, tie_reach
from detectors.columns import (
    Coded,
    EventColumns,
    InjectionColumns,
    ObservationColumns,
    PackColumns,
    PersonColumns,
    SwipeColumns,
    compact,
    concatenated,
    rows_of,
)
from detectors.extraction import NO_ITEMS, NO_PACKS
from detectors.meetings import MeetingReach, frequents_enough, neighbours
from detectors.rule import Reach, Scope
from detectors.slab import END_OF_TIME_MS, Corrections, Slab
from detectors.slab_builder import SlabBuilder
from detectors.slab_tables import places_of
from detectors.windows import Int32s, Int64s, Spans, Texts, around, different
from events.findings import Finding, replay_order
from events.types import AnyEvent
from streams.arrivals import Arrivals, Repeat, hashes_of, repeats_among
from streams.frames import Frames
from streams.sources import Input
from streams.stage_zero import StageZero

EVENTS_IN_MEMORY: Final = 3_000_000
EVENTS_A_PART: Final = 1_000_000
"""A million events, and what rules make of them, take about a gigabyte."""

PERSON_SCOPES: Final[tuple[Scope, ...]] = ("person", "supply")
PLACE_SCOPES: Final[tuple[Scope, ...]] = ("till", "weekday", "stock", "institution")
LATER_SCOPES: Final[tuple[Scope, ...]] = ("trace_code", "visitor", "pair")
PERSONS, PLACES = "persons", "places"
"""Files of what arrived, by the persons and by the institutions that it is about."""
BLOCK_FINDINGS: Final = 1_000

_Kind = TypeVar("_Kind", bound=EventColumns)
_ODD: Final = np.int64(-7046029254386353131)


def parts_for(events: int) -> int:
    """Returns into how many parts so many events are cut: one as long as memory holds them easily."""
    return 1 if events <= EVENTS_IN_MEMORY else -(-events // EVENTS_A_PART)


class Runs(Collection[Finding]):
    """Findings on disk, a sorted run for each slab; they are read in replay's order."""

    def __init__(self, directory: Path) -> None:
        self._frames = Frames(directory)
        self._names: list[str] = []
        self._count = 0

    def add(self, findings: Iterable[Finding]) -> None:
        """Adds the findings of a slab, in any order."""
        name = f"findings-{len(self._names)}"
        self._names.append(name)
        in_order = iter(sorted(findings, key=replay_order))
        while block := list(islice(in_order, BLOCK_FINDINGS)):
            self._frames.append(name, msgspec.msgpack.encode(block))
            self._count += len(block)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Finding]:
        return heapq.merge(*(self._run(name) for name in self._names), key=replay_order)

    def __contains__(self, finding: object) -> bool:
        return any(one == finding for one in self)

    def _run(self, name: str) -> Iterator[Finding]:
        for block in self._frames.read(name):
            yield from msgspec.msgpack.decode(block, type=list[Finding])


class PartedReplay:
    """One replay in so many parts, in a folder that is empty before."""

    def __init__(self, given: Input, rulebook: Rulebook, parts: int, directory: Path) -> None:
        self._given, self._rulebook, self._parts = given, rulebook, parts
        self._scopes = scopes_of(rulebook)
        self._ties, self._meetings = tie_reach(rulebook), meeting_reach(rulebook)
        self._frames = Frames(directory)
        self._others: list[AnyEvent] = []
        self._corrections: Corrections = {}
        self._place_numbers: dict[str, int] = {}
        self.stage_zero = StageZero(given)
        self.findings = Runs(directory)

    def run(self) -> None:
        """Afterwards the findings and stage zero's counts are complete."""
        self._cut()
        for part in range(self._parts):
            self._judge_persons(part)
        for part in range(self._parts):
            self._judge_places(part)
        for part in range(self._parts):
            self._judge_codes(part)
            self._judge_visitors(part)
        self._judge_pairs()

    # ------------------------------------------------------------------------------------------ the input, cut by key

    def _cut(self) -> None:
        """Writes every event to its part; what is of no part stays in memory, there is little of it."""
        of_no_part: list[Arrivals] = []
        for chunk in self._given.chunks():
            self.stage_zero.note(chunk)
            for arrivals in chunk.arrivals:
                self._write_identities(arrivals)
                if arrivals.columns is None:
                    of_no_part.append(arrivals)
                else:
                    self._write_columns(arrivals.columns, arrivals.numbers)
        self.stage_zero.settle(chain.from_iterable(map(self._repeats, range(self._parts))))
        self._others += chain.from_iterable(map(self.stage_zero.accept_events, of_no_part))
        self._corrections = self.stage_zero.corrections()

    def _write_identities(self, arrivals: Arrivals) -> None:
        hashes = arrivals.hashes ^ np.int64(hash(arrivals.kind))
        for part, rows in _parted(hashes % self._parts):
            self._frames.append(
                f"identity-{part}", np.stack([hashes[rows], arrivals.numbers[rows], arrivals.marks[rows]])
            )

    def _repeats(self, part: int) -> Iterator[Repeat]:
        known = list(self._frames.read(f"identity-{part}"))
        self._frames.delete(f"identity-{part}")
        return repeats_among(*np.concatenate(known, axis=1)) if known else iter(())

    def _write_columns(self, columns: EventColumns, numbers: Int64s) -> None:
        if isinstance(columns, SwipeColumns | PersonColumns | InjectionColumns):
            file, key = PERSONS, columns.person
        else:
            file, key = PLACES, columns.institution
        for part, rows in _parted(self._part_of(key)):
            self._frames.append(f"{file}-{part}", (compact(rows_of(columns, rows)), numbers[rows]))

    def _part_of(self, key: Coded) -> Int64s:
        """Returns the part of each row by its key."""
        return (hashes_of(key.names) % self._parts)[key.codes]

    def _accepted(self, name: str) -> Iterator[EventColumns]:
        for columns, numbers in self._frames.read(name):
            yield self.stage_zero.accept_columns(columns, numbers)
        self._frames.delete(name)

    # ------------------------------------------------------------------------------------------------------- persons

    def _judge_persons(self, part: int) -> None:
        given = list(self._accepted(f"{PERSONS}-{part}"))
        swipes = _of(SwipeColumns, given)
        if swipes is None:
            return
        people, builder = _of(PersonColumns, given), self._builder(swipes)
        for columns in given:
            if not isinstance(columns, SwipeColumns):
                builder.add_columns(columns)
        reversed_at_ms = self.stage_zero.reversed_at_ms(builder)
        slab = builder.build(reversed_at_ms=reversed_at_ms, watermark_ms=END_OF_TIME_MS)
        self.findings.add(judge(slab, self._rulebook, PERSON_SCOPES))
        standing = rows_of(swipes, _rows_of(slab.swipes.settlement_id, swipes.settlement_id))
        self._send_to_places(standing, people, _frequenters(slab, self._meetings))
        self._send_to_codes(standing)

    def _send_to_places(self, swipes: SwipeColumns, people: PersonColumns | None, frequenters: Collection[str]) -> None:
        """Sends swipes to the parts of their institutions, with their persons' versions and which are frequenters."""
        bare = replace(swipes, packs=NO_PACKS)
        for part, rows in _parted(self._part_of(swipes.institution)):
            there = compact(rows_of(bare, rows))
            self._frames.append(f"bought-{part}", there)
            self._frames.append(f"frequent-{part}", [name for name in there.person.names if name in frequenters])
            if people is not None:
                self._frames.append(f"bought-{part}", _versions_of(people, there.person.names))

    def _send_to_codes(self, swipes: SwipeColumns) -> None:
        """Sends the swipes to the parts of their trace codes, to each with the codes of that part alone."""
        packs = swipes.packs
        for part, rows in _parted(hashes_of(packs.code) % self._parts):
            of_part = PackColumns(swipe=packs.swipe[rows], code=[packs.code[row] for row in rows.tolist()])
            there = rows_of(replace(swipes, items=NO_ITEMS, packs=of_part), different(of_part.swipe))
            self._frames.append(f"code-{part}", compact(there))

    def _judge_codes(self, part: int) -> None:
        swipes = _of(SwipeColumns, self._taken(f"code-{part}"))
        if swipes is not None:
            slab = self._builder(swipes).build(watermark_ms=END_OF_TIME_MS)
            self.findings.add(judge(slab, self._rulebook, ["trace_code"]))

    # -------------------------------------------------------------------------------------------------- institutions

    def _judge_places(self, part: int) -> None:
        seen = list(self._accepted(f"{PLACES}-{part}"))
        bought = list(self._frames.read(f"bought-{part}"))
        swipes, people = _of(SwipeColumns, bought), _of(PersonColumns, bought)
        if swipes is None:
            return
        builder = self._builder(swipes)
        for columns in (*seen, *filter(None, [people])):
            builder.add_columns(columns)
        slab = builder.build(corrections=self._corrections, watermark_ms=END_OF_TIME_MS)
        self.findings.add(judge(slab, self._rulebook, PLACE_SCOPES))
        observations = _of(ObservationColumns, seen)
        if self._ties is not None and observations is not None:
            self._send_to_visitors(slab, self._ties, _Columns(swipes, people, observations))
        if self._meetings is not None:
            self._note_meetings(part, slab, self._meetings)

    def _send_to_visitors(self, slab: Slab, ties: Reach, given: _Columns) -> None:
        """Sends swipes that a face may tie, and all that was seen around them, to the parts of the faces' visitors."""
        swipe, visitor = _candidates(slab, ties)
        seen_around = _around_swipes(slab, ties, slab.observations.time_ms, slab.observations.till)
        for part, rows in _parted((hashes_of(slab.visitors.names) % self._parts)[visitor]):
            tied = different(swipe[rows])
            seen = different(seen_around.pairs(tied)[1])
            there = rows_of(given.swipes, _rows_of(slab.swipes.settlement_id[tied], given.swipes.settlement_id))
            self._send_bare(f"visitor-{part}", there, given.people)
            observed = _rows_of(slab.observations.event_id[seen], given.observations.event_id)
            self._frames.append(f"visitor-{part}", compact(rows_of(given.observations, observed)))

    def _judge_visitors(self, part: int) -> None:
        given = self._taken(f"visitor-{part}")
        swipes = _of(SwipeColumns, given)
        if swipes is None:
            return
        builder = self._builder(swipes)
        for columns in given:
            if not isinstance(columns, SwipeColumns):
                builder.add_columns(columns)
        slab = builder.build(corrections=self._corrections, watermark_ms=END_OF_TIME_MS)
        found = judge(slab, self._rulebook, ["visitor"])
        self.findings.add(one for one in found if hash(one.key["visitor_id"]) % self._parts == part)

    # --------------------------------------------------------------------------------------------------------- pairs

    def _note_meetings(self, part: int, slab: Slab, meetings: MeetingReach) -> None:
        """Writes which pairs met at which institutions of a part; only frequenters can be of a ring."""
        frequenters = set(chain.from_iterable(self._taken(f"frequent-{part}")))
        is_frequenter = np.array([name in frequenters for name in slab.persons.names], dtype=np.bool_)
        swipes, hashes = slab.swipes, hashes_of(slab.persons.names)
        later, first = neighbours(swipes, np.flatnonzero(is_frequenter[swipes.person]), meetings.meeting_ms)
        others = swipes.person[later] != swipes.person[first]
        later, first = later[others], first[others]
        one, other = hashes[swipes.person[first]], hashes[swipes.person[later]]
        numbers, names = self._place_numbers, slab.institution_ids.names
        place = np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)
        met = np.stack([_pair_hashes(one, other), place[swipes.institution[later]], one, other])
        met = met[:, _first_of_each(met[0], met[1])]
        for pairs, rows in _parted(met[0] % self._parts):
            self._frames.append(f"met-{pairs}", met[:, rows])

    def _judge_pairs(self) -> None:
        """Judges the pairs who met at enough institutions, with all the swipes of both."""
        if self._meetings is None:
            return
        persons_of = {part: self._frequent_pairs(part, self._meetings) for part in range(self._parts)}
        asked = {part: persons for part, persons in persons_of.items() if len(persons)}
        for place in range(self._parts):
            bought = self._taken(f"bought-{place}")
            swipes, people = _of(SwipeColumns, bought), _of(PersonColumns, bought)
            for part, persons in asked.items():
                if swipes is not None:
                    is_asked = np.isin(hashes_of(swipes.person.names), persons)
                    there = rows_of(swipes, np.flatnonzero(is_asked[swipes.person.codes]))
                    self._send_bare(f"pair-{part}", there, people)
        for part in asked:
            self._judge_pairs_of(part)

    def _frequent_pairs(self, part: int, meetings: MeetingReach) -> Int64s:
        """Returns the hashes of all persons of pairs who met at enough institutions."""
        known = self._taken(f"met-{part}")
        if not known:
            return np.zeros(0, dtype=np.int64)
        met = np.concatenate(known, axis=1)
        met = met[:, np.argsort(met[0])]
        most = max(met.shape[1] - meetings.institutions + 1, 0)
        enough = np.flatnonzero(met[0][:most] == met[0][met.shape[1] - most :])
        return different(met[2:, enough].ravel())

    def _judge_pairs_of(self, part: int) -> None:
        given = self._taken(f"pair-{part}")
        swipes, people = _of(SwipeColumns, given), _of(PersonColumns, given)
        if swipes is None:
            return
        builder = self._builder(swipes)
        if people is not None:
            builder.add_columns(people)
        found = judge(builder.build(watermark_ms=END_OF_TIME_MS), self._rulebook, ["pair"])
        self.findings.add(one for one in found if self._part_of_pair(one) == part)

    def _part_of_pair(self, found: Finding) -> int:
        one, other = hashes_of(list(found.key["persons"]))
        return int(_pair_hashes(np.array([one]), np.array([other]))[0] % self._parts)

    # ------------------------------------------------------------------------------------------------------ utensils

    def _builder(self, swipes: SwipeColumns) -> SlabBuilder:
        """Returns a builder that has the swipes and what is of no part."""
        builder = SlabBuilder()
        builder.add_columns(swipes)
        builder.add(self._others)
        return builder

    def _send_bare(self, name: str, swipes: SwipeColumns, people: PersonColumns | None) -> None:
        """Writes swipes without what they hold, and the versions of their persons."""
        there = compact(replace(swipes, items=NO_ITEMS, packs=NO_PACKS))
        self._frames.append(name, there)
        if people is not None:
            self._frames.append(name, _versions_of(people, there.person.names))

    def _taken(self, name: str) -> list[Any]:
        """Returns the values of a file, which is gone afterwards."""
        values = list(self._frames.read(name))
        self._frames.delete(name)
        return values


@dataclass(frozen=True, slots=True)
class _Columns:
    """What a part of institutions was built of."""

    swipes: SwipeColumns
    people: PersonColumns | None
    observations: ObservationColumns


def _of(kind: type[_Kind], given: Iterable[object]) -> _Kind | None:
    """Returns all columns of a kind as one, or None where there are none."""
    of_kind = [columns for columns in given if isinstance(columns, kind)]
    return concatenated(of_kind) if of_kind else None


def _parted(parts: Int64s) -> Iterator[tuple[int, Int64s]]:
    """Yields each part and its rows, ascending."""
    order = np.argsort(parts, kind="stable").astype(np.int64)
    starts = np.flatnonzero(np.diff(parts[order], prepend=-1))
    for rows in np.split(order, starts[1:]):
        if len(rows):
            yield int(parts[rows[0]]), rows


def _versions_of(people: PersonColumns, names: Sequence[str]) -> PersonColumns:
    """Returns the versions of these persons."""
    code_of = dict(zip(people.person.names, range(len(people.person.names)), strict=True))
    is_asked = np.zeros(len(people.person.names), dtype=np.bool_)
    is_asked[[code_of[name] for name in names if name in code_of]] = True
    return compact(rows_of(people, np.flatnonzero(is_asked[people.person.codes])))


def _frequenters(slab: Slab, meetings: MeetingReach | None) -> set[str]:
    """Returns the persons who swipe at so many institutions that they may be of a ring."""
    if meetings is None:
        return set()
    persons = slab.swipes.person[frequents_enough(slab.swipes, meetings.institutions)]
    return {slab.persons.names[code] for code in different(persons.astype(np.int64)).tolist()}


def _candidates(slab: Slab, ties: Reach) -> tuple[Int64s, Int64s]:
    """Returns (row of a swipe, code of a visitor) for every face that may tie the swipe under any rules."""
    faces, observations = slab.faces, slab.observations
    usable = np.flatnonzero(observations.healthy[faces.observation] & (faces.visitor >= 0) & ~faces.staff)
    seen_in = faces.observation[usable]
    spans = _around_swipes(slab, ties, observations.time_ms[seen_in], observations.till[seen_in])
    swipe, position = spans.pairs(np.arange(len(slab.swipes), dtype=np.int64))
    return swipe, faces.visitor[usable[position]].astype(np.int64)


def _around_swipes(slab: Slab, ties: Reach, time_ms: Int64s, till: Int32s) -> Spans:
    return around(slab.swipes.time_ms, slab.swipes.till, time_ms, till, ties.back_ms, ties.ahead_ms)


def _rows_of(wanted: Texts, ids: Texts) -> Int64s:
    """Returns the rows of these ids."""
    return np.array(places_of(set(wanted.tolist()), ids), dtype=np.int64)


def _pair_hashes(one: Int64s, other: Int64s) -> Int64s:
    """Returns a hash of each two persons, whoever comes first, from theirs."""
    lesser, greater = np.minimum(one, other), np.maximum(one, other)
    with np.errstate(over="ignore"):
        return (lesser * _ODD) ^ greater


def _first_of_each(one: Int64s, other: Int64s) -> Int64s:
    """Returns a row of each different pair of values."""
    order = np.lexsort((other, one))
    is_new = np.ones(len(order), dtype=np.bool_)
    is_new[1:] = (one[order[1:]] != one[order[:-1]]) | (other[order[1:]] != other[order[:-1]])
    return order[is_new].astype(np.int64)
