"""Whether somebody stands at the counter: foreground against the empty place, light and shadows taken out.

The empty place is learnt from three seconds of pictures without a face in which nothing moves in the zone, and follows
the light only while nobody is there; so who stands still is never absorbed, for nobody stands as still as a box. What
starts with somebody who shows no face and does not stir for three seconds is learnt with them in it; when they leave,
their place counts as foreground, so that "somebody" is said too often until the half hour below is over. What was put
down becomes background when it has not moved by more than a sensor's noise for half an hour, and shows no face.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from video.engine import Image
from video.light import is_overexposed, is_shade, lit_as

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

MODEL_SIZE = (160, 90)
LEARN_MS = 3_000
LEARN_PICTURES = 10
LEARN_PATIENCE_MS = 600_000
"""Time after which movement in the zone is taken for the place's own and no longer waited for."""
REST_MS = 2_000
ABSORB_MS = 1_800_000
ABSORB_PICTURES = 30
FOLLOW_MS = 30_000
"""Time in which the background follows the light by two thirds while nobody is there."""
LONGEST_STEP_MS = 10_000
LEAST_DIFFERENCE = 12.0
"""Grey levels by which a pixel must differ, and sigmas of its own noise."""
NOISE_SIGMAS = 5.0
SOLID_PX = 5
"""What is thinner than this, of 160 across, is the edge of a shadow, a sway of the mount or noise."""
PRESENT_RATIO = 0.015
"""Part of the zone that must differ: a tenth of what one person covers."""
EMPTY_RATIO = 0.005
INSIDE_SHARE = 0.35
"""Share of a thing that must lie in the zone: a door beside it, or who passes by, reaches in with less."""
LARGE_RATIO = 0.12
"""Part of the zone from which a thing counts however much of it lies outside: people who stand close together."""
STIRRED_SHARE = 0.02
"""Share of the foreground's pixels that must differ from how they were for it to have moved."""


@dataclass(frozen=True, kw_only=True)
class Foreground:
    """What differs from the empty place; `known` is false while the empty place is still being learnt."""

    known: bool
    ratio: float
    present: bool


@dataclass(frozen=True, kw_only=True)
class _Empty:
    """The empty place, and by how many grey levels each of its pixels must differ."""

    mean: Floats
    limit: Floats


@dataclass
class _Still:
    """Foreground that has not moved: since when, how often it was seen, where it is and how it looked."""

    since_ms: int
    pictures: int
    mask: Mask
    small: Floats


class CounterBackground:
    """The empty counter of one camera, learnt and kept up to date."""

    def __init__(self, zone: Sequence[tuple[float, float]] | None = None) -> None:
        """Nothing is known yet. Args: zone is a polygon in 0..1 of width and height, None the whole picture."""
        self._zone = zone_mask(zone, MODEL_SIZE)
        self._learning: list[tuple[int, Floats]] = []
        self._empty: _Empty | None = None
        self._still: _Still | None = None
        self._last_ms = 0
        self._rests_until_ms = 0
        self._stirring_since_ms: int | None = None

    @property
    def wants_pictures(self) -> bool:
        """Whether the empty counter is not known, so that some pictures a second would tell it sooner."""
        return self._empty is None

    def see(self, frame: Image, at_ms: int, shows_face: Callable[[], bool]) -> Foreground:
        """Returns the foreground of a picture, and learns from it.

        Args: at_ms is the picture's time; shows_face is asked only while learning and before something is absorbed.
        """
        small = np.asarray(cv2.resize(frame, MODEL_SIZE, interpolation=cv2.INTER_AREA), dtype=np.float32)
        elapsed_ms, self._last_ms = at_ms - self._last_ms, at_ms
        empty = self._empty
        if empty is None:
            self._learn(small, at_ms, shows_face)
            return Foreground(known=False, ratio=0.0, present=False)
        expected = lit_as(small, empty.mean)
        solid = solid_change(small, expected, empty)
        mask = self._counted(solid)
        ratio = self._ratio(mask)
        present = ratio >= PRESENT_RATIO
        if ratio < EMPTY_RATIO:
            towards = np.where(solid[:, :, None], np.clip(expected, 0, 255), small)
            self._empty = _followed(empty, np.asarray(towards, dtype=np.float32), elapsed_ms)
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
        pictures = [picture for _, picture in self._learning]
        empty = _empty_of(pictures)
        self._stirring_since_ms = self._stirring_since_ms or at_ms
        if at_ms - self._stirring_since_ms < LEARN_PATIENCE_MS and self._stirs(pictures, empty.mean):
            del self._learning[: len(self._learning) // 2]
            return
        self._empty, self._learning = empty, []

    def _stirs(self, pictures: Sequence[Floats], mean: Floats) -> bool:
        """Returns whether anything moved; a screen or a fan does for ever, so this is not asked for ever."""
        quiet = _Empty(mean=mean, limit=np.full_like(mean, LEAST_DIFFERENCE))
        changes = (_unexplained(picture, lit_as(picture, mean), quiet) for picture in pictures)
        return any(self._ratio(change & self._zone) >= EMPTY_RATIO for change in changes)

    def _counted(self, solid: Mask) -> Mask:
        """Returns what of the change lies in the zone and belongs to something that stands there."""
        if self._zone.all() or not (solid & self._zone).any():
            return solid & self._zone
        count, labels = cv2.connectedComponents(solid.astype(np.uint8))
        everywhere = np.bincount(labels.ravel(), minlength=count)
        inside = np.bincount(labels[self._zone], minlength=count)
        stands = (inside >= INSIDE_SHARE * everywhere) | (inside >= LARGE_RATIO * self._zone.sum())
        stands[0] = False
        return np.asarray(stands[labels], dtype=np.bool_) & self._zone

    def _ratio(self, mask: Mask) -> float:
        return float(mask.sum()) / float(self._zone.sum())

    def _absorb_if_still(self, small: Floats, mask: Mask | None, at_ms: int, shows_face: Callable[[], bool]) -> None:
        """Takes the foreground for a thing when it has not stirred for half an hour and shows no face."""
        if mask is None or self._empty is None:
            self._still = None
            return
        still = self._still
        if still is None or _has_stirred(still, small, mask, self._empty.limit):
            self._still = _Still(since_ms=at_ms, pictures=1, mask=mask, small=small)
            return
        still.pictures += 1
        if at_ms - still.since_ms < ABSORB_MS or still.pictures < ABSORB_PICTURES:
            return
        self._still = None
        if not shows_face():
            mean = np.where(cv2.dilate(mask.astype(np.uint8), _solid_kernel())[:, :, None] > 0, small, self._empty.mean)
            self._empty = _Empty(mean=mean.astype(np.float32), limit=self._empty.limit)


def solid_change(small: Floats, expected: Floats, empty: _Empty) -> Mask:
    """Returns where something stands: pixels that differ by more than noise, that no light explains, and not thin."""
    change = _unexplained(small, expected, empty).astype(np.uint8)
    return np.asarray(cv2.morphologyEx(change, cv2.MORPH_OPEN, _solid_kernel())) > 0


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


def _empty_of(pictures: Sequence[Floats]) -> _Empty:
    stack = np.stack(pictures)
    mean = np.median(stack, axis=0).astype(np.float32)
    spread = np.median(np.abs(stack - mean), axis=0) * np.float32(1.4826)
    return _Empty(mean=mean, limit=np.maximum(NOISE_SIGMAS * spread, LEAST_DIFFERENCE).astype(np.float32))


def _unexplained(small: Floats, expected: Floats, empty: _Empty) -> Mask:
    brighter = np.maximum(expected.max(axis=2) / np.maximum(empty.mean.max(axis=2), 1), 1)[:, :, None]
    differs = np.asarray((cv2.absdiff(small, expected) > empty.limit * brighter).any(axis=2), dtype=np.bool_)
    if not differs.any():
        return differs
    return differs & ~is_overexposed(small, expected) & ~is_shade(small, expected)


def _followed(empty: _Empty, towards: Floats, elapsed_ms: int) -> _Empty:
    share = np.float32(1 - np.exp(-min(elapsed_ms, LONGEST_STEP_MS) / FOLLOW_MS))
    return _Empty(mean=(empty.mean + share * (towards - empty.mean)).astype(np.float32), limit=empty.limit)


def _has_stirred(still: _Still, small: Floats, mask: Mask, limit: Floats) -> bool:
    """Returns whether the foreground moved; a change of light alone is no movement."""
    either = mask | still.mask
    now = lit_as(small, still.small)
    changed = np.asarray((cv2.absdiff(small, now) > limit).any(axis=2))
    return float(changed[either].mean()) >= STIRRED_SHARE


def _solid_kernel() -> npt.NDArray[np.uint8]:
    return np.ones((SOLID_PX, SOLID_PX), np.uint8)
