"""One camera as the worker knows it: its recent pictures, its health, and whether somebody is at its counter."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np

from video.engine import DetectedFace, FaceEngine, Image
from video.health import CHECK_SIZE, CameraHealth
from video.messages import CameraState, CameraStateChanged
from video.presence import CounterBackground, in_zone
from video.settings import CameraSettings
from video.sources import Frame

JPEG_QUALITY = 92
STEADY_PICTURES = 3
"""So many pictures in a row must agree before a camera's state is said to have changed."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One remembered picture: till time, camera time, the slot it stands for, and what was seen without a face engine.

    `foreground` is None while the empty counter is not known yet. A repeated picture is `frozen` at once, though the
    camera is said to be only after seconds: no swipe is judged by looking at one picture many times.
    """

    at_ms: int
    raw_at_ms: int
    slot: int
    jpeg: bytes
    state: CameraState
    foreground: bool | None
    size: tuple[int, int]

    def image(self) -> Image:
        """Returns the picture."""
        return np.asarray(cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_COLOR), dtype=np.uint8)


class Camera:
    """The last seconds of one camera; a reader thread fills it, the worker reads it."""

    def __init__(self, settings: CameraSettings, engine: FaceEngine, *, slot_ms: int, ring_ms: int) -> None:
        """Nothing has been seen; the camera is neither well nor away until a picture or a failure comes."""
        self.settings = settings
        self._engine, self._slot_ms, self._ring_ms = engine, slot_ms, ring_ms
        self._health, self._background = CameraHealth(), CounterBackground(settings.zone)
        self._lock = threading.Lock()
        self._ring: deque[Sample] = deque()
        self._state: CameraState | None = None
        self._recent: deque[CameraState] = deque(maxlen=STEADY_PICTURES)
        self._changes: list[CameraStateChanged] = []

    def see(self, frame: Frame) -> None:
        """Afterwards the picture is remembered with its health and foreground; older ones than the ring are gone."""
        at_ms = frame.raw_at_ms + self.settings.clock_offset_ms
        small = np.asarray(cv2.resize(frame.image, CHECK_SIZE, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        report = self._health.judge(small, at_ms)
        state: CameraState = "frozen" if report.repeated and report.state == "ok" else report.state
        foreground = None
        if state == "ok":
            seen = self._background.see(small, at_ms, lambda: bool(self.faces_in_zone(frame.image)))
            foreground = seen.present if seen.known else None
        _, jpeg = cv2.imencode(".jpg", frame.image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        sample = Sample(
            at_ms=at_ms,
            raw_at_ms=frame.raw_at_ms,
            slot=frame.raw_at_ms // self._slot_ms,
            jpeg=jpeg.tobytes(),
            state=state,
            foreground=foreground,
            size=(frame.image.shape[1], frame.image.shape[0]),
        )
        with self._lock:
            self._remember(sample)
            self._count_towards(report.state, report.detail, at_ms)

    def away(self, detail: str, at_ms: int) -> None:
        """Afterwards the camera is offline, if it was not already."""
        with self._lock:
            self._recent.clear()
            self._change("offline", detail, at_ms)

    def faces_in_zone(self, image: Image) -> list[DetectedFace]:
        """Returns the faces whose middle lies in the counter zone, largest first."""
        return self.faces_by_zone(image)[0]

    def faces_by_zone(self, image: Image) -> tuple[list[DetectedFace], list[DetectedFace]]:
        """Returns the faces whose middle lies in the counter zone, and all others; of each the largest first."""
        height, width = image.shape[:2]
        zone = self.settings.zone
        found = [(face, in_zone(_middle(face, width, height), zone)) for face in self._engine.detect(image)]
        return [face for face, inside in found if inside], [face for face, inside in found if not inside]

    def samples(self, first_ms: int, last_ms: int) -> list[Sample]:
        """Returns the remembered pictures of a span of till time, both ends inside, in time order."""
        with self._lock:
            return [sample for sample in self._ring if first_ms <= sample.at_ms <= last_ms]

    @property
    def latest_at_ms(self) -> int | None:
        """Till time of the latest picture; None before the first."""
        with self._lock:
            return self._ring[-1].at_ms if self._ring else None

    @property
    def state(self) -> CameraState | None:
        """What was last said of the camera; None before anything was."""
        with self._lock:
            return self._state

    def take_changes(self) -> list[CameraStateChanged]:
        """Returns each change of state once."""
        with self._lock:
            changes, self._changes = self._changes, []
            return changes

    def _remember(self, sample: Sample) -> None:
        self._ring.append(sample)
        while self._ring and self._ring[0].at_ms < sample.at_ms - self._ring_ms:
            self._ring.popleft()

    def _count_towards(self, state: CameraState, detail: str, at_ms: int) -> None:
        """Says a change once three pictures in a row agree; the first picture after nothing or `offline` at once."""
        self._recent.append(state)
        steady = len(self._recent) == STEADY_PICTURES and len(set(self._recent)) == 1
        if steady or self._state in (None, "offline"):
            self._change(state, detail, at_ms)

    def _change(self, state: CameraState, detail: str, at_ms: int) -> None:
        if self._state == state:
            return
        self._state = state
        self._changes.append(
            CameraStateChanged(camera_id=self.settings.camera_id, state=state, detail=detail, at_ms=at_ms)
        )


def _middle(face: DetectedFace, width: int, height: int) -> tuple[float, float]:
    left, top, right, bottom = face.box
    return (left + right) / 2 / width, (top + bottom) / 2 / height
