"""The work of one worker: a thread that takes its partitions over, steps each of them on, and tells alerts."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Final, Protocol

import structlog

from alerts.policy import Policy
from detectors.catalogue import Rulebook
from events.errors import TransientError
from storage.database import Database
from storage.partitions import Fenced, Partitions, PartitionState
from storage.projector import AlertChange, Projector
from streams.cluster.flow import Flow
from streams.cluster.held_partition import HeldPartition, Limits, Step, Stepped
from streams.cluster.records import WAYS, Read, Way
from streams.logged_engine import Cut, LoggedEngine, retried

PATIENCE_S: Final = 600.0
"""So long the database or the brokers may be away; then the process ends, and its supervisor starts it anew."""
TICK_S: Final = 0.5
STEP_BYTES: Final = 2**19
STEP_RECORDS: Final = 500
INBOX_BYTES: Final = 32 * 2**20

_log = structlog.get_logger()


class Watcher(Protocol):
    """Who is told, on the work's thread, what has happened. Must not block."""

    def stepped(self, records: Sequence[Read], stepped: Stepped, seconds: float) -> None:
        """What these records bring is written; it took so long."""
        ...

    def alerts_changed(self, changes: Sequence[AlertChange]) -> None:
        """These alerts were opened or changed."""
        ...

    def failed(self, error: Exception) -> None:
        """The work has ended for good; so must the process."""
        ...


class Worker:
    """Works on the partitions that it is given. Its methods may be called from any thread."""

    def __init__(  # noqa: PLR0913 - what it works on, whom it tells, and what surrounds it
        self,
        name: str,
        *,
        database: Database,
        projector: Projector,
        rulebook: Rulebook,
        flow: Flow,
        partitions: int,
        store: Path,
        watcher: Watcher,
        clock_ms: Callable[[], int],
        limits: Limits,
        on_step: Callable[[Step], None] = lambda _step: None,
    ) -> None:
        """Args: `store` is the folder of the partitions' live stores; `partitions` is into how many keys are cut."""
        self.name, self._database, self._projector = name, database, projector
        self._rulebook, self._flow, self._count, self._store = rulebook, flow, partitions, store
        self._watcher, self._clock_ms, self._limits, self._on_step = watcher, clock_ms, limits, on_step
        self._partitions = Partitions(database)
        self._working = threading.Lock()
        """Held while a partition is opened or stepped on."""
        self._held: dict[int, HeldPartition] = {}
        self._active: dict[int, PartitionState] = {}
        """What is to be worked on; a partition that was given back stays held until another has taken it."""
        self._inbox: dict[int, deque[Read]] = {}
        self._inbox_bytes = 0
        self._is_told = False
        self._has_news = threading.Condition()
        self._ticked_at_s: dict[int, float] = {}
        self._rule_changes: deque[tuple[Rulebook, Policy, Future[None]]] = deque()
        self._ends = False
        self._thread = threading.Thread(target=self._run, name="work", daemon=True)

    def start(self) -> None:
        """What is taken is worked on from now on."""
        self._thread.start()

    def stop(self) -> None:
        """What was begun is finished, and a snapshot of every partition is taken."""
        with self._has_news:
            self._ends = True
            self._has_news.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def is_ready(self) -> bool:
        """Returns whether it has been told which partitions are its own, if any, and works on all of them."""
        return self._is_told and self._active.keys() <= self._held.keys() and self._thread.is_alive()

    def held(self) -> list[PartitionState]:
        """Returns the partitions that are worked on, as far as the database knows of the work."""
        return [partition.state for number, partition in list(self._held.items()) if number in self._active]

    def expected(self, way: Way, number: int) -> int | None:
        """Returns the offset of the record of a partition that is taken next; None where it is not worked on."""
        partition = self._held.get(number)
        return None if partition is None else partition.expected(way)

    # ---------------------------------------------------------------------------------------------- who has what

    def take(self, numbers: Iterable[int]) -> dict[tuple[Way, int], int]:
        """From now on works on these partitions and no others; returns the offset of the next record of each topic.

        Raises: TransientError; ConfigError when the database was cut otherwise.
        """
        with self._working:
            states = self._partitions.states()
            wanted = sorted(set(numbers))
            for number in list(self._held):
                if number not in wanted or states[number].epoch != self._held[number].state.epoch:
                    del self._held[number]
            with self._has_news:
                self._active.clear()
                self._inbox = {number: deque() for number in wanted}
                self._inbox_bytes = 0
            for number in wanted:
                held = self._held.get(number)
                self._active[number] = (
                    self._partitions.take(number, self._count, self.name, self._clock_ms())
                    if held is None
                    else held.state
                )
            self._is_told = True
            _log.info("partitions.taken", numbers=wanted, kept=sorted(self._held))
            with self._has_news:
                self._has_news.notify_all()
            return {
                (way, number): held.expected(way)
                if (held := self._held.get(number)) is not None
                else (state.input_offset if way == "input" else state.flow_offset)
                for number, state in self._active.items()
                for way in WAYS
            }

    def give_back(self) -> None:
        """Works on no partition any more, once the step that was begun is finished."""
        with self._working:
            for number in self._active.keys() & self._held.keys():
                self._finish(self._held[number])
            self._is_told = False
            with self._has_news:
                self._active.clear()
                self._inbox.clear()
                self._inbox_bytes = 0

    @staticmethod
    def _finish(partition: HeldPartition) -> None:
        try:
            partition.finish()
        except (Fenced, TransientError) as error:  # its successor does again what was not written
            _log.warning("partition.not_finished", partition=partition.state.number, error=str(error))

    def is_full(self) -> bool:
        """Returns whether so much waits that nothing should be put."""
        return self._inbox_bytes > INBOX_BYTES

    def put(self, record: Read) -> None:
        """The record will be taken, unless its partition is no longer worked on."""
        with self._has_news:
            if record.partition in self._inbox:
                self._inbox[record.partition].append(record)
                self._inbox_bytes += len(record.body)
                self._has_news.notify_all()

    def change_rules(self, rulebook: Rulebook, policy: Policy) -> Future[None]:
        """Returns the future that is done once every partition is judged, and told, by these rules."""
        answer: Future[None] = Future()
        with self._has_news:
            self._rule_changes.append((rulebook, policy, answer))
            self._has_news.notify_all()
        return answer

    # ---------------------------------------------------------------------------------------------- the thread

    def _run(self) -> None:
        try:
            while not self._ends:
                self._wait()
                self._obey()
                for number in list(self._active):
                    self._work_on(number)
                self._tell()
            with self._working:
                self._freeze()
        except Exception as error:  # noqa: BLE001 - the thread's boundary: it is said, and the process ends
            self._watcher.failed(error)

    def _freeze(self) -> None:
        """Takes snapshots, so that the next start is short; of what another has taken over, none."""
        for partition in self._held.values():
            try:
                partition.freeze()
            except Fenced as error:
                _log.info("partition.not_frozen", reason=str(error))

    def _wait(self) -> None:
        """Returns when there is something to do, or time has passed."""
        with self._has_news:
            if not (self._ends or self._rule_changes or any(self._inbox.values()) or self._is_any_unopened()):
                self._has_news.wait(TICK_S)

    def _is_any_unopened(self) -> bool:
        return not self._active.keys() <= self._held.keys()

    def _work_on(self, number: int) -> None:
        """Opens a partition, or takes it a step on."""
        with self._working:
            state = self._active.get(number)
            if state is None:
                return
            if number not in self._held:
                self._held[number] = self._opened(state)
            partition = self._held[number]
            records = self._next_of(number, partition)
            now_s = time.monotonic()
            if not records and now_s - self._ticked_at_s.get(number, 0.0) < TICK_S:
                return
            self._ticked_at_s[number] = now_s
            stepped = partition.step(records)
            self._watcher.stepped(records, stepped, time.monotonic() - now_s)

    def _opened(self, state: PartitionState) -> HeldPartition:
        folder = self._store / str(state.number)
        logged = LoggedEngine(
            self._database,
            self._rulebook,
            self._clock_ms,
            folder,
            cut=Cut(state.number, state.partitions),
            patience_s=PATIENCE_S,
        )
        partition = HeldPartition(
            state,
            database=self._database,
            logged=logged,
            projector=self._projector,
            flow=self._flow,
            clock_ms=self._clock_ms,
            limits=self._limits,
            on_step=self._on_step,
        )
        partition.open()
        return partition

    def _next_of(self, number: int, partition: HeldPartition) -> list[Read]:
        """Returns the records to be taken next, in order and without a gap."""
        records: list[Read] = []
        expected: dict[Way, int] = {way: partition.expected(way) for way in WAYS}
        size = 0
        while size < STEP_BYTES and len(records) < STEP_RECORDS:
            with self._has_news:
                if not self._inbox.get(number):
                    break
                record = self._inbox[number].popleft()
                self._inbox_bytes -= len(record.body)
            if record.offset < expected[record.way]:
                continue
            if record.offset > expected[record.way]:
                for missed in self._flow.read(record.way, number, expected[record.way], record.offset):
                    _log.warning("records.missed", way=record.way, partition=number, records=len(missed))
                    records += missed
            records.append(record)
            expected[record.way] = record.offset + 1
            size += len(record.body)
        return records

    def _obey(self) -> None:
        while self._rule_changes:
            rulebook, policy, answer = self._rule_changes.popleft()
            with self._working:
                self._rulebook = rulebook
                self._projector.change_policy(policy)
                self._held = {number: one for number, one in self._held.items() if number in self._active}
                for partition in self._held.values():
                    partition.change_rules(rulebook)
            answer.set_result(None)

    def _tell(self) -> None:
        now_ms = self._clock_ms()
        changes = retried(lambda: self._projector.project_alerts(now_ms), PATIENCE_S)
        changes += retried(lambda: self._projector.escalate_overdue(now_ms), PATIENCE_S)
        if changes:
            self._watcher.alerts_changed(changes)
