"""Whether a camera can be believed: each picture judged against the camera's own history.

A camera is compared with itself, never with an ideal: what is usual of its light, and which edges stand where. A person
hides some edges, a lamp scales them all, so neither looks like a camera that was turned or lost its focus. Nothing
here counts on a rate of pictures: what is remembered is remembered by number, at least some seconds apart.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from video.engine import Image
from video.structure import Structure, StructureReference

Health = Literal["ok", "dark", "covered", "defocused", "moved", "frozen"]
Grey = npt.NDArray[np.uint8]

CHECK_SIZE = (320, 180)
DARKEST_LIGHT = 18.0
"""Mean grey below which a picture is dark whatever the camera is used to."""
DARK_SHARE = 0.3
FLATTEST_CONTRAST = 6.0
"""Standard deviation of grey below which a picture shows nothing: a hand, tape or a coat before the lens."""
SAME_PICTURE = 0.02
"""Mean difference of grey up to which two pictures are the same; a living sensor's noise is well above it."""
FROZEN_MS = 3_000
FROZEN_PICTURES = 3
"""So many pictures must be the same: two may be when the source was asked for more than it has."""
LIGHTS_REMEMBERED = 120
LIGHT_STEP_MS = 5_000
LEAST_LIGHTS = 5


@dataclass(frozen=True, kw_only=True)
class HealthReport:
    """What one picture says of its camera; `detail` is the measure that says so.

    A repeated picture is the one before once more: it shows nothing new.
    """

    state: Health
    detail: str = ""
    repeated: bool = False


class CameraHealth:
    """Judges a camera's pictures one after another, however far apart they come."""

    def __init__(self) -> None:
        self._lights: deque[float] = deque(maxlen=LIGHTS_REMEMBERED)
        self._light_at_ms: int | None = None
        self._reference = StructureReference()
        self._last: Grey | None = None
        self._new_at_ms = 0
        self._same_pictures = 1

    def judge(self, frame: Image, at_ms: int) -> HealthReport:
        """Returns whether this picture can be believed.

        Everything but `frozen` is said of the one picture; `frozen` needs three that are the same over three seconds.
        `moved`, `defocused` and most of `covered` need a reference, which a minute of good pictures makes.

        Args: at_ms is the picture's time; times don't go back.
        """
        small = cv2.resize(frame, CHECK_SIZE, interpolation=cv2.INTER_AREA)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
        repeated = self._is_repeated(grey, at_ms)
        state, detail = self._state_of(grey, at_ms, repeated=repeated)
        return HealthReport(state=state, detail=detail, repeated=repeated)

    def _state_of(self, grey: Grey, at_ms: int, *, repeated: bool) -> tuple[Health, str]:
        mean, spread = cv2.meanStdDev(grey)
        light, contrast = float(mean[0][0]), float(spread[0][0])
        usual = float(np.median(self._lights)) if len(self._lights) >= LEAST_LIGHTS else None
        if light < DARKEST_LIGHT:
            return "dark", f"mean grey {light:.0f} of 255"
        self._remember_light(light, at_ms)
        if usual is not None and light < DARK_SHARE * usual:
            return "dark", f"mean grey {light:.0f}, usually {usual:.0f}"
        if contrast < FLATTEST_CONTRAST:
            return "covered", f"contrast {contrast:.1f} grey levels"
        structure = Structure(grey, light)
        change = self._reference.compare(structure)
        if change is not None and change.kind is not None:
            return change.kind, change.detail
        same_ms = at_ms - self._new_at_ms
        if self._same_pictures >= FROZEN_PICTURES and same_ms >= FROZEN_MS:
            return "frozen", f"the same picture {self._same_pictures} times in {same_ms / 1000:.0f} s"
        if not repeated:
            self._reference.remember(structure, at_ms)
        return "ok", ""

    def _is_repeated(self, grey: Grey, at_ms: int) -> bool:
        last, self._last = self._last, grey
        repeated = last is not None and cv2.mean(cv2.absdiff(last, grey))[0] <= SAME_PICTURE
        if repeated:
            self._same_pictures += 1
        else:
            self._new_at_ms, self._same_pictures = at_ms, 1
        return repeated

    def _remember_light(self, light: float, at_ms: int) -> None:
        """Keeps every picture until there are enough, then one in five seconds; a lasting change becomes usual."""
        at = self._light_at_ms
        if at is not None and at_ms - at < LIGHT_STEP_MS and len(self._lights) >= LEAST_LIGHTS:
            return
        self._light_at_ms = at_ms
        self._lights.append(light)
