"""Where pictures come from: the source port, the file source, and the thread that reads one camera."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import structlog

from events.errors import TransientError
from video.engine import Image
from video.settings import CameraSettings

_LOG = structlog.get_logger(__name__)

Clock = Callable[[], int]

FALLEN_BEHIND_MS = 2_000
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 2.0
CLIP_END_RATIO = 0.9
"""A clip that stops delivering after this part of its stated length has merely miscounted its pictures."""


class SourceError(TransientError):
    """A camera or clip delivers nothing; the message says why, and trying again may help."""


class ClipEnded(SourceError):
    """A clip that is not looped is over; trying again does not help."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One picture and when the camera took it, by the camera's own clock."""

    image: Image
    raw_at_ms: int


class Source(Protocol):
    """A camera or something that stands for one."""

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        """Yields pictures as they are taken until stop is set.

        Raises: SourceError when no more pictures come.
        """


def wall_clock_ms() -> int:
    """Returns the time of day in milliseconds UTC."""
    return time.time_ns() // 1_000_000


class FileSource:
    """A video file that plays in real time, as a camera would.

    The picture at camera time t is picture number (t − epoch)·fps, counted round when it loops; so what it shows at a
    moment is settled by its epoch. On opening it first delivers what a camera would have shown during the last
    `history_ms`, unpaced. Of every slot of `slot_ms` one picture is delivered, the others are skipped undecoded.
    """

    def __init__(
        self, settings: CameraSettings, *, slot_ms: int = 200, history_ms: int = 10_000, clock: Clock = wall_clock_ms
    ) -> None:
        self._path, self._loop = Path(settings.source), settings.loop
        self._slot_ms, self._history_ms, self._clock = slot_ms, history_ms, clock
        self._epoch_ms = settings.epoch_ms

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        """Yields one picture a slot, each not before its time; falls back into step when more than 2 s behind.

        Raises: SourceError when the file is absent, no video, or breaks off; ClipEnded at the end when not looped.
        """
        reader = _ClipReader(self._path)
        try:
            yield from self._play(reader, stop)
        finally:
            reader.close()

    def _play(self, reader: _ClipReader, stop: threading.Event) -> Iterator[Frame]:
        now = self._clock()
        epoch = self._epoch_ms = now if self._epoch_ms is None else self._epoch_ms
        number = reader.number_at(max(now - self._history_ms - epoch, 0))
        slot, allowed_late_ms = None, self._history_ms + FALLEN_BEHIND_MS
        while not stop.is_set():
            if not self._loop and number >= reader.length:
                raise ClipEnded(f"{self._path.name} has ended")
            raw_at_ms = epoch + reader.time_of(number)
            ahead_ms = raw_at_ms - self._clock()
            if ahead_ms > 0:
                allowed_late_ms = FALLEN_BEHIND_MS
                stop.wait(ahead_ms / 1000)
                continue
            if -ahead_ms > allowed_late_ms:
                number = reader.number_at(self._clock() - epoch)
                continue
            image = reader.read(number % reader.length, decode=raw_at_ms // self._slot_ms != slot)
            if image is not None:
                slot = raw_at_ms // self._slot_ms
                yield Frame(image=image, raw_at_ms=raw_at_ms)
            number += 1


class _ClipReader:
    """An open video file, read by picture number."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise SourceError(f"{path.name}: there is no such file")
        self._name = path.name
        self._capture = cv2.VideoCapture(str(path))
        self._fps = float(self._capture.get(cv2.CAP_PROP_FPS)) if self._capture.isOpened() else 0.0
        self.length = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)) if self._fps > 0 else 0
        self._next = 0
        if self.length <= 0:
            self._capture.release()
            raise SourceError(f"{path.name}: not a video that can be read")

    def time_of(self, number: int) -> int:
        """Returns the milliseconds from the first picture to this one."""
        return round(number * 1000 / self._fps)

    def number_at(self, elapsed_ms: int) -> int:
        """Returns the number of the picture that is shown so long after the first."""
        return int(elapsed_ms * self._fps // 1000)

    def read(self, position: int, *, decode: bool) -> Image | None:
        """Returns the picture at a position of the file, None if it is skipped or miscounted at the end."""
        if position != self._next:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, position)
        self._next = position + 1
        if not self._capture.grab():
            self._check_end(position)
            return None
        if not decode:
            return None
        read, image = self._capture.retrieve()
        if not read or image is None:
            self._check_end(position)
            return None
        return np.asarray(image, dtype=np.uint8)

    def close(self) -> None:
        """Afterwards the file is closed."""
        self._capture.release()

    def _check_end(self, position: int) -> None:
        self._next = -1
        if position < self.length * CLIP_END_RATIO:
            raise SourceError(f"{self._name}: breaks off at picture {position} of {self.length}")


class CameraThread(threading.Thread):
    """Reads one camera in a thread of its own, so that a camera that hangs blocks no other.

    A camera that delivers nothing is said to be away and tried again, each time after a longer while with some chance
    in it, two seconds at most. Anything else that goes wrong ends the thread and stands in `failure`.
    """

    def __init__(self, name: str, source: Source, see: Callable[[Frame], None], away: Callable[[str], None]) -> None:
        """Nothing runs yet. Args: see takes each picture; away takes why there are none."""
        super().__init__(name=f"camera-{name}", daemon=True)
        self._source, self._see, self._away = source, see, away
        self._stopping = threading.Event()
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

    def _run(self) -> None:
        wait_s = FIRST_WAIT_S
        while not self._stopping.is_set():
            try:
                for frame in self._source.frames(self._stopping):
                    wait_s = FIRST_WAIT_S
                    self._see(frame)
            except ClipEnded as ended:
                self._away(str(ended))
                return
            except (SourceError, cv2.error) as error:
                self._away(str(error))
            self._stopping.wait(wait_s * random.uniform(0.8, 1.2))  # noqa: S311 (spreads retries, protects nothing)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)
