"""The thread that reads one camera."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

from video.sources.port import Packet, Source, SourceEnded, SourceError

FIRST_WAIT_S: Final = 0.25
LONGEST_WAIT_S: Final = 2.0
SILENT_S: Final = 5.0
"""A source that neither delivers nor gives up for so long hangs."""

_LOG = structlog.get_logger(__name__)


class CameraThread(threading.Thread):
    """Reads one camera in a thread of its own, so that a camera that hangs blocks no other.

    A camera that delivers nothing is said to be away and tried again, each time after a longer while with some chance
    in it, two seconds at most. Anything else that goes wrong ends the thread and stands in `failure`.
    """

    def __init__(self, name: str, source: Source, see: Callable[[Packet], None], away: Callable[[str], None]) -> None:
        """Nothing runs yet. Args: see takes each packet; away takes why there are none."""
        super().__init__(name=f"camera-{name}", daemon=True)
        self._source, self._see, self._away = source, see, away
        self._stopping, self._ended = threading.Event(), False
        self._alive_at_s = time.monotonic()
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Reads until it is stopped."""
        try:
            self._run()
        except BaseException as error:  # noqa: BLE001 (the thread's edge: the worker raises what it finds here)
            self.failure = error
            _LOG.exception("camera.thread_failed")

    def stop(self) -> None:
        """Afterwards the thread ends as soon as its source lets go."""
        self._stopping.set()

    def say_if_silent(self) -> None:
        """Says that the camera is away when its source hangs; called by another thread, now and then."""
        silent_s = time.monotonic() - self._alive_at_s
        if silent_s >= SILENT_S and not self._ended and self.ident is not None:
            self._away(f"no picture for {silent_s:.0f} s")

    def _run(self) -> None:
        wait_s = FIRST_WAIT_S
        while not self._stopping.is_set():
            try:
                for packet in self._source.packets(self._stopping):
                    wait_s, self._alive_at_s = FIRST_WAIT_S, time.monotonic()
                    self._see(packet)
            except SourceEnded as ended:
                self._ended = True
                self._away(str(ended))
                return
            except SourceError as error:
                self._away(str(error))
            self._alive_at_s = time.monotonic()
            self._stopping.wait(wait_s * random.uniform(0.6, 1.0))  # noqa: S311 (spreads retries, protects nothing)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)
