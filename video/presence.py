"""Whether somebody stands at the counter: foreground against the empty place.

The background is learnt from three seconds of pictures without a face, and follows the light only while nobody is
there; so a person who stands still is never absorbed. What starts: a clip that begins with a face is learnt once the
face has gone. A clip that begins with somebody who shows no face is learnt with them in it; when they leave, their
place counts as foreground, so that "somebody" is said too often, never "nobody", until the five minutes below are over.
What was put down and does not move for five minutes, and shows no face, becomes background.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from video.engine import Image

Floats = npt.NDArray[np.float32]

MODEL_SIZE = (160, 90)
LEARN_MS = 3_000
LEARN_PICTURES = 10
REST_MS = 2_000
ABSORB_MS = 300_000
FOLLOW_MS = 30_000
"""Time in which the background follows the light by two thirds while nobody is there."""
LEAST_DIFFERENCE = 12.0
"""Grey levels by which a pixel must differ, and sigmas of its own noise."""
NOISE_SIGMAS = 5.0
PRESENT_RATIO = 0.015
"""Part of the zone that must differ: a tenth of what one person covers."""
EMPTY_RATIO = 0.005
MOVED_LEVELS = 3.0
"""Mean change of the foreground's pixels from which it has moved."""
GAIN_RANGE = (0.6, 1.6)


@dataclass(frozen=True, kw_only=True)
class Foreground:
    """What differs from the empty place; `known` is false while the empty place is still being learnt."""

    known: bool
    ratio: float
    present: bool


class CounterBackground:
    """The empty counter of one camera, learnt and kept up to date."""

    def __init__(self, zone: Sequence[tuple[float, float]] | None = None) -> None:
        """Nothing is known yet. Args: zone is a polygon in 0..1 of width and height, None the whole picture."""
        self._zone = zone_mask(zone, MODEL_SIZE)
        self._learning: list[tuple[int, Floats]] = []
        self._mean: Floats | None = None
        self._limit: Floats | None = None
        self._still: tuple[int, Floats] | None = None
        self._last_ms = 0
        self._rests_until_ms = 0

    def see(self, frame: Image, at_ms: int, shows_face: Callable[[], bool]) -> Foreground:
        """Returns the foreground of a picture, and learns from it.

        Args: at_ms is the picture's time; shows_face is asked only while learning and before something is absorbed.
        """
        small = np.asarray(cv2.resize(frame, MODEL_SIZE, interpolation=cv2.INTER_AREA), dtype=np.float32)
        elapsed, self._last_ms = at_ms - self._last_ms, at_ms
        if self._mean is None or self._limit is None:
            self._learn(small, at_ms, shows_face)
            return Foreground(known=False, ratio=0.0, present=False)
        mask = self._differs(small, self._mean, self._limit)
        ratio = float(mask.sum()) / float(self._zone.sum())
        if ratio < EMPTY_RATIO:
            share = np.float32(1 - np.exp(-min(elapsed, 1_000) / FOLLOW_MS))
            self._mean = self._mean + share * (small - self._mean)
        present = ratio >= PRESENT_RATIO
        self._absorb_if_still(small, mask if present else None, at_ms, shows_face)
        return Foreground(known=True, ratio=ratio, present=present)

    def _learn(self, small: Floats, at_ms: int, shows_face: Callable[[], bool]) -> None:
        """Collects pictures without a face; after one with a face it rests, or a busy counter would keep it looking."""
        if at_ms < self._rests_until_ms:
            return
        if shows_face():
            self._learning, self._rests_until_ms = [], at_ms + REST_MS
            return
        self._learning.append((at_ms, small))
        if at_ms - self._learning[0][0] < LEARN_MS or len(self._learning) < LEARN_PICTURES:
            return
        pictures = np.stack([picture for _, picture in self._learning])
        self._mean = np.median(pictures, axis=0).astype(np.float32)
        spread = np.median(np.abs(pictures - self._mean), axis=0) * np.float32(1.4826)
        self._limit = np.maximum(NOISE_SIGMAS * spread, LEAST_DIFFERENCE).astype(np.float32)
        self._learning = []

    def _differs(self, small: Floats, mean: Floats, limit: Floats) -> npt.NDArray[np.bool_]:
        """Returns the zone's pixels that are foreground; a change of the whole picture's light is taken out first."""
        gain = float(np.clip(np.median((mean[::2, ::2, 1] + 1) / (small[::2, ::2, 1] + 1)), *GAIN_RANGE))
        difference = cv2.absdiff(small * np.float32(gain), mean)
        blue, green, red = cv2.split(cv2.compare(difference, limit, cv2.CMP_GT))
        different = cv2.bitwise_or(cv2.bitwise_or(blue, green), red)
        opened = cv2.morphologyEx(different, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        return (np.asarray(opened) > 0) & self._zone

    def _absorb_if_still(
        self, small: Floats, mask: npt.NDArray[np.bool_] | None, at_ms: int, shows_face: Callable[[], bool]
    ) -> None:
        """Forgets the background when the foreground has not moved for five minutes and shows no face."""
        if mask is None:
            self._still = None
            return
        if self._still is None or float(np.abs(small - self._still[1])[mask].mean()) > MOVED_LEVELS:
            self._still = (at_ms, small)
            return
        if at_ms - self._still[0] < ABSORB_MS:
            return
        self._still = (at_ms, small)
        if not shows_face():
            self._mean = self._limit = None


def zone_mask(zone: Sequence[tuple[float, float]] | None, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Returns which pixels of a picture of size (width, height) lie in the zone; None is all of them."""
    width, height = size
    if zone is None:
        return np.ones((height, width), dtype=np.bool_)
    mask = np.zeros((height, width), np.uint8)
    corners = np.array([(x * width, y * height) for x, y in zone], dtype=np.int32)
    cv2.fillPoly(mask, [corners], (1,))
    return mask > 0


def in_zone(point: tuple[float, float], zone: Sequence[tuple[float, float]] | None) -> bool:
    """Returns whether a point, in 0..1 of width and height, lies in the zone; on its edge counts as inside."""
    if zone is None:
        return True
    corners = np.array(zone, dtype=np.float32)
    return cv2.pointPolygonTest(corners, point, measureDist=False) >= 0
