"""Whether a camera can be believed: dark, covered and frozen pictures, judged against the camera's own history."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from video.engine import Image

Health = Literal["ok", "dark", "covered", "frozen"]
Grey = npt.NDArray[np.uint8]

CHECK_SIZE = (320, 180)
DARKEST_LIGHT = 18.0
"""Mean grey below which a picture is dark whatever the camera is used to."""
DARK_SHARE = 0.3
FLATTEST_CONTRAST = 6.0
"""Standard deviation of grey below which a picture shows nothing: a hand, tape or a coat before the lens."""
COVERED_SHARE = 0.25
SAME_PICTURE = 0.02
"""Mean difference of grey up to which two pictures are the same; a living sensor's noise is well above it."""
FROZEN_MS = 3_000
HISTORY_LENGTH = 240
HISTORY_STEP_MS = 5_000
LEAST_HISTORY = 5


@dataclass(frozen=True, kw_only=True)
class HealthReport:
    """What one picture says of its camera. A repeated picture is the one before once more: it shows nothing new."""

    state: Health
    detail: str = ""
    repeated: bool = False


class CameraHealth:
    """Judges a camera's pictures one after another; remembers twenty minutes of light and detail."""

    def __init__(self) -> None:
        self._light: deque[float] = deque(maxlen=HISTORY_LENGTH)
        self._detail: deque[float] = deque(maxlen=HISTORY_LENGTH)
        self._remembered_at_ms: int | None = None
        self._last: Grey | None = None
        self._new_at_ms = 0

    def judge(self, frame: Image, at_ms: int) -> HealthReport:
        """Returns whether this picture can be believed.

        Dark and covered are said of the one picture; frozen needs three seconds without a new one.

        Args: at_ms is the picture's time; times don't go back.
        """
        small = cv2.resize(frame, CHECK_SIZE, interpolation=cv2.INTER_AREA)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
        light, contrast = _mean_and_spread(grey)
        detail = _detail(grey)
        repeated = self._is_repeated(grey, at_ms)
        if self._is_dark(light):
            return HealthReport(state="dark", detail=f"mean grey {light:.0f} of 255", repeated=repeated)
        if self._is_covered(contrast, detail):
            return HealthReport(state="covered", detail=f"contrast {contrast:.1f}", repeated=repeated)
        if at_ms - self._new_at_ms >= FROZEN_MS:
            seconds = (at_ms - self._new_at_ms) / 1000
            return HealthReport(state="frozen", detail=f"the same picture for {seconds:.0f} s", repeated=repeated)
        if not repeated:
            self._remember(light, detail, at_ms)
        return HealthReport(state="ok", repeated=repeated)

    def _is_dark(self, light: float) -> bool:
        usual = self._usual(self._light)
        return light < DARKEST_LIGHT or (usual is not None and light < DARK_SHARE * usual)

    def _is_covered(self, contrast: float, detail: float) -> bool:
        usual = self._usual(self._detail)
        return contrast < FLATTEST_CONTRAST or (usual is not None and detail < COVERED_SHARE * usual)

    def _usual(self, history: deque[float]) -> float | None:
        return float(np.median(history)) if len(history) >= LEAST_HISTORY else None

    def _is_repeated(self, grey: Grey, at_ms: int) -> bool:
        last, self._last = self._last, grey
        repeated = last is not None and cv2.mean(cv2.absdiff(last, grey))[0] <= SAME_PICTURE
        if not repeated:
            self._new_at_ms = at_ms
        return repeated

    def _remember(self, light: float, detail: float, at_ms: int) -> None:
        """Keeps every picture until there are enough, then one in five seconds."""
        at = self._remembered_at_ms
        if at is not None and at_ms - at < HISTORY_STEP_MS and len(self._light) >= LEAST_HISTORY:
            return
        self._remembered_at_ms = at_ms
        self._light.append(light)
        self._detail.append(detail)


def _detail(grey: Grey) -> float:
    """Returns the strength of edges, smoothed first so that noise does not count."""
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.2)
    return _mean_and_spread(np.asarray(cv2.Laplacian(smooth, cv2.CV_32F), dtype=np.float32))[1]


def _mean_and_spread(values: npt.NDArray[np.uint8] | npt.NDArray[np.float32]) -> tuple[float, float]:
    mean, spread = cv2.meanStdDev(values)
    return float(mean[0][0]), float(spread[0][0])
