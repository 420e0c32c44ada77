"""What is known of a camera's view at one time: its health and its empty counter, which later pictures build on."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import cv2
import numpy as np

from video.engine import FaceEngine, Image
from video.health import CHECK_SIZE, CameraHealth, HealthReport
from video.messages import CameraState
from video.presence import CounterBackground
from video.settings import CameraSettings
from video.zone_faces import faces_by_zone


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What one picture shows without a face engine; `foreground` is None while the empty counter is not known.

    A repeated picture is `frozen` at once, though the camera is said to be only after seconds: no swipe is judged by
    looking at one picture many times.
    """

    state: CameraState
    foreground: bool | None
    report: HealthReport


class Judgement:
    """Judges the pictures of one camera in the order of their times."""

    def __init__(self, settings: CameraSettings, engine: FaceEngine) -> None:
        """Nothing has been seen yet."""
        self._settings, self._engine = settings, engine
        self._health, self._background = CameraHealth(), CounterBackground(settings.zone)
        self._last_at_ms = 0
        self.last_raw_ms: int | None = None
        self.size: tuple[int, int] | None = None
        self.saw_face = False

    def judge(self, image: Image, raw_at_ms: int) -> Judged:
        """Returns what a picture shows, and remembers it; one from before the last is taken for one of its time."""
        at_ms = self._last_at_ms = max(raw_at_ms + self._settings.clock_offset_ms, self._last_at_ms)
        self.last_raw_ms, self.size = raw_at_ms, (image.shape[1], image.shape[0])
        small = np.asarray(cv2.resize(image, CHECK_SIZE, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        report = self._health.judge(small, at_ms)
        state: CameraState = "frozen" if report.repeated and report.state == "ok" else report.state
        foreground = None
        if state == "ok":
            seen = self._background.see(small, at_ms, lambda: self._shows_face(image))
            foreground = seen.present if seen.known else None
        return Judged(state=state, foreground=foreground, report=report)

    @property
    def knows_counter(self) -> bool:
        """Whether the empty counter is known; until then more pictures than at rest are wanted."""
        return not self._background.wants_pictures

    def fork(self) -> Judgement:
        """Returns one of its own that goes on from here."""
        return copy.deepcopy(self, {id(self._engine): self._engine})

    def _shows_face(self, image: Image) -> bool:
        self.saw_face = bool(faces_by_zone(self._engine, image, self._settings.zone)[0])
        return self.saw_face
