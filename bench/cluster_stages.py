"""What each stage of a worker's step costs, on a real Kafka and PostgreSQL: `python -m bench.cluster --only stages`."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app.clock import now_ms
from app.configuration import alert_policy, read_configuration
from app.logs import configure_logs
from app.rule_files import read_rules
from storage.database import Database
from storage.partitions import Partitions
from storage.projector import AlertChange, Projector
from streams.cluster.flow import Flow
from streams.cluster.held_partition import Limits, Step, Stepped
from streams.cluster.records import WAYS, Read, Way
from streams.cluster.worker import Worker

STAGES: Final[dict[Step, str]] = {
    "forwarded": "decode, forward",
    "accepted": "decode, accepted log",
    "applied": "engine: judge",
    "sent": "flow: acknowledged by the broker",
    "written": "findings and positions",
    "frozen": "snapshot",
}
ALERTS: Final = "alerts"


class StageClock:
    """Sums wall and processor seconds of the work's thread; from one mark to the next belongs to the later one."""

    def __init__(self) -> None:
        self.wall_s: defaultdict[str, float] = defaultdict(float)
        self.cpu_s: defaultdict[str, float] = defaultdict(float)
        self.steps = 0
        self._last: tuple[float, float] | None = None

    def clear(self) -> None:
        """Nothing was measured yet."""
        self.wall_s.clear()
        self.cpu_s.clear()
        self.steps = 0

    def begin(self) -> None:
        """What follows belongs to the next mark."""
        self._last = time.perf_counter(), time.thread_time()

    def mark(self, stage: str) -> None:
        """What was since the mark before was this stage."""
        wall_s, cpu_s = time.perf_counter(), time.thread_time()
        if self._last is not None:
            self.wall_s[stage] += wall_s - self._last[0]
            self.cpu_s[stage] += cpu_s - self._last[1]
        self._last = wall_s, cpu_s


class TimedProjector(Projector):
    """Says how long telling alerts took."""

    clock: StageClock

    def project_alerts(
        self, now_ms: int, tell: Callable[[Sequence[AlertChange]], None] = lambda _changes: None
    ) -> list[AlertChange]:
        """Tells alerts."""
        self.clock.begin()
        changes = super().project_alerts(now_ms, tell)
        self.clock.mark(ALERTS)
        return changes


class _Watcher:
    """Begins the next step's time when one has ended; a failure is kept for the measuring thread."""

    def __init__(self, clock: StageClock) -> None:
        self.clock = clock
        self.failure: Exception | None = None

    def stepped(self, records: Sequence[Read], stepped: Stepped, seconds: float) -> None:  # noqa: ARG002
        self.clock.steps += bool(records)
        self.clock.begin()

    def alerts_changed(self, changes: Sequence[AlertChange]) -> None:
        """Nobody is told."""

    def failed(self, error: Exception) -> None:
        self.failure = error


@contextmanager
def working(url: str, brokers: str, partitions: int, folder: Path, rules: Path) -> Iterator[Callable[[], StageClock]]:
    """Works on all partitions in this process; gives what waits until nothing is left and returns the clock so far."""
    configure_logs()  # standard output is the measurement's
    clock, rulebook = StageClock(), read_rules(rules)
    database = Database.open(url)
    projector = TimedProjector(database, alert_policy(read_configuration(None, rules), rulebook))
    projector.clock = clock
    flow, watcher = Flow(brokers, 60.0), _Watcher(clock)
    worker = Worker(
        "stages",
        database=database,
        projector=projector,
        rulebook=rulebook,
        flow=flow,
        partitions=partitions,
        store=folder,
        watcher=watcher,
        clock_ms=now_ms,
        limits=Limits(),
        on_step=lambda step: clock.mark(STAGES[step]),
    )
    worker.start()
    positions = worker.take(range(partitions))
    reader = Flow(brokers, 60.0)  # the worker's own is its thread's
    ends = threading.Event()

    def read_on() -> None:
        while not ends.is_set():
            if not _read(reader, worker, positions):
                ends.wait(0.005)

    thread = threading.Thread(target=read_on, daemon=True)
    thread.start()

    def finished() -> StageClock:
        while not _is_done(database, reader, partitions):
            if watcher.failure is not None:
                raise watcher.failure
            time.sleep(0.05)
        return clock

    try:
        yield finished
    finally:
        ends.set()
        thread.join()
        worker.stop()
        database.close()


def _read(reader: Flow, worker: Worker, positions: dict[tuple[Way, int], int]) -> bool:
    """Puts what the topics have beyond the positions; returns whether there was anything."""
    found = False
    for (way, number), first in positions.items():
        _, end = reader.ends_of(way, number)
        for records in reader.read(way, number, first, end):
            for record in records:
                while worker.is_full():
                    time.sleep(0.01)
                worker.put(record)
            positions[way, number] = records[-1].offset + 1
            found = True
    return found


def _is_done(database: Database, reader: Flow, partitions: int) -> bool:
    before = Partitions(database).states()
    ends = {(way, number): reader.ends_of(way, number)[1] for way in WAYS for number in range(partitions)}
    return all(
        before[number].input_offset == ends["input", number] and before[number].flow_offset == ends["flow", number]
        for number in range(partitions)
    )
