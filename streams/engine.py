"""The engine: a batch of accepted events in, what changed out. Pure: no clock, and no I/O but its own columns.

Events flow through the stages of P partitions. For the keys that a batch touches each partition gathers their events
around the anchors that may be affected, judges that slab and compares with what stood. The findings that stand are a
function of the set of events alone, whatever P, the batches and the order.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import structlog

from detectors.catalogue import Rulebook, first_difference_ms, meeting_reach, tie_reach
from events.errors import InvariantError
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
from streams.retention import GRACE_MS
from streams.snapshot import Position, Snapshot, clear, code_hash, read_snapshot, rules_of, write_snapshot
from streams.stages import CausedRow, Meeting, Observation, PersonFact, PlaceFact, Sighting
from streams.store.columns import StoreCorrupt
from streams.store.files import Files, FilesState
from streams.store.key_index import hash_of

_Item = TypeVar("_Item")
_log = structlog.get_logger()


class Engine:
    """P partitions under one rulebook.

    Args:
        directory: where columns and snapshots lie; None keeps everything in memory.
        forgets: whether anchors that have left their rules' look-back by seven days are frozen.
    """

    def __init__(
        self, rulebook: Rulebook, *, partitions: int = 1, directory: Path | None = None, forgets: bool = False
    ) -> None:
        self._rulebook, self._directory, self._forgets = rulebook, directory, forgets
        self._generation = 0
        self._partitions = [self._partition(number, partitions, None) for number in range(partitions)]
        self._watermark_ms = self.pruned_at_ms = 0
        self.applied = Position(0, b"")
        """The last event of the log that was applied; whoever applies says so."""

    def _partition(self, number: int, count: int, state: FilesState | None) -> Partition:
        directory = None if self._directory is None else self._directory / f"{self._generation}-{number}"
        return Partition(
            self._rulebook, lambda key: count == 1 or hash_of(key) % count == number, Files(directory, state)
        )

    @classmethod
    def open(
        cls, rulebook: Rulebook, directory: Path, *, partitions: int = 1, forgets: bool = False
    ) -> tuple[Engine, Changes]:
        """Returns the engine of a directory as its snapshot says, or an empty one, and what other rules change.

        Anchors for which another version is in force than when the snapshot was taken are judged anew.
        """
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            snapshot = read_snapshot(directory)
            if snapshot is not None and len(snapshot.partitions) == partitions:
                return cls._thawed(rulebook, directory, snapshot, forgets=forgets)
        except StoreCorrupt as damage:
            _log.warning("snapshot.damaged", reason=str(damage))
        clear(directory)
        return cls(rulebook, partitions=partitions, directory=directory, forgets=forgets), Changes()

    @classmethod
    def _thawed(
        cls, rulebook: Rulebook, directory: Path, snapshot: Snapshot, *, forgets: bool
    ) -> tuple[Engine, Changes]:
        engine = cls(snapshot.rulebook(), partitions=0, directory=directory, forgets=forgets)
        engine._generation = snapshot.generation
        count = len(snapshot.partitions)
        engine._partitions = [
            engine._partition(number, count, state) for number, state in enumerate(snapshot.partitions)
        ]
        for partition in engine._partitions:
            partition.institutions.tie, partition.institutions.meeting = snapshot.tie, snapshot.meeting
        engine.pruned_at_ms = snapshot.pruned_at_ms
        engine._watermark_ms, engine.applied = snapshot.watermark_ms, snapshot.applied
        return engine, engine.change_rules(rulebook, judges_all=snapshot.code != code_hash())

    def freeze(self) -> None:
        """Afterwards the engine's directory holds a snapshot of this moment, and no file that it does not need."""
        if self._directory is None:
            raise InvariantError("an engine in memory has no snapshot")
        states = tuple(partition.files.freeze() for partition in self._partitions)
        snapshot = Snapshot(
            code=code_hash(),
            rules=rules_of(self._rulebook),
            generation=self._generation,
            applied=self.applied,
            pruned_at_ms=self.pruned_at_ms,
            watermark_ms=self._watermark_ms,
            tie=tie_reach(self._rulebook),
            meeting=meeting_reach(self._rulebook),
            partitions=states,
        )
        write_snapshot(self._directory, snapshot)
        for partition, state in zip(self._partitions, states, strict=True):
            partition.files.sweep(state)
        for folder in self._directory.iterdir():
            if folder.is_dir() and not folder.name.startswith(f"{self._generation}-"):
                shutil.rmtree(folder)

    def prune(self) -> list[str]:
        """Forgets what no open anchor looks back to; returns the identities of the events that it has forgotten."""
        before, self._generation, self.pruned_at_ms = self._partitions, self._generation + 1, self._watermark_ms
        now_ms = self._latest_ms()
        forgotten: dict[str, None] = {}
        self._partitions = []
        for number, partition in enumerate(before):
            self._partitions.append(self._partition(number, len(before), None))
            forgotten |= dict.fromkeys(self._partitions[-1].keep(partition, now_ms, self._watermark_ms))
        if self._directory is not None:
            self.freeze()
        return list(forgotten)

    def is_frozen(self, finding: Finding) -> bool:
        """Returns whether a finding's anchor is so old that it is not judged any more, and stands as it is."""
        scopes = [entry.rule.SCOPE for entry in self._rulebook.active() if entry.name == finding.detector]
        limits = self._partitions[0].retention(self._now_ms())
        return any(finding.occurred_at_ms < limits.frozen_before_ms(scope) for scope in scopes)

    def _now_ms(self) -> int | None:
        return self._latest_ms() if self._forgets else None

    def _latest_ms(self) -> int:
        """Returns the time that has passed for sure: a clock that runs ahead of all swipes makes nobody forget them."""
        swiped_ms = max(partition.stores.swipes.first_and_last_ms()[1] for partition in self._partitions)
        return min(self._watermark_ms, swiped_ms + GRACE_MS)

    def standing(self) -> Iterator[Finding]:
        """Yields every finding that stands, in no particular order."""
        for partition in self._partitions:
            yield from partition.standing()

    def memory_bytes(self) -> dict[str, int]:
        """Returns how many bytes each part of what is kept takes, in memory or mapped."""
        sizes: dict[str, int] = defaultdict(int)
        for partition in self._partitions:
            for name, size in partition.files.memory_bytes.items():
                sizes[name] += size
        return dict(sizes)

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
            partition.begin(self._now_ms())
        self._flow(_Batch.of(events), changes)
        for partition in self._partitions:
            partition.institutions.wake(partition.touched["till"], self._watermark_ms)
            partition.judge(self._watermark_ms, changes)
        return changes

    def load(self, events: Iterable[AnyEvent], watermark_ms: int) -> list[Reversal]:
        """Takes events without judging; `judge_all` has to follow before anything is said of what stands.

        Returns the reversals that name another institution or person than their swipe.
        """
        self._watermark_ms = max(self._watermark_ms, watermark_ms)
        for partition in self._partitions:
            partition.begin(self._now_ms(), judges=False)
        changes = Changes()
        self._flow(_Batch.of(events), changes)
        return changes.mismatched

    def judge_all(self) -> Changes:
        """Judges every anchor there is; returns what changed."""
        changes = Changes()
        for partition in self._partitions:
            partition.judge_since(0, partition.retention(self._now_ms()), self._watermark_ms, changes)
        return changes

    def change_rules(self, rulebook: Rulebook, *, judges_all: bool = False) -> Changes:
        """Judges anew the anchors for which another version is in force now, or all; returns what changed."""
        since_ms = 0 if judges_all else first_difference_ms(self._rulebook, rulebook)
        self._rulebook = rulebook
        changes = Changes()
        for partition in self._partitions:
            partition.begin(self._now_ms())
            if partition.obey(rulebook, self._watermark_ms):
                for rows in partition.placed():
                    met, sighted = partition.institutions.follow(dict.fromkeys(rows, RULES))
                    self._follow_meetings(partition, met)
                    self._follow_sightings(partition, sighted)
        if since_ms is not None:
            for partition in self._partitions:
                partition.judge_since(since_ms, partition.retention(self._now_ms()), self._watermark_ms, changes)
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
