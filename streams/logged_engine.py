"""The engine with the log that it follows: what is accepted goes to disk, then to the engine; a start catches up."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

from detectors.catalogue import Rulebook
from events.codec import decode_event
from events.dead_letters import DeadLetter, InvalidEvent, Place
from events.errors import InvariantError, TransientError
from events.findings import Finding
from events.identity import content_digest, identity_of
from events.types import AnyEvent, Reversal
from storage.database import Database
from storage.log import AcceptedLog, Record, Within
from streams.acceptance import Accepted, Incoming, Outcome, decide, reversal_mismatch
from streams.changes import Changes
from streams.engine import Engine
from streams.snapshot import Position, clear

GIVES_UP_AFTER_S = 20.0
"""So long a restart of the database may take without one of ours."""
LONGEST_PAUSE_S = 2.0
READ_TOGETHER = 20_000
FORGOTTEN_EVERY_MS = 86_400_000
DELETED_TOGETHER = 1_000

_Result = TypeVar("_Result")

_log = structlog.get_logger()


class Cut(msgspec.Struct, frozen=True):
    """A partition's number, and into how many the keys are cut."""

    number: int
    partitions: int


class LoggedEngine:
    """An engine whose events are those of an accepted log, in its order.

    Args:
        store: the folder of the live store and its snapshots; None keeps it in memory, and reads the whole log.
        cut: of a cluster: which partition of how many it is; its events are those of the log that are decided there.
        patience_s: how long the database may be away before a write is given up.
    """

    def __init__(
        self,
        database: Database,
        rulebook: Rulebook,
        clock_ms: Callable[[], int],
        store: Path | None,
        *,
        cut: Cut | None = None,
        patience_s: float = GIVES_UP_AFTER_S,
    ) -> None:
        self._database, self._log = database, AcceptedLog(database, None if cut is None else cut.number)
        self._rulebook, self._clock_ms, self._store = rulebook, clock_ms, store
        self._cut, self._patience_s = cut, patience_s
        self.engine = self._new_engine()
        self._frozen_seq, self._frozen_at_s = 0, time.monotonic()
        self._forgotten: list[str] = []
        self.is_unsure = False
        """Whether a commit failed of which the database may have kept everything: its answer was lost."""

    # ----------------------------------------------------------------------------------------------------- at a start

    def catch_up(self, since_ms: int) -> tuple[dict[str, str], list[AnyEvent]]:
        """Brings the engine from its snapshot to the end of the log.

        Returns why findings changed on the way, and the events that happened since a time.
        """
        causes, late = self.open_snapshot().causes, []
        is_new = self.engine.applied.seq == 0
        for events, position in self.events_after(self.engine.applied.seq):
            if is_new:
                self.set_aside(self.engine.load(events, self._clock_ms()).mismatched)
            else:
                changes = self.engine.apply(events, self._clock_ms())
                causes |= changes.causes
                self.set_aside(changes.mismatched)
            self.engine.applied = position
            late += [event for event in events if event.occurred_at_ms >= since_ms]
        if is_new:
            causes |= self.engine.judge_all().causes
        return causes | self.engine.apply([], self._clock_ms()).causes, late

    def open_snapshot(self, is_ours: Callable[[Position], bool] = lambda _position: True) -> Changes:
        """Opens the snapshot, if it is one of this log and `is_ours` says so; returns what other rules change."""
        if self._store is None:
            return Changes()
        self.engine, changes = self._opened(self._store)
        applied = self.engine.applied
        if not is_ours(applied) or (applied.seq and self._log.digest_at(applied.seq) != applied.digest):
            _log.warning("snapshot.foreign", seq=applied.seq)
            clear(self._store)
            self.engine, changes = self._opened(self._store)
        return changes

    def _opened(self, store: Path) -> tuple[Engine, Changes]:
        if self._cut is None:
            return Engine.open(self._rulebook, store, forgets=True)
        partitions, held = self._cut.partitions, [self._cut.number]
        return Engine.open(self._rulebook, store, partitions=partitions, held=held, forgets=True)

    def _new_engine(self) -> Engine:
        if self._cut is None:
            return Engine(self._rulebook, forgets=True)
        return Engine(self._rulebook, partitions=self._cut.partitions, held=[self._cut.number], forgets=True)

    def events_after(self, seq: int) -> Iterator[tuple[list[AnyEvent], Position]]:
        """Yields the events of the log after a number, many at a time, with the place of the last of them."""
        logged = self._log.read(seq)
        while some := list(islice(logged, READ_TOGETHER)):
            events = []
            for one in some:
                event = decode_event(one.original)
                if isinstance(event, InvalidEvent):
                    raise InvariantError(f"the accepted log holds a bad event at {one.seq}: {event.reason}")
                events.append(event)
            yield events, self._at(some[-1].seq, content_digest(events[-1]))

    def _at(self, seq: int, digest: bytes) -> Position:
        return msgspec.structs.replace(self.engine.applied, seq=seq, digest=digest)

    def differences(self, stored: Iterable[Finding]) -> tuple[list[Finding], list[Finding]]:
        """Returns the findings that stand but are not stored so, and those stored that stand no longer, as withdrawn.

        What is stored about a frozen anchor stays as it is.
        """
        standing = {finding.finding_id: finding for finding in self.engine.standing()}
        known = {finding.finding_id: finding for finding in stored}
        raised = [finding for name, finding in standing.items() if known.get(name) != finding]
        gone = [f for name, f in known.items() if name not in standing and not self.engine.is_frozen(f)]
        return raised, [msgspec.structs.replace(finding, status="withdrawn") for finding in gone]

    # -------------------------------------------------------------------------------------------------- while it runs

    def accept(
        self,
        incoming: Sequence[Incoming],
        within: Within = lambda _session: None,
    ) -> list[Outcome]:
        """Returns one outcome each; accepted events and dead letters are on disk then, and not yet applied.

        Args:
            incoming: what came in, in order.
            within: is called in the transaction, at its end.
        Raises: TransientError; nothing was taken then, unless `is_unsure` says so.
        """
        return self.keep(incoming, decide(incoming, self._log), within)

    def decide(self, incoming: Sequence[Incoming]) -> list[Outcome]:
        """Returns one outcome each; nothing is kept yet. Raises: TransientError."""
        return decide(incoming, self._log)

    def keep(self, incoming: Sequence[Incoming], outcomes: list[Outcome], within: Within) -> list[Outcome]:
        """Returns the outcomes once accepted events and dead letters are on disk; as `accept`."""
        now_ms = self._clock_ms()
        records = [
            Record(
                event=outcome.event,
                identity=outcome.identity,
                digest=outcome.digest,
                received_at_ms=now_ms if one.received_at_ms is None else one.received_at_ms,
                sender=one.sender,
                original=outcome.original,
            )
            for outcome, one in zip(outcomes, incoming, strict=True)
            if isinstance(outcome, Accepted)
        ]
        try:
            with self._database.session() as session:
                seqs = self._log.append(session, records)
                self._log.set_aside(session, [letter for letter in outcomes if isinstance(letter, DeadLetter)], now_ms)
                within(session)
        except TransientError:
            self.is_unsure = True
            raise
        if seqs:
            self.engine.applied = self._at(seqs[-1], records[-1].digest)
        return outcomes

    def missed(self) -> list[AnyEvent]:
        """Returns what the log has and the engine was not given, because the answer to a commit was lost.

        To be applied before anything that is accepted later. Raises: TransientError.
        """
        if not self.is_unsure:
            return []
        found = list(self.events_after(self.engine.applied.seq))
        self.is_unsure = False
        if found:
            self.engine.applied = found[-1][1]
        return [event for events, _ in found for event in events]

    def set_aside(self, mismatched: Sequence[Reversal]) -> None:
        """Lists reversals that fit no swipe of theirs among the dead letters, by their place in the accepted log."""
        letters = self.mismatch_letters(mismatched)
        if letters:
            self.keep_letters(letters)

    def mismatch_letters(self, mismatched: Sequence[Reversal]) -> list[DeadLetter]:
        """Returns the dead letters of reversals that fit no swipe of theirs, by their place in the accepted log.

        Raises: TransientError.
        """
        if not mismatched:
            return []
        identities = [identity_of(reversal) for reversal in mismatched]
        logged = self.patiently(lambda: self._log.logged(identities))
        return [
            reversal_mismatch(event.original, Place(topic="accepted", offset=event.seq)) for event in logged.values()
        ]

    def keep_letters(self, letters: Sequence[DeadLetter]) -> None:
        """The letters are kept, each once. Raises: TransientError."""
        self.patiently(lambda: self._keep_letters(letters))

    def _keep_letters(self, letters: Sequence[DeadLetter]) -> None:
        with self._database.session() as session:
            self._log.set_aside(session, letters, self._clock_ms())

    def is_time_to_freeze(self, events: int, ms: int) -> bool:
        """Returns whether so many events were applied since the last snapshot, or any of them so long ago."""
        applied = self.engine.applied.seq - self._frozen_seq
        return applied >= events or (applied > 0 and (time.monotonic() - self._frozen_at_s) * 1000 >= ms)

    def freeze(self) -> None:
        """Takes a snapshot; without one a start only takes longer."""
        self._frozen_seq, self._frozen_at_s = self.engine.applied.seq, time.monotonic()
        if self._store is None:
            return
        try:
            self.engine.freeze()
        except OSError as error:
            _log.warning("snapshot.failed", reason=str(error))

    def is_time_to_prune(self) -> bool:
        """Returns whether `forget` will go through the whole store, and take a snapshot of what is left."""
        return self._clock_ms() - self.engine.pruned_at_ms >= FORGOTTEN_EVERY_MS

    def forget(self) -> None:
        """Once a day forgets what no rule asks for any more, and deletes it from the log, some of it a call."""
        if self.is_time_to_prune():
            started = time.monotonic()
            self._forgotten += self.engine.prune()
            seconds = round(time.monotonic() - started, 3)
            _log.info("store.pruned", events=len(self._forgotten), seconds=seconds)
        if self._forgotten:
            some, self._forgotten = self._forgotten[:DELETED_TOGETHER], self._forgotten[DELETED_TOGETHER:]
            self.patiently(lambda: self._delete(some))

    def patiently(self, write: Callable[[], _Result]) -> _Result:
        """Returns what a write returns, however long within reason the database is away. Raises: TransientError."""
        return retried(write, self._patience_s)

    def _delete(self, identities: Sequence[str]) -> None:
        with self._database.session() as session:
            self._log.forget(session, identities)


def retried(write: Callable[[], _Result], gives_up_after_s: float = GIVES_UP_AFTER_S) -> _Result:
    """Returns what a write returns, tried again with growing pauses while the database is away.

    Raises: the last TransientError; the process ends then and its successor recovers from the log.
    """
    gives_up_at_s = time.monotonic() + gives_up_after_s
    for attempt in count():
        try:
            return write()
        except TransientError as error:
            if time.monotonic() > gives_up_at_s:
                raise
            _log.warning("database.unavailable", attempt=attempt, error=str(error))
            pause_s = min(LONGEST_PAUSE_S, 0.05 * 2 ** min(attempt, 10))
            time.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
    raise InvariantError("a write was neither made nor refused")
