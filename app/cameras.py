"""The camera worker as a child process: started, told of swipes, listened to, and started again when it dies."""

from __future__ import annotations

import multiprocessing
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

import structlog

from events.codec import decode_event
from events.dead_letters import InvalidEvent
from events.errors import TransientError
from events.types import AnyEvent, Swipe
from storage.camera_states import CameraStates
from storage.clips import Clip, ClipStore
from storage.errors import AlteredData, WrongKey
from storage.evidence import EvidenceStore, Still
from storage.references import ReferenceFaces
from video.messages import (
    CameraStateChanged,
    ClipMade,
    Observed,
    Stop,
    SwipeSeen,
    ToWorker,
    WorkerFailed,
    decode_from_worker,
    encode_message,
)
from video.settings import VideoSettings
from video.worker import run

SENDER = "video"
STOP_PATIENCE_S = 5.0
LONGEST_PAUSE_S = 2.0
FRESH_SWIPE_MS = 30_000
"""An older swipe is not sent to the cameras: their pictures of it are gone."""
RECENT_SWIPES = 64
OUTBOX_MESSAGES = 1_000
"""So many messages may wait for a worker that does not read; more are dropped, and said."""

_log = structlog.get_logger()


class Outbox:
    """Messages to one worker, written by a thread of their own: whoever puts one in never waits for the worker."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._messages: queue.SimpleQueue[ToWorker | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="camera-outbox", daemon=True)
        self._thread.start()

    def put(self, message: ToWorker) -> None:
        """The message will be written, unless the worker dies or is too far behind."""
        if self._messages.qsize() < OUTBOX_MESSAGES:
            self._messages.put(message)
        else:
            _log.warning("camera_worker.behind", message=type(message).__name__)

    def close(self) -> None:
        """Nothing is written any more; the worker at the other end has ended."""
        self._messages.put(None)
        self._thread.join()

    def _write(self) -> None:
        while (message := self._messages.get()) is not None:
            try:
                self._connection.send_bytes(encode_message(message))
            except (OSError, ValueError):  # the worker has just died; the supervisor sees it too
                _log.warning("camera_worker.unreachable", message=type(message).__name__)
                return


class CameraWork:
    """Keeps one camera worker running. `swipes_accepted` may be called from any thread and never waits."""

    def __init__(
        self,
        settings: VideoSettings,
        *,
        references: ReferenceFaces,
        evidence: EvidenceStore,
        clips: ClipStore,
        states: CameraStates,
        submit: Callable[[str, Sequence[bytes]], object],
        clock_ms: Callable[[], int],
    ) -> None:
        self._settings, self._clock_ms, self._submit = settings, clock_ms, submit
        self._references, self._evidence, self._clips, self._states = references, evidence, clips, states
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
        self._send(Stop())
        if self._thread.is_alive():
            self._thread.join(2 * STOP_PATIENCE_S)

    def swipes_accepted(self, events: Sequence[AnyEvent]) -> None:
        """The cameras look at the tills of these swipes, if they are fresh."""
        for event in events:
            if not isinstance(event, Swipe) or (event.institution_id, event.till_id) not in self._tills:
                continue
            if self._is_fresh(event.occurred_at_ms):
                seen = self._seen(event)
                self._recent.append(seen)
                self._send(seen)

    def _is_fresh(self, occurred_at_ms: int) -> bool:
        return occurred_at_ms >= self._clock_ms() - FRESH_SWIPE_MS

    def _seen(self, swipe: Swipe) -> SwipeSeen:
        return SwipeSeen(
            settlement_id=swipe.settlement_id,
            institution_id=swipe.institution_id,
            till_id=swipe.till_id,
            occurred_at_ms=swipe.occurred_at_ms,
            references=self._references_of(swipe.person_id),
        )

    def _references_of(self, person_id: str) -> dict[str, list[list[float]]]:
        """Returns the holder's references; none that cannot be read or opened, which is said and never compared."""
        try:
            found = self._references.of(person_id)
        except (AlteredData, WrongKey, TransientError) as error:
            _log.error("reference.unusable", error=str(error))
            return {}
        return {engine: [embedding.tolist() for embedding in embeddings] for engine, embeddings in found.items()}

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
        """Takes the worker's messages until its end of the connection is closed."""
        while True:
            try:
                message = decode_from_worker(connection.recv_bytes())
            except (EOFError, OSError):
                return
            match message:
                case Observed():
                    self._take_observation(message)
                case ClipMade():
                    self._take_clip(message)
                case CameraStateChanged():
                    self._take_state(message)
                case WorkerFailed():
                    self._take_failure(message)

    def _take_failure(self, message: WorkerFailed) -> None:
        """Says on every camera's card why there are no pictures; swipes are taken all the same."""
        if self.failure != message.reason:
            _log.error("camera_worker.failed", reason=message.reason)
        self.failure = message.reason
        for camera in self._settings.cameras:
            self._put_state(camera.camera_id, "offline", message.reason, self._clock_ms())

    def _take_observation(self, message: Observed) -> None:
        """Keeps the picture, then hands the observation in: an alert finds its picture there."""
        self.failure = None
        try:
            self._keep_still(message)
        except TransientError as error:
            _log.error("still.not_kept", camera_id=message.camera_id, error=str(error))
        while not self._ends.is_set():
            try:
                self._submit(SENDER, [message.original])
            except TransientError as error:
                _log.warning("observation.waits", camera_id=message.camera_id, error=str(error))
                self._ends.wait(0.2)
            else:
                return

    def _keep_still(self, message: Observed) -> None:
        event = decode_event(message.original)
        if message.still is None or isinstance(event, InvalidEvent):
            return
        self._evidence.keep(
            Still(
                observation_id=event.event_id,
                settlement_id=message.settlement_id,
                camera_id=message.camera_id,
                captured_at_ms=message.captured_at_ms,
                jpeg=message.still,
            )
        )

    def _take_clip(self, message: ClipMade) -> None:
        clip = Clip(**{name: getattr(message, name) for name in Clip.__struct_fields__})
        try:
            self._clips.keep(clip)
        except TransientError as error:
            _log.error("clip.not_kept", camera_id=message.camera_id, error=str(error))

    def _take_state(self, message: CameraStateChanged) -> None:
        _log.info("camera.state_changed", camera_id=message.camera_id, state=message.state)
        self._put_state(message.camera_id, message.state, message.detail, message.at_ms)

    def _put_state(self, camera_id: str, state: str, detail: str, at_ms: int) -> None:
        try:
            self._states.put(camera_id, state, detail, at_ms)
        except TransientError as error:
            _log.error("camera_state.not_kept", camera_id=camera_id, error=str(error))
