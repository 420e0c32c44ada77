"""One `worker` of a cluster: its partitions, its eye on the rules, and how it says how it is. Its composition root."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog
import uvicorn

from app.clock import now_ms
from app.configuration import Configuration, alert_policy
from app.kept_rules import KeptRules
from app.logs import take_in_library_logs
from app.rule_watch import RuleWatch
from events.errors import ConfigError, TransientError
from events.metrics import (
    ALERTS_CHANGED,
    DEAD_LETTERS_SET_ASIDE,
    DECIDED_SECONDS,
    EVENTS_DECIDED,
    FINDINGS_CHANGED,
    PARTITIONS_HELD,
    RECORDS_BEHIND,
    STEP_SECONDS,
)
from events.prepared_types import prepare_types
from storage.database import Database
from storage.partitions import Fenced
from storage.projector import AlertChange, Projector
from storage.rule_halts import RuleHalts
from streams.cluster.flow import Flow
from streams.cluster.held_partition import Limits, Step, Stepped, TooManyLetters
from streams.cluster.records import TOPIC_OF, Read, Way
from streams.cluster.topics import topic_differences
from streams.cluster.worker import PATIENCE_S, Worker
from streams.faust_app import make_app, run_app
from web.measurements import Measurements
from web.ports import NotReady
from web.status import status_app

STARTS_WITHIN_S: Final = 60.0
"""So long the brokers may be away when a worker starts."""
WAY_OUT_CODE: Final = 4
"""The exit code of a worker that would set too much aside: starting again does not help."""

_log = structlog.get_logger()


class ClusterWorker:
    """The whole of `swipewatch worker`, as an object that is run until the process is told to stop."""

    def __init__(
        self,
        configuration: Configuration,
        database: Database,
        brokers: str,
        data: Path,
        *,
        clock_ms: Callable[[], int] = now_ms,
        on_step: Callable[[Step], None] = lambda _step: None,
    ) -> None:
        """Raises: ConfigError; TransientError when database or brokers are away."""
        settings = configuration.effective.settings
        flow = Flow(brokers, STARTS_WITHIN_S)
        count = flow.partitions()
        for difference in topic_differences(brokers):
            _log.warning("topic.differs", difference=difference)
        flow.patience_s = PATIENCE_S
        kept = KeptRules(database)
        with database.starting():
            kept.take_in(
                configuration.rule_files, configuration.rules_path, given=configuration.rules_given, now_ms=clock_ms()
            )
        newest, rulebook = kept.latest_number(), kept.rulebook()
        self.measurements = Measurements()
        self.measurements.refresh = self._count_partitions
        self.worker = Worker(
            f"{socket.gethostname()}:{os.getpid()}",
            database=database,
            projector=Projector(database, alert_policy(configuration, rulebook)),
            rulebook=rulebook,
            flow=flow,
            partitions=count,
            store=data / "partitions",
            watcher=self,
            clock_ms=clock_ms,
            limits=Limits(letters_an_hour=settings.cluster.dead_letters_an_hour),
            on_step=on_step,
        )
        self._rules = RuleWatch(
            kept,
            RuleHalts(database),
            lambda rules: self.worker.change_rules(rules, alert_policy(configuration, rules)),
            self.measurements,
            newest,
        )
        self._clock_ms = clock_ms
        self._brokers, self._data = brokers, data
        self._told_behind: set[tuple[str, str]] = set()
        """Topics and partitions of which the metrics say how far the work is behind."""
        self._session_timeout_s = settings.cluster.session_timeout / 1000
        self._status = uvicorn.Server(
            uvicorn.Config(
                status_app(self.measurements, self._reasons_not_ready),
                host=settings.worker.host,
                port=settings.worker.port,
                access_log=False,
                log_config=None,
            )
        )

    def run(self) -> None:
        """Works until the process is told to stop; then what was begun is finished."""
        faust_data = self._data / "faust"
        faust_data.mkdir(mode=0o700, parents=True, exist_ok=True)
        prepare_types()
        threading.Thread(target=self._status.run, name="status", daemon=True).start()
        take_in_library_logs()
        self.worker.start()
        self._rules.start()
        app = make_app(self.worker, self._brokers, self._session_timeout_s, faust_data, self.is_behind)
        try:
            run_app(app)
        finally:
            self._rules.stop()
            self.worker.stop()
            self._status.should_exit = True

    # ------------------------------------------------------------------------------------- what the work's thread says

    def stepped(self, records: Sequence[Read], stepped: Stepped, seconds: float) -> None:
        """The step is in the metrics."""
        measured = self.measurements
        if records:
            measured.observe(STEP_SECONDS, seconds)
        now_ms = self._clock_ms()
        for record in records:
            measured.observe(DECIDED_SECONDS, max(0, now_ms - record.appended_at_ms) / 1000)
        measured.count(EVENTS_DECIDED, stepped.accepted, status="accepted")
        measured.count(EVENTS_DECIDED, stepped.duplicates, status="duplicate")
        for reason, count in stepped.letters.items():
            measured.count(DEAD_LETTERS_SET_ASIDE, count, reason=reason)
        for rule, count in stepped.raised.items():
            measured.count(FINDINGS_CHANGED, count, rule=rule, change="raised")
        for rule, count in stepped.withdrawn.items():
            measured.count(FINDINGS_CHANGED, count, rule=rule, change="withdrawn")

    def alerts_changed(self, changes: Sequence[AlertChange]) -> None:
        """They are in the metrics; pages find them in the database."""
        self.measurements.count(ALERTS_CHANGED, len(changes))

    def failed(self, error: Exception) -> None:
        """The process ends at once: nothing that was not finished looks finished."""
        code = 1
        match error:
            case Fenced() | TransientError():
                _log.error("worker.ended", reason=str(error))
                code = 3
            case TooManyLetters():
                _log.error("worker.stopped", reason=str(error))
                code = WAY_OUT_CODE
            case ConfigError():
                _log.error("worker.refused", reason=str(error))
                code = 2
            case _:
                _log.error("worker.failed", exc_info=error)
        sys.stderr.flush()
        os._exit(code)

    def is_behind(self, way: Way, partition: int, records: int) -> None:
        """So many records are there that were not worked on."""
        self._told_behind.add((TOPIC_OF[way], str(partition)))
        self.measurements.set_level(RECORDS_BEHIND, records, topic=TOPIC_OF[way], partition=str(partition))

    def _count_partitions(self) -> None:
        """What was given back is another worker's to tell."""
        held = {str(state.number) for state in self.worker.held()}
        self.measurements.set_level(PARTITIONS_HELD, len(held))
        for topic, partition in list(self._told_behind):
            if partition not in held:
                self._told_behind.discard((topic, partition))
                self.measurements.forget(RECORDS_BEHIND, topic=topic, partition=partition)

    def _reasons_not_ready(self) -> list[NotReady]:
        if self.worker.is_ready():
            return []
        return [NotReady(part="partitions", reason="waits for its partitions, or takes them over")]
