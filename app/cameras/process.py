"""One camera worker as a child process: started, told of swipes, listened to, and started again when it dies."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Final, Protocol

import structlog

from app.cameras.outbox import Outbox
from app.cameras.recent import RecentSwipes
from app.known_staff import NO_STAFF, staff_at
from app.visitors.shared import VisitorNaming
from events.errors import ConfigError, TransientError
from video.messages import (
    CameraStateChanged,
    FromCameras,
    Observed,
    StaffKnown,
    Stop,
    SwipeSeen,
    ToWorker,
    VisitorAsked,
    WorkerFailed,
    decode_from_worker,
)
from video.settings import VideoSettings
from video.worker import run

STOP_PATIENCE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 2.0

_log = structlog.get_logger()


class Intake(Protocol):
    """Where what the cameras say goes: into the stores of this machine, or towards the centre."""

    def take(self, message: FromCameras) -> None:
        """Afterwards the message is safe, or it was said why not."""

    def stop(self) -> None:
        """Nothing is waited for any longer."""


class WorkerProcess:
    """Keeps one worker running for its cameras. `look` may be called from any thread and never waits."""

    def __init__(
        self,
        settings: VideoSettings,
        *,
        intake: Intake,
        visitors: VisitorNaming,
        recent: RecentSwipes,
        clock_ms: Callable[[], int],
    ) -> None:
        """Nothing runs yet. Args: recent has the swipes that each new worker is told of at its start."""
        self._settings, self._intake, self._visitors = settings, intake, visitors
        self._recent, self._clock_ms = recent, clock_ms
        self._tills = {(camera.institution_id, camera.till_id) for camera in settings.cameras}
        self._context = multiprocessing.get_context("spawn")
        self._outbox: Outbox | None = None
        self._worker: BaseProcess | None = None
        self._staff = NO_STAFF
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="camera-worker", daemon=True)
        self.failure: str | None = None

    def start(self) -> None:
        """The worker is started soon."""
        self._thread.start()

    def end(self) -> None:
        """The worker ends soon."""
        self._ends.set()
        self._send(Stop())

    def join(self) -> None:
        """The worker has ended, by force where it does not listen; call `end` before."""
        self._thread.join(2 * STOP_PATIENCE_S)
        worker = self._worker
        if self._thread.is_alive() and worker is not None:
            _log.warning("camera_worker.killed")
            worker.kill()
            self._thread.join(STOP_PATIENCE_S)

    def has_till(self, institution_id: str, till_id: str) -> bool:
        """Returns whether one of its cameras looks at the till."""
        return (institution_id, till_id) in self._tills

    def look(self, seen: SwipeSeen) -> None:
        """The cameras of the swipe's till look at it, unless the worker dies before or is not there."""
        self._send(seen)

    def know_staff(self, known: StaffKnown) -> None:
        """The cameras know those of these who are of their institutions, and so does a worker that is started anew."""
        self._staff = staff_at(known, {institution_id for institution_id, _ in self._tills})
        self._send(self._staff)

    def _send(self, message: ToWorker) -> None:
        outbox = self._outbox
        if outbox is not None:
            outbox.put(message)

    def _supervise(self) -> None:
        """Runs worker after worker until the end; one that failed for good is said in `failure`."""
        pause_s = 0.1
        while not self._ends.is_set():
            started = time.monotonic()
            try:
                self._run_worker()
            except Exception as error:  # noqa: BLE001 - the thread's boundary: without it all cameras were silently gone
                _log.exception("camera_work.failed")
                self.failure = f"{type(error).__name__}: {error}"
            if time.monotonic() - started > 10 * LONGEST_PAUSE_S:
                pause_s = 0.1
            if not self._ends.wait(pause_s * random.uniform(0.5, 1.0)):  # noqa: S311 - jitter
                _log.warning("camera_worker.restarted", reason=self.failure)
                pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    def _run_worker(self) -> None:
        try:
            with suppress(TransientError):  # until they open nobody is named, and everything else goes on
                self._visitors.open()
        except ConfigError as error:
            self._take_failure(str(error))
            return
        ours, theirs = self._context.Pipe()
        worker = self._context.Process(target=run, args=(theirs, self._settings), name="camera-worker", daemon=True)
        worker.start()
        self._worker = worker
        theirs.close()
        outbox = self._outbox = Outbox(ours)
        try:
            outbox.put(self._staff)
            for seen in self._recent.at(self._tills):  # the worker before may have left them undecided
                outbox.put(seen)
            if self._ends.is_set():  # `end` may have come before there was an outbox
                outbox.put(Stop())
            self._listen(ours, outbox)
            worker.join(STOP_PATIENCE_S)
        finally:
            self._outbox = None
            if worker.is_alive():
                worker.kill()
                worker.join()
            outbox.close()
            ours.close()

    def _listen(self, connection: Connection, outbox: Outbox) -> None:
        """Hands on the worker's messages until its end of the connection is closed."""
        while True:
            try:
                message = decode_from_worker(connection.recv_bytes())
            except (EOFError, OSError):
                return
            match message:
                case VisitorAsked():
                    outbox.put(self._visitors.answer(message))
                case WorkerFailed():
                    self._take_failure(message.reason)
                case Observed():
                    self.failure = None
                    self._intake.take(message)
                    self._recent.heard(message)
                case _:
                    self._intake.take(message)

    def _take_failure(self, reason: str) -> None:
        """Says on every camera's card why there are no pictures; swipes are taken all the same."""
        if self.failure != reason:
            _log.error("camera_worker.failed", reason=reason)
        self.failure = reason
        at_ms = self._clock_ms()
        for camera in self._settings.cameras:
            self._intake.take(
                CameraStateChanged(camera_id=camera.camera_id, state="offline", detail=reason, at_ms=at_ms)
            )
