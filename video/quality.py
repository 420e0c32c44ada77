"""How much a face in a picture is worth: 0..1 by size, sharpness, light and pose, and what makes it unusable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from video.engine import DetectedFace, Image
from video.occlusion import is_covered

Problem = Literal["too_small", "too_dark", "too_bright", "blurred", "turned_away", "cut_off", "covered"]

DARKEST, DIM, BRIGHT, BRIGHTEST = 35.0, 70.0, 205.0, 240.0
"""Mean grey of a face: unusable below the first and above the last, at its best between the middle two."""
FLATTEST = 8.0
"""Standard deviation of grey below which a face is taken for too dark to tell."""
BLURRED, SHARP = 0.06, 0.22
"""Energy of edges against contrast: unusable below the first, at its best from the second on."""
TURNED, FRONTAL = 0.75, 0.25
"""How far the nose is off the middle between the eyes, in half eye distances: unusable above the first."""
FULL_SIZE_PX = 112.0
"""Width from which more pixels help no more: the engine's own input."""
CUT_OFF_RATIO = 0.2
"""Part of the box outside the picture from which a face is cut off."""
NOISE_BLUR_SIGMA = 0.8
LEAST_CROP_PX = 4
LEAST_AT_GATE = 0.3
"""What a property contributes when it just passes its gate."""


@dataclass(frozen=True, kw_only=True)
class FaceQuality:
    """Score 0..1, and the problems that make a comparison meaningless; with a problem the score is below 0.3."""

    score: float
    problems: tuple[Problem, ...]

    @property
    def usable(self) -> bool:
        """Whether a comparison of this face may vote."""
        return not self.problems


def judge_face(frame: Image, face: DetectedFace, min_face_px: float = 40.0) -> FaceQuality:
    """Returns what the face is worth; a face of exactly min_face_px is not too small.

    Source: docs/decisions/0003-face-engine.md: at 20 px 39 % of comparisons miss, in the dark 51 %.
    """
    outside = _outside_ratio(frame, face)
    grey = _grey_crop(frame, face)
    if outside > CUT_OFF_RATIO or grey is None:
        return FaceQuality(score=0.0, problems=("cut_off",))
    light, contrast = float(grey.mean()), float(grey.std())
    sharpness, turn = _sharpness(grey, contrast), _turn(face)
    checks: list[tuple[Problem, bool]] = [
        ("too_small", face.width_px < min_face_px),
        ("too_dark", light < DARKEST or contrast < FLATTEST),
        ("too_bright", light > BRIGHTEST),
        ("blurred", sharpness < BLURRED),
        ("turned_away", turn > TURNED),
    ]
    if not any(holds for _, holds in checks):  # what hides a face is told on a picture that shows one
        checks.append(("covered", is_covered(frame, face)))
    problems = tuple(name for name, holds in checks if holds)
    parts = [
        _part(face.width_px, min_face_px, FULL_SIZE_PX),
        _part(sharpness, BLURRED, SHARP),
        min(_part(light, DARKEST, DIM), _part(-light, -BRIGHTEST, -BRIGHT)),
        _part(-turn, -TURNED, -FRONTAL),
    ]
    score = float(np.prod(parts) ** 0.5)
    return FaceQuality(score=round(min(score, 0.29) if problems else score, 4), problems=problems)


def _part(value: float, gate: float, best: float) -> float:
    """Returns 0.3 at the gate, 1 from the best on, in proportion between, less below the gate."""
    along = (value - gate) / (best - gate)
    return float(np.clip(LEAST_AT_GATE + (1 - LEAST_AT_GATE) * along, 0.02, 1.0))


def _outside_ratio(frame: Image, face: DetectedFace) -> float:
    left, top, right, bottom = face.box
    inside_width = max(min(right, frame.shape[1]) - max(left, 0), 0)
    inside_height = max(min(bottom, frame.shape[0]) - max(top, 0), 0)
    return 1 - float(inside_width * inside_height) / max((right - left) * (bottom - top), 1e-6)


def _grey_crop(frame: Image, face: DetectedFace) -> npt.NDArray[np.float32] | None:
    """Returns the middle of the face, without hair and background, at most 112 pixels wide."""
    left, top, right, bottom = face.box
    inset_x, inset_y = (right - left) * 0.1, (bottom - top) * 0.12
    x0, x1 = round(max(left + inset_x, 0)), round(min(right - inset_x, frame.shape[1]))
    y0, y1 = round(max(top + inset_y, 0)), round(min(bottom - inset_y, frame.shape[0]))
    if min(x1 - x0, y1 - y0) < LEAST_CROP_PX:
        return None
    grey = cv2.cvtColor(frame[y0:y1, x0:x1], cv2.COLOR_BGR2GRAY)
    shrink = min(FULL_SIZE_PX / face.width_px, 1.0)
    if shrink < 1.0:
        grey = cv2.resize(grey, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    return np.asarray(grey, dtype=np.float32)


def _sharpness(grey: npt.NDArray[np.float32], contrast: float) -> float:
    """Returns the edges' strength against the contrast; smoothed first, or sensor noise would pass for detail."""
    smooth = cv2.GaussianBlur(grey, (0, 0), NOISE_BLUR_SIGMA)
    edges = float(cv2.Laplacian(smooth, cv2.CV_32F).std())
    return edges / max(contrast, 1e-6)


def _turn(face: DetectedFace) -> float:
    """Returns 0 for a nose midway between the eyes, 1 for one below an eye; along the line of the eyes."""
    left_eye, right_eye, nose = (np.array(point) for point in face.landmarks[:3])
    across = right_eye - left_eye
    length = float(np.linalg.norm(across))
    if length < 1.0:
        return 1.0
    off = float(np.dot(nose - (left_eye + right_eye) / 2, across)) / length
    return abs(off) / (length / 2)
