"""The camera worker as a child process: started, told of swipes, listened to, and started again when it dies."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Final, Protocol

import structlog

from app.cameras.outbox import Outbox
from app.cameras.seen import References, swipe_seen
from events.types import AnyEvent, Swipe
from video.messages import (
    CameraStateChanged,
    FromCameras,
    Observed,
    Stop,
    SwipeSeen,
    ToWorker,
    WorkerFailed,
    decode_from_worker,
)
from video.settings import VideoSettings
from video.worker import run

STOP_PATIENCE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 2.0
FRESH_SWIPE_MS: Final = 30_000
"""An older swipe is not sent to the cameras: their pictures of it are gone."""
RECENT_SWIPES: Final = 64

_log = structlog.get_logger()


class Intake(Protocol):
    """Where what the cameras say goes: into the stores of this machine, or towards the centre."""

    def take(self, message: FromCameras) -> None:
        """Afterwards the message is safe, or it was said why not."""

    def stop(self) -> None:
        """Nothing is waited for any longer."""


class CameraWork:
    """Keeps one camera worker running. `swipes_accepted` and `look` may be called from any thread and never wait."""

    def __init__(
        self,
        settings: VideoSettings,
        *,
        intake: Intake,
        references: References,
        clock_ms: Callable[[], int],
    ) -> None:
        self._settings, self._intake, self._references, self._clock_ms = settings, intake, references, clock_ms
        self._tills = {(camera.institution_id, camera.till_id) for camera in settings.cameras}
        self._context = multiprocessing.get_context("spawn")
        self._outbox: Outbox | None = None
        self._recent: deque[SwipeSeen] = deque(maxlen=RECENT_SWIPES)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="camera-work", daemon=True)
        self.failure: str | None = None

    def start(self) -> None:
        """The worker is started soon, unless there is no camera."""
        if self._settings.cameras:
            self._thread.start()

    def stop(self) -> None:
        """The worker has ended."""
        self._ends.set()
        self._intake.stop()
        self._send(Stop())
        if self._thread.is_alive():
            self._thread.join(2 * STOP_PATIENCE_S)

    def swipes_accepted(self, events: Sequence[AnyEvent]) -> None:
        """The cameras look at the tills of these swipes, if they are fresh."""
        for event in events:
            if not isinstance(event, Swipe) or (event.institution_id, event.till_id) not in self._tills:
                continue
            if self._is_fresh(event.occurred_at_ms):
                self.look(swipe_seen(event, self._references))

    def look(self, seen: SwipeSeen) -> None:
        """The cameras of the swipe's till look at it."""
        self._recent.append(seen)
        self._send(seen)

    def _is_fresh(self, occurred_at_ms: int) -> bool:
        return occurred_at_ms >= self._clock_ms() - FRESH_SWIPE_MS

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
        ours, theirs = self._context.Pipe()
        worker = self._context.Process(target=run, args=(theirs, self._settings), name="camera-worker", daemon=True)
        worker.start()
        theirs.close()
        outbox = self._outbox = Outbox(ours)
        try:
            for seen in tuple(self._recent):  # a worker that died may have left them undecided; repeats count once
                if self._is_fresh(seen.occurred_at_ms):
                    outbox.put(seen)
            if self._ends.is_set():  # `stop` may have come before there was an outbox
                outbox.put(Stop())
            self._listen(ours)
            worker.join(STOP_PATIENCE_S)
        finally:
            self._outbox = None
            if worker.is_alive():
                worker.kill()
                worker.join()
            outbox.close()
            ours.close()

    def _listen(self, connection: Connection) -> None:
        """Hands on the worker's messages until its end of the connection is closed."""
        while True:
            try:
                message = decode_from_worker(connection.recv_bytes())
            except (EOFError, OSError):
                return
            if isinstance(message, WorkerFailed):
                self._take_failure(message)
                continue
            if isinstance(message, Observed):
                self.failure = None
            self._intake.take(message)

    def _take_failure(self, message: WorkerFailed) -> None:
        """Says on every camera's card why there are no pictures; swipes are taken all the same."""
        if self.failure != message.reason:
            _log.error("camera_worker.failed", reason=message.reason)
        self.failure = message.reason
        at_ms = self._clock_ms()
        for camera in self._settings.cameras:
            self._intake.take(
                CameraStateChanged(camera_id=camera.camera_id, state="offline", detail=message.reason, at_ms=at_ms)
            )
