"""One partition while a worker holds it: records in; accepted events, findings and parcels out, each exactly once.

    records → forward what is another's → accepted log, what is begun → engine → parcels → findings, positions

What is right of an arrow happens after what is left of it is on disk or on every copy, and each transaction asks
whether the partition is still held. So a worker may die, or go on after another has taken over, at any point: whoever
takes the partition next reads again what was not finished, and what it then repeats changes nothing.

Of two rows the one that was made with more facts is the newer. That holds only in one history: a successor that took
the same records in other portions could say something else with as many facts. So nothing is sent before the database
knows of which records and events the step consists, and a successor repeats that step as it was.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, Protocol

import msgspec
import structlog

from detectors.catalogue import Rulebook
from events.codec import decode_event, decode_events
from events.dead_letters import DeadLetter, InvalidEvent, Place
from events.errors import ConfigError, InvariantError
from events.findings import Finding
from events.identity import joining_key
from events.types import AnyEvent, CrossRegionFiling, Drug, Institution, Person
from storage.database import Database
from storage.findings import standing_findings
from storage.log import HISTORY, AcceptedLog
from storage.partitions import PartitionState, advance
from storage.projector import Projector
from streams.acceptance import Accepted, Duplicate, Incoming, Outcome
from streams.changes import Changes
from streams.cluster.records import TOPIC_OF, WAYS, Read, Way, Written, letter_records, parcel_records
from streams.logged_engine import LoggedEngine
from streams.parcels import Parcel, unpacked
from streams.snapshot import Position
from streams.store.key_index import hash_of

Step = Literal["forwarded", "accepted", "applied", "sent", "written", "frozen"]
"""The points between which a worker may die; tests end it at each."""

HOUR_MS: Final = 3_600_000
POSITIONS_EVERY_S: Final = 0.5
"""So long the positions may lag behind what was done where nothing else is written."""

_log = structlog.get_logger()


class TooManyLetters(Exception):
    """More than the limit was set aside within an hour: the partition stops, and nothing is lost."""


class Stepped(msgspec.Struct, kw_only=True):
    """What a step has brought: how many events, dead letters by reason, and findings by rule."""

    accepted: int = 0
    duplicates: int = 0
    letters: Counter[str] = msgspec.field(default_factory=Counter)
    raised: Counter[str] = msgspec.field(default_factory=Counter)
    withdrawn: Counter[str] = msgspec.field(default_factory=Counter)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How often a snapshot is taken, and how many dead letters an hour are borne by all partitions together."""

    freeze_events: int = 50_000
    freeze_ms: int = 300_000
    letters_an_hour: int = 1_000


class Topics(Protocol):
    """Input and flow, written to and read again; `streams.cluster.flow` is Kafka's."""

    def write(self, records: Iterable[Written]) -> None:
        """Returns once they are on every copy. Some may be there twice."""
        ...

    def read(self, way: Way, partition: int, first: int, end: int) -> Iterator[list[Read]]:
        """Yields the records from an offset up to another, which is not among them."""
        ...

    def ends_of(self, way: Way, partition: int) -> tuple[int, int]:
        """Returns the offset of the first record that is there, and that of the next to come."""
        ...


class HeldPartition:
    """Works on one partition, from one thread."""

    def __init__(  # noqa: PLR0913 - what it works on and with
        self,
        state: PartitionState,
        *,
        database: Database,
        logged: LoggedEngine,
        projector: Projector,
        flow: Topics,
        clock_ms: Callable[[], int],
        limits: Limits,
        on_step: Callable[[Step], None] = lambda _step: None,
    ) -> None:
        """Args: `logged` is cut to this partition."""
        self.state = state
        self._database, self._logged, self._projector, self._flow = database, logged, projector, flow
        self._clock_ms, self._limits, self._on_step = clock_ms, limits, on_step
        self._written_at_s = time.monotonic()
        self._done = state
        """How far the work has come; `state` is how far the database knows."""

    # ------------------------------------------------------------------------------------------------ taking over

    def open(self) -> None:
        """Brings the engine to where the work was left, finishes what was begun, and writes what the database lacks."""
        started = time.monotonic()
        self._check_topics()
        changes = self._logged.open_snapshot(self._is_before)
        is_new = self._logged.engine.applied == Position(0, b"")
        engine, causes = self._logged.engine, dict(changes.causes)
        engine.begin(judges=not is_new)
        for events, parcels, is_begun in self._tail(is_new=is_new):
            changes = engine.take(events, self._clock_ms(), {self.state.number: parcels})
            self._set_aside(changes)
            if is_begun:
                self._flow.write(parcel_records(changes.parcels))
        self._done = msgspec.structs.replace(self._done, flow_offset=self.state.flow_begun)
        causes |= (engine.judge_all() if is_new else engine.judge_touched()).causes
        causes |= engine.apply([], self._clock_ms()).causes
        self._tell_anew()
        raised, withdrawn = self._logged.differences(standing_findings(self._database, self.state.number))
        self._settle(raised=raised, withdrawn=withdrawn, causes=causes)
        self.freeze()
        _log.info(
            "partition.opened",
            partition=self.state.number,
            epoch=self.state.epoch,
            is_new=is_new,
            raised=len(raised),
            withdrawn=len(withdrawn),
            seconds=round(time.monotonic() - started, 3),
        )

    def _tell_anew(self) -> None:
        """Sends all meetings and sightings where what was sent was found under another reach."""
        reach = self._logged.engine.reach()
        if self._done.told_reach != reach:
            for parcels in self._logged.engine.followed():
                self._flow.write(parcel_records(parcels))
            self._done = msgspec.structs.replace(self._done, told_reach=reach)

    def _is_before(self, applied: Position) -> bool:
        """Returns whether a snapshot is of what the database knows to be done, and the flow after it is still there."""
        number, state = self.state.number, self.state
        is_done = applied.flow_offset <= state.flow_offset and applied.seq <= state.applied_seq
        return is_done and (applied.flow_offset == 0 or self._flow.ends_of("flow", number)[0] <= applied.flow_offset)

    def _check_topics(self) -> None:
        """Raises: ConfigError where a topic ends before what the database knows to be done: it is another one."""
        reached: dict[Way, int] = {"input": self.state.input_offset, "flow": self.state.flow_begun}
        for way in WAYS:
            _, end = self._flow.ends_of(way, self.state.number)
            if reached[way] > end:
                place = f"{TOPIC_OF[way]}, partition {self.state.number}"
                allowed = f"the topic that this database goes with, which reached {reached[way]}"
                raise ConfigError("the broker", place, f"ends at {end}", allowed)

    def _tail(self, *, is_new: bool) -> Iterator[tuple[list[AnyEvent], list[Parcel], bool]]:
        """Yields what the engine lacks: events and parcels, and whether they are of the step that was begun."""
        engine, state = self._logged.engine, self.state
        if is_new:
            yield from (([], [parcel], False) for parcel in self._lasting())
        for parcels in self._parcels(engine.applied.flow_offset, state.flow_offset):
            yield [], parcels, False
        begun = [parcel for parcels in self._parcels(state.flow_offset, state.flow_begun) for parcel in parcels]
        for events, position in self._logged.events_after(engine.applied.seq):
            engine.applied = position
            is_begun = position.seq > state.applied_seq
            yield events, begun if is_begun else [], is_begun
            begun = [] if is_begun else begun
        if begun:
            yield [], begun, True

    def _parcels(self, first: int, end: int) -> Iterator[list[Parcel]]:
        for records in self._flow.read("flow", self.state.number, first, end):
            yield [self._parcel_of(record) for record in records]

    def _lasting(self) -> Iterator[Parcel]:
        """Yields what is kept for ever of what the flow has held and, for its age, holds no more.

        Younger ones come by the flow: who knew them earlier would not tell the next stage of them.
        """
        first, _ = self._flow.ends_of("flow", self.state.number)
        if first == 0:
            return
        (oldest,) = next(self._flow.read("flow", self.state.number, first, first + 1), [None])
        until_ms = self._clock_ms() if oldest is None else oldest.appended_at_ms
        log = AcceptedLog(self._database, self.state.number)
        for logged in log.of_other_partitions(until_ms, "institution", "drug", "person", "cross_region_filing"):
            event = decode_event(logged.original)
            if isinstance(event, Institution | Drug):
                yield Parcel(references=[event])
            elif isinstance(event, Person | CrossRegionFiling) and self._is_mine(event.person_id):
                yield Parcel(of_persons=[event])

    # ------------------------------------------------------------------------------------------------ step by step

    def step(self, records: Sequence[Read]) -> Stepped:
        """Takes records that follow what was taken before, or none: then only time has passed.

        Returns once everything that follows from them is on disk. Raises: Fenced, TooManyLetters, TransientError: then
        the partition has to be opened anew, by whoever holds it.
        """
        before, stepped = self._now_done(), Stepped()
        incoming, parcels = self._sorted(records)
        begun = msgspec.structs.replace(before, input_offset=self._done.input_offset, flow_begun=self._done.flow_offset)
        events = self._accept(incoming, begun, stepped)
        changes = self._logged.engine.apply(events, self._clock_ms(), {self.state.number: parcels})
        self._on_step("applied")
        self._set_aside(changes)
        self._send(changes.parcels, begun)
        if changes.raised or changes.withdrawn:
            self._settle(raised=changes.raised, withdrawn=changes.withdrawn, causes=changes.causes)
        else:
            self._note_positions()
        if self._logged.is_time_to_prune():
            self._logged.patiently(self.finish)  # a snapshot is of nothing but what is written
        self._logged.forget()
        if self._logged.is_time_to_freeze(self._limits.freeze_events, self._limits.freeze_ms):
            self.freeze()
        stepped.raised.update(finding.detector for finding in changes.raised)
        stepped.withdrawn.update(finding.detector for finding in changes.withdrawn)
        return stepped

    def _send(self, parcels: Mapping[int, Parcel], begun: PartitionState) -> None:
        """Sends what follows from a step once the database knows of what it consists."""
        if not parcels:
            return
        if self.state != begun:
            self._logged.patiently(lambda: self._put(begun))
        self._flow.write(parcel_records(parcels))
        self._on_step("sent")

    def change_rules(self, rulebook: Rulebook) -> None:
        """Judges anew what other rules judge otherwise."""
        self._logged.patiently(self.finish)
        changes = self._logged.engine.change_rules(rulebook)
        self._flow.write(parcel_records(changes.parcels))
        self._done = msgspec.structs.replace(self._done, told_reach=self._logged.engine.reach())
        self._settle(raised=changes.raised, withdrawn=changes.withdrawn, causes=changes.causes)

    def finish(self) -> None:
        """Whoever takes the partition next goes on exactly here. Raises: Fenced, TransientError, both at once."""
        state = self._now_done()
        if state != self.state:
            self._put(state)
            self._done = state

    def _put(self, state: PartitionState) -> None:
        with self._database.session(alone=False) as session:
            advance(session, state)
        self._has_written(state)

    def freeze(self) -> None:
        """Takes a snapshot of what is done and written."""
        self._logged.patiently(self.finish)
        self._logged.freeze()
        self._on_step("frozen")

    def expected(self, way: Way) -> int:
        """Returns the offset of the next record of the input or the flow."""
        return self._done.input_offset if way == "input" else self._done.flow_offset

    def _sorted(self, records: Sequence[Read]) -> tuple[list[Incoming], list[Parcel]]:
        """Returns what is offered to this partition and the parcels for it, after sending on what is another's."""
        parcels = [self._parcel_of(record) for record in records if record.way == "flow"]
        incoming = [one for parcel in parcels for one in parcel.offered]
        others: dict[int, Parcel] = {}
        for one, number in self._offered([record for record in records if record.way == "input"]):
            if number == self.state.number:
                incoming.append(one)
            else:
                others.setdefault(number, Parcel()).offered.append(one)
        self._flow.write(parcel_records(others))
        if others:
            self._on_step("forwarded")
        ends = {record.way: record.offset + 1 for record in records}
        self._done = msgspec.structs.replace(
            self._done,
            input_offset=ends.get("input", self._done.input_offset),
            flow_offset=ends.get("flow", self._done.flow_offset),
        )
        return incoming, parcels

    def _offered(self, records: Sequence[Read]) -> Iterator[tuple[Incoming, int]]:
        """Yields each line of the input's records with the partition that decides it; what is no event is ours."""
        incoming = [
            Incoming(
                line,
                Place(topic=TOPIC_OF["input"], partition=record.partition, offset=record.offset, index=index),
                record.sender,
                None if record.sender == HISTORY else record.appended_at_ms,
            )
            for record in records
            for index, line in enumerate(record.body.split(b"\n"))
            if line.strip() or record.body == line
        ]
        for one, event in zip(incoming, decode_events([one.original for one in incoming]), strict=True):
            number = self.state.number if isinstance(event, InvalidEvent) else self._number_of(joining_key(event))
            yield one, number

    def _accept(self, incoming: Sequence[Incoming], begun: PartitionState, stepped: Stepped) -> list[AnyEvent]:
        """Returns the new events, which are in the log then; what is set aside is among the dead letters."""
        if not incoming and not self._logged.is_unsure:
            return []
        missed: list[AnyEvent] = []
        outcomes = self._logged.patiently(lambda: self._keep(incoming, begun, missed))
        self._on_step("accepted")
        events = missed + [outcome.event for outcome in outcomes if isinstance(outcome, Accepted)]
        stepped.letters.update(outcome.reason for outcome in outcomes if isinstance(outcome, DeadLetter))
        stepped.accepted = len(events)
        stepped.duplicates = sum(isinstance(outcome, Duplicate) for outcome in outcomes)
        return events

    def _keep(self, incoming: Sequence[Incoming], begun: PartitionState, missed: list[AnyEvent]) -> list[Outcome]:
        missed += self._logged.missed()
        outcomes = self._logged.decide(incoming)
        letters = [outcome for outcome in outcomes if isinstance(outcome, DeadLetter)]
        if letters:
            self._check_limit(len(letters))
            self._flow.write(letter_records(letters))
        if letters or any(isinstance(outcome, Accepted) for outcome in outcomes):
            self._logged.keep(incoming, outcomes, lambda session: advance(session, begun))
            self.state = begun
        return outcomes

    def _check_limit(self, letters: int) -> None:
        before = AcceptedLog(self._database).dead_letter_count(self._clock_ms() - HOUR_MS)
        if before + letters > self._limits.letters_an_hour:
            raise TooManyLetters(
                f"partition {self.state.number}: {before + letters} dead letters within an hour, and"
                f" cluster.dead_letters_an_hour is {self._limits.letters_an_hour}: see `swipewatch dead-letters list`"
            )

    def _set_aside(self, changes: Changes) -> None:
        letters = self._logged.mismatch_letters(changes.mismatched)
        if letters:
            self._flow.write(letter_records(letters))
            self._logged.keep_letters(letters)

    # ------------------------------------------------------------------------------------------------ what is written

    def _settle(self, raised: Sequence[Finding], withdrawn: Sequence[Finding], causes: Mapping[str, str]) -> None:
        """Writes findings with how far the work has come."""
        state, now_ms = self._now_done(), self._clock_ms()

        def write() -> None:
            self._projector.write_findings(
                raised,
                withdrawn,
                causes,
                now_ms,
                partition=state.number,
                within=lambda session: advance(session, state),
            )

        self._logged.patiently(write)
        self._has_written(state)
        self._done = state

    def _note_positions(self) -> None:
        """Writes how far the work has come, if that is news and the last time is a while ago."""
        if time.monotonic() - self._written_at_s >= POSITIONS_EVERY_S:
            self._logged.patiently(self.finish)

    def _has_written(self, state: PartitionState) -> None:
        self.state = state
        self._written_at_s = time.monotonic()
        self._on_step("written")

    def _now_done(self) -> PartitionState:
        engine = self._logged.engine
        engine.applied = msgspec.structs.replace(engine.applied, flow_offset=self._done.flow_offset)
        return msgspec.structs.replace(
            self._done,
            flow_begun=self._done.flow_offset,
            applied_seq=engine.applied.seq,
            waiting_until_ms=engine.waiting_until_ms(),
        )

    # ------------------------------------------------------------------------------------------------ keys

    def _parcel_of(self, record: Read) -> Parcel:
        try:
            return unpacked(record.body)
        except ValueError as error:
            place = f"{TOPIC_OF['flow']}, partition {record.partition}, offset {record.offset}"
            raise InvariantError(f"{place}: {error}") from error

    def _is_mine(self, key: str) -> bool:
        return self._number_of(key) == self.state.number

    def _number_of(self, key: str) -> int:
        return hash_of(key) % self.state.partitions
