"""The engine: a batch of accepted events in, what changed out. Pure: no clock, and no I/O but its own columns.

Events flow through the stages of P partitions, of which an engine holds all or some: what is for others leaves it in
parcels, and what they send comes in such. For the keys that a batch touches each partition gathers their events
around the anchors that may be affected, judges that slab and compares with what stood. The findings that stand are a
function of the set of events alone, whatever P, the batches and the order.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

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
from streams.parcels import CausedRow, Met, Parcel, PersonFact, PlaceFact, Post, Sighted, Stage, together
from streams.partition import Partition
from streams.retention import GRACE_MS
from streams.rows import SwipeRow
from streams.snapshot import Position, Snapshot, clear, code_hash, read_snapshot, rules_of, write_snapshot
from streams.stages import Meeting, Sighting
from streams.store.columns import StoreCorrupt
from streams.store.files import Files, FilesState
from streams.store.key_index import hash_of

_Item = TypeVar("_Item")
NOTHING: Final[Mapping[int, Iterable[Parcel]]] = {}
_log = structlog.get_logger()


class Engine:
    """P partitions under one rulebook, or those of them that it holds.

    Args:
        partitions: into how many the keys are cut.
        held: the numbers of those that are here; None for all.
        directory: where columns and snapshots lie; None keeps everything in memory.
        forgets: whether anchors that have left their rules' look-back by seven days are frozen.
    """

    def __init__(
        self,
        rulebook: Rulebook,
        *,
        partitions: int = 1,
        held: Sequence[int] | None = None,
        directory: Path | None = None,
        forgets: bool = False,
    ) -> None:
        self._rulebook, self._directory, self._forgets = rulebook, directory, forgets
        self._count, self._generation = partitions, 0
        numbers = range(partitions) if held is None else held
        self._partitions = {number: self._partition(number, None) for number in numbers}
        self._watermark_ms = self.pruned_at_ms = 0
        self.applied = Position(0, b"")
        """The last event of the log that was applied; whoever applies says so."""

    def _partition(self, number: int, state: FilesState | None) -> Partition:
        directory = None if self._directory is None else self._directory / f"{self._generation}-{number}"
        return Partition(self._rulebook, lambda key: self._number_of(key) == number, Files(directory, state))

    @classmethod
    def open(
        cls,
        rulebook: Rulebook,
        directory: Path,
        *,
        partitions: int = 1,
        held: Sequence[int] | None = None,
        forgets: bool = False,
    ) -> tuple[Engine, Changes]:
        """Returns the engine of a directory as its snapshot says, or an empty one, and what other rules change.

        Anchors for which another version is in force than when the snapshot was taken are judged anew.
        """
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            snapshot = read_snapshot(directory)
            if snapshot is not None and snapshot.holds(partitions, held):
                return cls._thawed(rulebook, directory, snapshot, forgets=forgets)
        except StoreCorrupt as damage:
            _log.warning("snapshot.damaged", reason=str(damage))
        clear(directory)
        return cls(rulebook, partitions=partitions, held=held, directory=directory, forgets=forgets), Changes()

    @classmethod
    def _thawed(
        cls, rulebook: Rulebook, directory: Path, snapshot: Snapshot, *, forgets: bool
    ) -> tuple[Engine, Changes]:
        engine = cls(snapshot.rulebook(), partitions=snapshot.count, held=(), directory=directory, forgets=forgets)
        engine._generation = snapshot.generation
        engine._partitions = {number: engine._partition(number, state) for number, state in snapshot.partitions}
        for partition in engine._partitions.values():
            partition.institutions.tie, partition.institutions.meeting = snapshot.tie, snapshot.meeting
        engine.pruned_at_ms = snapshot.pruned_at_ms
        engine._watermark_ms, engine.applied = snapshot.watermark_ms, snapshot.applied
        return engine, engine.change_rules(rulebook, judges_all=snapshot.code != code_hash())

    def freeze(self) -> None:
        """Afterwards the engine's directory holds a snapshot of this moment, and no file that it does not need."""
        if self._directory is None:
            raise InvariantError("an engine in memory has no snapshot")
        states = tuple((number, partition.files.freeze()) for number, partition in self._partitions.items())
        snapshot = Snapshot(
            code=code_hash(),
            rules=rules_of(self._rulebook),
            count=self._count,
            generation=self._generation,
            applied=self.applied,
            pruned_at_ms=self.pruned_at_ms,
            watermark_ms=self._watermark_ms,
            tie=tie_reach(self._rulebook),
            meeting=meeting_reach(self._rulebook),
            partitions=states,
        )
        write_snapshot(self._directory, snapshot)
        for number, state in states:
            self._partitions[number].files.sweep(state)
        for folder in self._directory.iterdir():
            if folder.is_dir() and not folder.name.startswith(f"{self._generation}-"):
                shutil.rmtree(folder)

    def prune(self) -> list[str]:
        """Forgets what no open anchor looks back to; returns the identities of the events that it has forgotten."""
        before, self._generation, self.pruned_at_ms = self._partitions, self._generation + 1, self._watermark_ms
        now_ms = self._latest_ms()
        forgotten: dict[str, None] = {}
        self._partitions = {number: self._partition(number, None) for number in before}
        for number, partition in self._partitions.items():
            forgotten |= dict.fromkeys(partition.keep(before[number], now_ms, self._watermark_ms))
        if self._directory is not None:
            self.freeze()
        return list(forgotten)

    def is_frozen(self, finding: Finding) -> bool:
        """Returns whether a finding's anchor is so old that it is not judged any more, and stands as it is."""
        scopes = [entry.rule.SCOPE for entry in self._rulebook.active() if entry.name == finding.detector]
        limits = self._any.retention(self._now_ms())
        return any(finding.occurred_at_ms < limits.frozen_before_ms(scope) for scope in scopes)

    @property
    def _any(self) -> Partition:
        return next(iter(self._partitions.values()))

    def _now_ms(self) -> int | None:
        return self._latest_ms() if self._forgets else None

    def _latest_ms(self) -> int:
        """Returns the time that has passed for sure: a clock that runs ahead of all swipes makes nobody forget them."""
        swiped_ms = max(partition.stores.swipes.first_and_last_ms()[1] for partition in self._partitions.values())
        return min(self._watermark_ms, swiped_ms + GRACE_MS)

    def standing(self) -> Iterator[Finding]:
        """Yields every finding that stands, in no particular order."""
        for partition in self._partitions.values():
            yield from partition.standing()

    def memory_bytes(self) -> dict[str, int]:
        """Returns how many bytes each part of what is kept takes, in memory or mapped."""
        sizes: dict[str, int] = defaultdict(int)
        for partition in self._partitions.values():
            for name, size in partition.files.memory_bytes.items():
                sizes[name] += size
        return dict(sizes)

    def waiting_until_ms(self) -> int | None:
        """Returns the time after which nothing given so far waits any more, or None when nothing waits."""
        waiting = [partition.institutions.waiting_until_ms() for partition in self._partitions.values()]
        return max((until_ms for until_ms in waiting if until_ms is not None), default=None)

    def apply(
        self, events: Iterable[AnyEvent], watermark_ms: int, arrived: Mapping[int, Iterable[Parcel]] = NOTHING
    ) -> Changes:
        """Takes new events and a later watermark; returns what changed.

        Args:
            events: accepted events, none of which was given before; of partitions that are held, by `joining_key`.
            arrived: what partitions that are held elsewhere send, by the number of those that it is for.
            watermark_ms: time has passed up to here; what waited for it is decided. An earlier one than before
                changes nothing: what was decided stays decided.
        """
        self.begin()
        changes = self.take(events, watermark_ms, arrived)
        self._judge_touched(changes)
        return changes

    def load(
        self, events: Iterable[AnyEvent], watermark_ms: int, arrived: Mapping[int, Iterable[Parcel]] = NOTHING
    ) -> Changes:
        """Takes events without judging; `judge_all` has to follow before anything is said of what stands.

        Returns what reversals name another institution or person than their swipe, and parcels.
        """
        self.begin(judges=False)
        return self.take(events, watermark_ms, arrived)

    def begin(self, *, judges: bool = True) -> None:
        """Nothing is touched yet. What `take` touches from now on is for `judge_touched`, or for nobody to judge."""
        for partition in self._partitions.values():
            partition.begin(self._now_ms(), judges=judges)

    def take(
        self, events: Iterable[AnyEvent], watermark_ms: int, arrived: Mapping[int, Iterable[Parcel]] = NOTHING
    ) -> Changes:
        """As `apply`, but nothing is judged yet. Returns what reversals fit no swipe of theirs, and parcels."""
        self._watermark_ms = max(self._watermark_ms, watermark_ms)
        changes = Changes()
        self._flow(_Batch.of(events), arrived, changes)
        return changes

    def judge_touched(self) -> Changes:
        """Judges what was taken since `begin`, as one; returns what changed."""
        changes = Changes()
        self._judge_touched(changes)
        return changes

    def _judge_touched(self, changes: Changes) -> None:
        for partition in self._partitions.values():
            partition.institutions.wake(partition.touched["till"], self._watermark_ms)
            partition.judge(self._watermark_ms, changes)

    def judge_all(self) -> Changes:
        """Judges every anchor there is; returns what changed."""
        changes = Changes()
        for partition in self._partitions.values():
            partition.judge_since(0, partition.retention(self._now_ms()), self._watermark_ms, changes)
        return changes

    def change_rules(self, rulebook: Rulebook, *, judges_all: bool = False) -> Changes:
        """Judges anew the anchors for which another version is in force now, or all; returns what changed."""
        since_ms = 0 if judges_all else first_difference_ms(self._rulebook, rulebook)
        self._rulebook = rulebook
        changes, post = Changes(), Post()
        for partition in self._partitions.values():
            partition.begin(self._now_ms())
        for partition in self._partitions.values():
            if partition.obey(rulebook, self._watermark_ms):
                for rows in partition.placed():
                    self._follow(partition, rows, post)
        for number, partition in self._partitions.items():
            self._take_met(partition, post.of(number).met)
            self._take_sighted(partition, post.of(number).sighted)
        changes.parcels.update(post.left(self._partitions))
        if since_ms is not None:
            for partition in self._partitions.values():
                partition.judge_since(since_ms, partition.retention(self._now_ms()), self._watermark_ms, changes)
        return changes

    def reach(self) -> str:
        """Returns what calls two swipes a meeting, and a face around a swipe a sighting, as a text to compare."""
        return repr((meeting_reach(self._rulebook), tie_reach(self._rulebook)))

    def followed(self) -> Iterator[dict[int, Parcel]]:
        """Yields the parcels of all meetings and sightings there are, some swipes at a time; nothing is judged."""
        for partition in self._partitions.values():
            partition.begin(self._now_ms(), judges=False)
            for rows in partition.placed():
                post = Post()
                self._follow(partition, rows, post)
                yield post.left(self._partitions)

    # ------------------------------------------------------------------------------------------- from stage to stage

    def _follow(self, partition: Partition, rows: Sequence[int], post: Post) -> None:
        met, sighted = partition.institutions.follow(dict.fromkeys(rows, RULES))
        self._follow_meetings(partition, met, post)
        self._follow_sightings(partition, sighted, post)

    def _flow(self, batch: _Batch, arrived: Mapping[int, Iterable[Parcel]], changes: Changes) -> None:
        """Takes events and parcels through all stages; what is for partitions held elsewhere goes to `changes`."""
        post = Post()
        for number, parcels in arrived.items():
            post.bring(number, self._partitions[number].news_of(together(parcels)))
        self._tell_references(batch, post)
        joined = self._join(batch, post, changes)
        for number, partition in self._partitions.items():
            self._place(partition, post.of(number), post)
        for number, partition in self._partitions.items():
            self._watch(partition, post.of(number), post)
        for number, partition in self._partitions.items():
            if post.of(number).coded:
                partition.take_codes(post.of(number).coded)
            self._take_met(partition, post.of(number).met)
            self._take_sighted(partition, post.of(number).sighted)
        for number, rows in joined:
            self._partitions[number].joining.remember(rows)
        changes.parcels.update(post.left(self._partitions))

    def _tell_references(self, batch: _Batch, post: Post) -> None:
        for number in range(self._count) if batch.references else ():
            post.put(number, "references", batch.references)
        for number, partition in self._partitions.items():
            for event in post.of(number).references:
                partition.take_reference(event, identity_of(event))

    def _join(self, batch: _Batch, post: Post, changes: Changes) -> list[tuple[int, list[CausedRow]]]:
        """Stage 0; returns the rows of each partition."""
        joined = []
        for number, swipes in self._by_number(batch.swipes, lambda event: event.settlement_id):
            rows, mismatched = self._partitions[number].joining.join_swipes(swipes)
            changes.mismatched.extend(mismatched)
            joined.append((number, rows))
            self._send(post, "joined", rows, lambda caused: caused.row.person_id)
            self._send_codes(post, rows)
        for number, observations in self._by_number(batch.observations, _observation_id):
            seen = self._partitions[number].joining.join_observations(observations)
            self._send(post, "seen", seen, lambda one: one.observed.institution_id)
        self._send(post, "of_persons", batch.of_persons, lambda fact: fact.person_id)
        self._send(post, "of_places", batch.of_places, lambda fact: fact.institution_id)
        return joined

    def _place(self, partition: Partition, come: Parcel, post: Post) -> None:
        """The person stage."""
        if come.of_persons or come.joined:
            placed = partition.persons.take(come.of_persons, come.joined, partition.touched)
            self._send(post, "placed", placed, lambda caused: caused.row.institution_id)

    def _watch(self, partition: Partition, come: Parcel, post: Post) -> None:
        """The institution stage, and what follows from it for pairs and visitors."""
        for fact in come.of_places:
            partition.institutions.take_fact(fact, partition.touched)
        if come.seen or come.placed:
            met, sighted = partition.institutions.take(come.seen, come.placed, partition.touched, self._watermark_ms)
            self._follow_meetings(partition, met, post)
            self._follow_sightings(partition, sighted, post)

    def _send_codes(self, post: Post, rows: Sequence[CausedRow]) -> None:
        """A swipe goes to every partition that has one of its trace codes."""
        for caused in rows:
            for number in {self._number_of(code) for code in caused.row.codes}:
                post.put(number, "coded", [caused])

    def _follow_meetings(self, source: Partition, met: Sequence[Meeting], post: Post) -> None:
        for number, meetings in self._by_number(met, lambda meeting: "\x00".join(meeting.pair)):
            if self._partitions.get(number) is source:
                source.take_meetings(meetings)
                continue
            row_of = _rows_of(source, [row for meeting in meetings for row in (meeting.one, meeting.other)])
            post.put(
                number,
                "met",
                (Met(pair=m.pair, one=row_of[m.one], other=row_of[m.other], cause=m.cause) for m in meetings),
            )

    def _follow_sightings(self, source: Partition, sighted: Sequence[Sighting], post: Post) -> None:
        for number, sightings in self._by_number(sighted, lambda sighting: sighting.visitor_id):
            if self._partitions.get(number) is source:
                source.take_sightings(sightings)
                continue
            row_of = _rows_of(source, [sighting.swipe for sighting in sightings])
            post.put(
                number,
                "sighted",
                (
                    Sighted(
                        visitor_id=one.visitor_id,
                        swipe=row_of[one.swipe],
                        observations=tuple(one.observations),
                        cause=one.cause,
                    )
                    for one in sightings
                ),
            )

    @staticmethod
    def _take_met(partition: Partition, met: Sequence[Met]) -> None:
        if not met:
            return
        place = _placed(partition, [row for one in met for row in (one.one, one.other)])
        partition.take_meetings(
            [Meeting(pair=one.pair, one=next(place), other=next(place), cause=one.cause) for one in met]
        )

    @staticmethod
    def _take_sighted(partition: Partition, sighted: Sequence[Sighted]) -> None:
        if not sighted:
            return
        place = _placed(partition, [one.swipe for one in sighted])
        partition.take_sightings(
            [
                Sighting(visitor_id=one.visitor_id, swipe=next(place), observations=one.observations, cause=one.cause)
                for one in sighted
            ]
        )

    def _send(self, post: Post, stage: Stage, items: Sequence[_Item], key_of: Callable[[_Item], str]) -> None:
        for number, some in self._by_number(items, key_of):
            post.put(number, stage, some)

    def _by_number(self, items: Sequence[_Item], key_of: Callable[[_Item], str]) -> Iterator[tuple[int, list[_Item]]]:
        """Yields the number of each partition that has any of the items' keys with its items, in their order."""
        if self._count == 1:
            yield 0, list(items)
            return
        routed: dict[int, list[_Item]] = defaultdict(list)
        for item in items:
            routed[self._number_of(key_of(item))].append(item)
        yield from sorted(routed.items())

    def _number_of(self, key: str) -> int:
        return hash_of(key) % self._count if self._count > 1 else 0


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


def _rows_of(partition: Partition, rows: Sequence[int]) -> dict[int, SwipeRow]:
    """Returns the rows at these places, with all that is known of them."""
    different = list(dict.fromkeys(rows))
    return dict(zip(different, partition.stores.swipes.rows(np.array(different, dtype=np.int64)), strict=True))


def _placed(partition: Partition, rows: Sequence[SwipeRow]) -> Iterator[int]:
    """Puts rows; yields the place of each, in their order."""
    return iter(partition.stores.swipes.put(rows).tolist())
