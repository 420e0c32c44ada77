"""The engine: a batch of accepted events in, what changed out. Pure: no clock, and no I/O but its own columns.

Events flow through the stages of P partitions. For the keys that a batch touches each partition gathers their events
around the anchors that may be affected, judges that slab and compares with what stood. The findings that stand are a
function of the set of events alone, whatever P, the batches and the order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from detectors.catalogue import Rulebook, first_difference_ms
from events.findings import Finding
from events.identity import identity_of
from events.types import (
    AccountInjection,
    AgentRegistration,
    AnyEvent,
    CrossRegionFiling,
    Drug,
    FaceObserved,
    Institution,
    Person,
    Reversal,
    StockMovement,
    Swipe,
    VisitorCorrection,
)
from streams.changes import RULES, Changes
from streams.partition import Partition
from streams.stages import CausedRow, Meeting, Observation, PersonFact, PlaceFact, Sighting
from streams.store.files import Files
from streams.store.key_index import hash_of

_Item = TypeVar("_Item")


class Engine:
    """P partitions under one rulebook."""

    def __init__(self, rulebook: Rulebook, *, partitions: int = 1) -> None:
        self._rulebook = rulebook
        self._partitions = [
            Partition(rulebook, lambda key, number=number: self._number_of(key) == number, Files())  # type: ignore[misc]
            for number in range(partitions)
        ]
        self._watermark_ms = 0

    def standing(self) -> Iterator[Finding]:
        """Yields every finding that stands, in no particular order."""
        for partition in self._partitions:
            yield from partition.standing()

    def waiting_until_ms(self) -> int | None:
        """Returns the time after which nothing given so far waits any more, or None when nothing waits."""
        waiting = [partition.institutions.waiting_until_ms() for partition in self._partitions]
        return max((until_ms for until_ms in waiting if until_ms is not None), default=None)

    def apply(self, events: Iterable[AnyEvent], watermark_ms: int) -> Changes:
        """Takes new events and a later watermark; returns what changed.

        Args:
            events: accepted events, none of which was given before.
            watermark_ms: time has passed up to here; what waited for it is decided. An earlier one than before
                changes nothing: what was decided stays decided.
        """
        self._watermark_ms = max(self._watermark_ms, watermark_ms)
        changes = Changes()
        for partition in self._partitions:
            partition.begin()
        self._flow(_Batch.of(events), changes)
        for partition in self._partitions:
            partition.institutions.wake(partition.touched["till"], self._watermark_ms)
            partition.judge(self._watermark_ms, changes)
        return changes

    def change_rules(self, rulebook: Rulebook) -> Changes:
        """Judges anew the anchors for which another version is in force now; returns what changed."""
        since_ms = first_difference_ms(self._rulebook, rulebook)
        self._rulebook = rulebook
        changes = Changes()
        for partition in self._partitions:
            partition.begin()
            if partition.obey(rulebook, self._watermark_ms):
                for rows in partition.placed():
                    met, sighted = partition.institutions.follow(dict.fromkeys(rows, RULES))
                    self._follow_meetings(partition, met)
                    self._follow_sightings(partition, sighted)
        for partition in self._partitions if since_ms is not None else ():
            partition.judge_since(since_ms, self._watermark_ms, changes)
        return changes

    # ------------------------------------------------------------------------------------------- from stage to stage

    def _flow(self, batch: _Batch, changes: Changes) -> None:
        for event in batch.references:
            for partition in self._partitions:
                partition.take_reference(event, identity_of(event))
        joined = self._join(batch, changes)
        placed = self._place(batch, joined)
        self._watch(batch, placed)
        self._follow_codes(joined)
        for partition, rows in self._routed(joined, lambda caused: caused.row.settlement_id):
            partition.joining.remember(rows)

    def _join(self, batch: _Batch, changes: Changes) -> list[CausedRow]:
        """Stage 0 of swipes and reversals."""
        joined = []
        for partition, events in self._routed(batch.swipes, lambda event: event.settlement_id):
            rows, mismatched = partition.joining.join_swipes(events)
            joined.extend(rows)
            changes.mismatched.extend(mismatched)
        return joined

    def _place(self, batch: _Batch, joined: Sequence[CausedRow]) -> list[CausedRow]:
        """The person stage."""
        facts = dict(self._routed_by_number(batch.of_persons, lambda fact: fact.person_id))
        rows = dict(self._routed_by_number(joined, lambda caused: caused.row.person_id))
        placed = []
        for number in sorted({*facts, *rows}):
            partition = self._partitions[number]
            placed += partition.persons.take(facts.get(number, []), rows.get(number, []), partition.touched)
        return placed

    def _watch(self, batch: _Batch, placed: Sequence[CausedRow]) -> None:
        """The institution stage, and what follows from it for pairs and visitors."""
        seen: list[Observation] = []
        for partition, events in self._routed(batch.observations, _observation_id):
            seen += partition.joining.join_observations(events)
        facts = dict(self._routed_by_number(batch.of_places, lambda fact: fact.institution_id))
        observations = dict(self._routed_by_number(seen, lambda one: one.observed.institution_id))
        rows = dict(self._routed_by_number(placed, lambda caused: caused.row.institution_id))
        for number in sorted({*facts, *observations, *rows}):
            partition = self._partitions[number]
            for fact in facts.get(number, []):
                partition.institutions.take_fact(fact, partition.touched)
            met, sighted = partition.institutions.take(
                observations.get(number, []), rows.get(number, []), partition.touched, self._watermark_ms
            )
            self._follow_meetings(partition, met)
            self._follow_sightings(partition, sighted)

    def _follow_codes(self, joined: Sequence[CausedRow]) -> None:
        """The stage of trace codes: a swipe goes to every partition that has one of its codes."""
        for number, partition in enumerate(self._partitions):
            rows = [one for one in joined if any(self._number_of(code) == number for code in one.row.codes)]
            partition.take_codes(rows)

    def _follow_meetings(self, source: Partition, met: Sequence[Meeting]) -> None:
        for target, meetings in self._routed(met, lambda meeting: "\x00".join(meeting.pair)):
            rows = [row for meeting in meetings for row in (meeting.one, meeting.other)]
            place = _carried(source, target, rows)
            target.take_meetings([replace(m, one=place[m.one], other=place[m.other]) for m in meetings])

    def _follow_sightings(self, source: Partition, sighted: Sequence[Sighting]) -> None:
        for target, sightings in self._routed(sighted, lambda sighting: sighting.visitor_id):
            place = _carried(source, target, [sighting.swipe for sighting in sightings])
            target.take_sightings([replace(sighting, swipe=place[sighting.swipe]) for sighting in sightings])

    def _routed(
        self, items: Sequence[_Item], key_of: Callable[[_Item], str]
    ) -> Iterator[tuple[Partition, list[_Item]]]:
        """Yields each partition that has any of the items' keys with its items, in their order."""
        for number, routed in self._routed_by_number(items, key_of):
            yield self._partitions[number], routed

    def _routed_by_number(
        self, items: Sequence[_Item], key_of: Callable[[_Item], str]
    ) -> Iterator[tuple[int, list[_Item]]]:
        if len(self._partitions) == 1:
            yield 0, list(items)
            return
        routed: dict[int, list[_Item]] = defaultdict(list)
        for item in items:
            routed[self._number_of(key_of(item))].append(item)
        yield from sorted(routed.items())

    def _number_of(self, key: str) -> int:
        return hash_of(key) % len(self._partitions) if len(self._partitions) > 1 else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Events by the stage that they go to first."""

    swipes: list[Swipe | Reversal] = field(default_factory=list)
    observations: list[FaceObserved | VisitorCorrection] = field(default_factory=list)
    of_persons: list[PersonFact] = field(default_factory=list)
    of_places: list[PlaceFact] = field(default_factory=list)
    references: list[Institution | Drug] = field(default_factory=list)

    @classmethod
    def of(cls, events: Iterable[AnyEvent]) -> _Batch:
        batch = cls()
        for event in events:
            match event:
                case Swipe() | Reversal():
                    batch.swipes.append(event)
                case FaceObserved() | VisitorCorrection():
                    batch.observations.append(event)
                case Person() | AccountInjection() | CrossRegionFiling():
                    batch.of_persons.append(event)
                case AgentRegistration() | StockMovement():
                    batch.of_places.append(event)
                case Institution() | Drug():
                    batch.references.append(event)
        return batch


def _observation_id(event: FaceObserved | VisitorCorrection) -> str:
    return event.event_id if isinstance(event, FaceObserved) else event.observation_id


def _carried(source: Partition, target: Partition, rows: Sequence[int]) -> dict[int, int]:
    """Returns where rows of one partition are in another, after they were put there with all that is known of them."""
    different = list(dict.fromkeys(rows))
    if source is target:
        return dict(zip(different, different, strict=True))
    places = target.stores.swipes.put(source.stores.swipes.rows(np.array(different, dtype=np.int64)))
    return dict(zip(different, places.tolist(), strict=True))
