"""Makes clips and originals beside the looking: in a thread of low priority, and never more than a few waiting."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable

import av
import cv2
import structlog

from video.clip import ClipJob, Detect, make_clip
from video.messages import ClipMade, OriginalCut
from video.original import cut_original

_LOG = structlog.get_logger(__name__)

NICENESS = 10


class ClipWork(threading.Thread):
    """Takes jobs and gives back clips; of too many the newest is refused, so that what was begun is finished.

    A clip that cannot be encoded is said and left out. Anything else that goes wrong ends the thread and stands in
    `failure`.
    """

    def __init__(self, open_detector: Callable[[], Detect], *, most_waiting: int) -> None:
        """Nothing runs yet. Args: open_detector is called in the thread: its detector is shared with nobody."""
        super().__init__(name="clips", daemon=True)
        self._open, self._jobs = open_detector, queue.Queue[ClipJob | None](most_waiting)
        self._made: queue.SimpleQueue[ClipMade | OriginalCut] = queue.SimpleQueue()
        self._ends = threading.Event()
        self.failure: BaseException | None = None
        self.refused = 0

    def put(self, job: ClipJob) -> None:
        """Afterwards the clip will be made, unless too many wait already: then it is refused, which is said."""
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            self.refused += 1
            _LOG.warning("clip.refused", refused_count=self.refused)

    def take(self) -> ClipMade | OriginalCut | None:
        """Returns a clip or an original that is ready, once; of a swipe the original comes first."""
        try:
            return self._made.get_nowait()
        except queue.Empty:
            return None

    def stop(self) -> None:
        """Afterwards the thread ends after the picture in hand; the clip in hand is lost."""
        self._ends.set()
        try:
            self._jobs.put_nowait(None)
        except queue.Full:
            return  # a job wakes it as well

    def run(self) -> None:
        """Works until it is stopped."""
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)  # on Linux this thread's alone
            self._run()
        except BaseException as error:  # noqa: BLE001 (the thread's edge: the worker raises what it finds here)
            self.failure = error
            _LOG.exception("clip.thread_failed")

    def _run(self) -> None:
        detect: Detect | None = None
        while (job := self._jobs.get()) is not None and not self._ends.is_set():
            detect = detect or self._open()
            try:
                self._made.put(cut_original(job))
            except av.error.FFmpegError as error:
                _LOG.warning("original.failed", camera_id=job.camera_id, reason=error.strerror)
            self._make(job, detect)

    def _make(self, job: ClipJob, detect: Detect) -> None:
        started_s = time.thread_time()
        try:
            made = make_clip(job, detect, lambda: not self._ends.is_set())
        except (cv2.error, av.error.FFmpegError) as error:
            _LOG.warning("clip.failed", camera_id=job.camera_id, reason=type(error).__name__)
            return
        if made is not None:
            self._made.put(made)
            spent_ms = round((time.thread_time() - started_s) * 1000)
            _LOG.info("clip.made", camera_id=job.camera_id, pictures=made.pictures, cpu_ms=spent_ms)
