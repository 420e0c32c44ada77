"""The embedded pipeline: one thread takes requests, makes them durable, answers, judges and writes what changed.

    request → stage 0 → accepted log (on disk) → answer → engine → findings → alerts → listener

Everything after the log can be made again from it: at its start the pipeline judges the whole log and writes whatever
the database lacks, so a kill at any point costs nothing but time.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Literal, Protocol

import msgspec
import structlog

from alerts.policy import Policy
from detectors.catalogue import Rulebook
from events.dead_letters import Place
from events.errors import TransientError
from events.findings import Finding
from events.types import AnyEvent
from storage.database import Database
from storage.progress import Progress
from storage.projector import AlertChange, Projector
from streams.acceptance import Accepted, Incoming, Outcome
from streams.logged_engine import LoggedEngine, retried

Step = Literal["appended", "synced", "evaluated", "findings_written", "alerts_written", "frozen"]
"""The points between which the process may die; tests end it at each."""

FRESH_MS = 60_000
"""What happened so shortly before a start is told to the listener again: a kill may have come before it heard."""

_log = structlog.get_logger()


class PipelineBusy(TransientError):
    """More events are waiting than the queue may hold; nothing of the request was taken."""


class PipelineStopped(TransientError):
    """The pipeline is starting, stopping or has failed; nothing of the request was taken."""


class Listener(Protocol):
    """Who is told, on the pipeline's thread, what has become durable. Must not block."""

    def accepted(self, events: Sequence[AnyEvent]) -> None:
        """These events are on disk and about to be judged."""
        ...

    def alerts_changed(self, changes: Sequence[AlertChange]) -> None:
        """These alerts were opened or changed."""
        ...

    def failed(self, reason: str) -> None:
        """The pipeline has given up; the process must end, so that its supervisor starts it anew."""
        ...


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of the queue in events, how often waiting decisions are looked at, and how often a snapshot is taken."""

    queue_events: int = 20_000
    batch_events: int = 2_000
    tick_ms: int = 500
    freeze_events: int = 50_000
    freeze_ms: int = 300_000


class _Request(msgspec.Struct, frozen=True):
    sender: str
    originals: Sequence[bytes]
    answer: Future[list[Outcome]]


class _RuleChange(msgspec.Struct, frozen=True):
    rulebook: Rulebook
    policy: Policy
    answer: Future[None]


class Pipeline:
    """One thread from requests to alerts. `submit` and `change_rules` may be called from any thread."""

    def __init__(  # noqa: PLR0913 - what it works on, whom it tells, and what surrounds it
        self,
        *,
        database: Database,
        projector: Projector,
        rulebook: Rulebook,
        listener: Listener,
        clock_ms: Callable[[], int],
        store: Path | None = None,
        limits: Limits | None = None,
        on_step: Callable[[Step], None] = lambda _step: None,
    ) -> None:
        """Args: `store` is the folder of the live store and its snapshots; None keeps it in memory."""
        self._database, self._projector, self._listener = database, projector, listener
        self._logged = LoggedEngine(database, rulebook, clock_ms, store)
        self._clock_ms, self._limits, self._on_step = clock_ms, limits or Limits(), on_step
        self._requests: queue.SimpleQueue[_Request | _RuleChange | None] = queue.SimpleQueue()
        self._rule_changes: list[_RuleChange] = []
        self._progress = Progress(database)
        self._waiting_events = 0
        self._lock = threading.Lock()
        self._state: Literal["starting", "running", "stopped"] = "starting"
        self._thread = threading.Thread(target=self._run, name="pipeline", daemon=True)

    def start(self) -> None:
        """The pipeline reads its log and then takes requests; `is_ready` says when."""
        self._thread.start()

    def is_ready(self) -> bool:
        """Returns whether requests are taken."""
        return self._state == "running"

    def stop(self) -> None:
        """What was submitted is finished; then the thread ends."""
        self._requests.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def submit(self, sender: str, originals: Sequence[bytes]) -> Future[list[Outcome]]:
        """Returns the future of one outcome per event, in order, done once they are on disk.

        Raises: PipelineStopped, PipelineBusy: nothing was taken.
        """
        request = _Request(sender, originals, Future())
        with self._lock:  # under it, or the thread could end between the look and the put: nobody would answer then
            if self._state != "running":
                raise PipelineStopped(f"the pipeline is {self._state}")
            if self._waiting_events and self._waiting_events + len(originals) > self._limits.queue_events:
                raise PipelineBusy(f"{self._waiting_events} events are waiting")
            self._waiting_events += len(originals)
            self._requests.put(request)
        return request.answer

    def change_rules(self, rulebook: Rulebook, policy: Policy) -> Future[None]:
        """Returns the future that is done once every anchor is judged, and told, by these rules.

        Raises: PipelineStopped: nothing has changed.
        """
        change = _RuleChange(rulebook, policy, Future())
        with self._lock:
            if self._state != "running":
                raise PipelineStopped(f"the pipeline is {self._state}")
            self._requests.put(change)
        return change.answer

    def _run(self) -> None:
        try:
            self._recover()
            self._state = "running"
            while self._turn():
                pass
        except Exception as error:  # noqa: BLE001 - the thread's boundary: it is said, and the process ends
            _log.exception("pipeline.failed")
            self._listener.failed(str(error))
        finally:
            with self._lock:
                self._state = "stopped"
            self._refuse_waiting()

    def _recover(self) -> None:
        """Brings the engine to the end of the log, and findings and alerts to what it says."""
        started = time.monotonic()
        self._progress.put(0, None)  # until the log is judged, nothing of it is decided under these rules
        causes, events = self._logged.catch_up(self._clock_ms() - FRESH_MS)
        raised, withdrawn = self._logged.differences(self._projector.standing())
        self._write(raised=raised, withdrawn=withdrawn, causes=causes)
        self._listener.accepted(events)
        self._logged.freeze()
        seconds = round(time.monotonic() - started, 3)
        _log.info("pipeline.recovered", raised=len(raised), withdrawn=len(withdrawn), seconds=seconds)

    def _turn(self) -> bool:
        """Handles what is waiting, or the passing of time; returns False when it is time to end."""
        requests, ends = self._take_requests()
        events = self._accept(requests) if requests or self._logged.is_unsure else []
        if events:
            self._listener.accepted(events)
        changes = self._logged.engine.apply(events, self._clock_ms())
        self._on_step("evaluated")
        self._logged.set_aside(changes.mismatched)
        self._write(raised=changes.raised, withdrawn=changes.withdrawn, causes=changes.causes)
        self._logged.forget()
        if ends or self._logged.is_time_to_freeze(self._limits.freeze_events, self._limits.freeze_ms):
            self._logged.freeze()
            self._on_step("frozen")
        while self._rule_changes:
            self._obey(self._rule_changes.pop(0))
        return not ends

    def _obey(self, change: _RuleChange) -> None:
        """Judges anew what the new rules judge otherwise, and tells it as they say."""
        try:
            changes = self._logged.engine.change_rules(change.rulebook)
            self._projector.change_policy(change.policy)
            self._write(raised=changes.raised, withdrawn=changes.withdrawn, causes=changes.causes)
        except BaseException:
            change.answer.set_exception(PipelineStopped("the pipeline has failed"))
            raise
        change.answer.set_result(None)

    def _take_requests(self) -> tuple[list[_Request], bool]:
        """Returns the waiting requests up to a batch (waiting for one at most a tick), and whether to end."""
        requests: list[_Request] = []
        size = 0
        while size < self._limits.batch_events:
            try:
                request = self._requests.get(
                    timeout=None if requests else self._limits.tick_ms / 1000, block=not requests
                )
            except queue.Empty:
                break
            if request is None:
                return requests, True
            if isinstance(request, _RuleChange):
                if request.answer.set_running_or_notify_cancel():
                    self._rule_changes.append(request)
                break
            size += len(request.originals)
            if request.answer.set_running_or_notify_cancel():
                requests.append(request)
        with self._lock:
            self._waiting_events -= size
        return requests, False

    def _accept(self, requests: Sequence[_Request]) -> list[AnyEvent]:
        """Makes the requests durable and answers them; returns the new events, before them those that were missed."""
        now_ms = self._clock_ms()
        incoming = [
            Incoming(original, Place(sender=request.sender, index=index), request.sender, now_ms)
            for request in requests
            for index, original in enumerate(request.originals)
        ]
        missed: list[AnyEvent] = []
        try:
            missed = self._logged.missed()
            outcomes = self._logged.accept(incoming, lambda _session: self._on_step("appended"))
        except TransientError as error:
            _answer_failed(requests, error)
            return missed
        except BaseException:
            _answer_failed(requests, PipelineStopped("the pipeline has failed"))
            raise
        self._on_step("synced")
        _answer(requests, outcomes)
        return missed + [outcome.event for outcome in outcomes if isinstance(outcome, Accepted)]

    def _write(self, *, raised: Sequence[Finding], withdrawn: Sequence[Finding], causes: dict[str, str]) -> None:
        """Writes findings, then alerts, and tells the listener; alerts left over by a kill are made here too."""
        now_ms = self._clock_ms()
        if raised or withdrawn:
            retried(lambda: self._projector.write_findings(raised, withdrawn, causes, now_ms))
            self._on_step("findings_written")
        retried(lambda: self._projector.project_alerts(now_ms, self._tell))
        self._tell(retried(lambda: self._projector.escalate_overdue(now_ms)))
        retried(self._say_progress)

    def _tell(self, changes: Sequence[AlertChange]) -> None:
        if changes:
            self._on_step("alerts_written")
            self._listener.alerts_changed(changes)

    def _say_progress(self) -> None:
        self._progress.put(self._logged.engine.applied.seq, self._logged.engine.waiting_until_ms())

    def _refuse_waiting(self) -> None:
        while not self._requests.empty():
            request = self._requests.get()
            if request is not None and request.answer.set_running_or_notify_cancel():
                request.answer.set_exception(PipelineStopped("the pipeline has stopped"))


def _answer(requests: Sequence[_Request], outcomes: Sequence[Outcome]) -> None:
    first = 0
    for request in requests:
        last = first + len(request.originals)
        request.answer.set_result(list(outcomes[first:last]))
        first = last


def _answer_failed(requests: Sequence[_Request], error: TransientError) -> None:
    for request in requests:
        request.answer.set_exception(error)
