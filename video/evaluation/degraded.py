"""Pictures made worse in known ways: farther, darker, masked; each time another camera picture of one photograph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from video.engine import DetectedFace, Image

Point = tuple[float, float]

NOISE_GREY = 3.0
"""Standard deviation of the noise of a sensor, in steps of 256."""
JPEG_QUALITY = 92
SWAY_DEGREES, SWAY_RATIO, SWAY_SCALE = 1.5, 0.02, 0.02
"""Standard deviations of how a head turns, moves (in face widths) and nears from one picture to the next."""
FLICKER = 0.04
WIDTHS_PX = (95, 48, 32, 20)
FACE_GREYS = (60, 40, 25, 12)
"""Mean grey of a face, 0..255, at the four levels of darkness."""
MASK_COLOURS = {"blue": (215, 185, 150), "white": (228, 230, 230), "black": (32, 30, 30)}
"""Blue, green, red of masks as they are sold."""
LENS_COLOUR = (28, 22, 20)


@dataclass(frozen=True, kw_only=True)
class Degrading:
    """One way to make pictures worse: its name, and what it does to a photograph before the camera takes it."""

    name: str
    width_px: float | None = None
    face_grey: float | None = None
    cover: Callable[[Image, DetectedFace], Image] | None = None

    def take(self, photograph: Image, face: DetectedFace, chance: np.random.Generator) -> Image:
        """Returns one picture that a camera takes of the photograph; the next one differs as a moment later would."""
        picture = photograph if self.cover is None else self.cover(photograph, face)
        scale = 1.0 if self.width_px is None else self.width_px / face.width_px
        picture = _sway(picture, face, scale, chance)
        light = 1.0 + float(chance.normal(0, FLICKER))
        if self.face_grey is not None:
            light *= self.face_grey / max(_mean_grey(photograph, face), 1.0)
        seen = picture.astype(np.float32) * light + chance.normal(0, NOISE_GREY, picture.shape)
        _, jpeg = cv2.imencode(".jpg", np.clip(seen, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), dtype=np.uint8)


def degradings() -> tuple[Degrading, ...]:
    """Returns the ways that are measured: as it is, four widths, four levels of darkness, masks and sunglasses."""
    return (
        Degrading(name="plain"),
        *(Degrading(name=f"{width} px", width_px=width) for width in WIDTHS_PX),
        *(Degrading(name=f"grey {grey}", face_grey=grey) for grey in FACE_GREYS),
        *(Degrading(name=f"{name} mask", cover=_masking(colour)) for name, colour in MASK_COLOURS.items()),
        Degrading(name="sunglasses", cover=paint_sunglasses),
    )


def paint_mask(picture: Image, face: DetectedFace, colour: tuple[int, int, int]) -> Image:
    """Returns the picture with the lower half of the face, from the bridge of the nose to the chin, painted over."""
    across, down, middle, nose, mouth = _frame_of(face)
    chin = mouth + (mouth - nose) * 1.5
    bridge = nose - down * 0.25
    half = float(np.linalg.norm(across)) * 1.05
    side = across / max(float(np.linalg.norm(across)), 1e-6)
    corners = [
        bridge - side * half * 0.25,
        bridge + side * half * 0.25,
        nose + side * half - down * 0.05,
        mouth + side * half * 0.9,
        chin + side * half * 0.45,
        chin - side * half * 0.45,
        mouth - side * half * 0.9,
        nose - side * half - down * 0.05,
    ]
    cloth = np.full_like(picture, 0, dtype=np.float32)
    cloth[:] = colour
    rows = np.arange(picture.shape[0], dtype=np.float32)[:, None, None]
    fold = max(float(np.linalg.norm(mouth - nose)), 2.0)
    cloth *= 1.0 - 0.12 * np.clip((rows - middle[1]) / (4 * fold), 0, 1) + 0.04 * np.sin(rows * 6.283 / (0.9 * fold))
    return _laid_over(picture, cloth, np.array(corners))


def paint_sunglasses(picture: Image, face: DetectedFace) -> Image:
    """Returns the picture with dark lenses over both eyes and a bridge between them."""
    across, _, _, _, _ = _frame_of(face)
    length, angle = float(np.linalg.norm(across)), float(np.degrees(np.arctan2(across[1], across[0])))
    opacity = np.zeros(picture.shape[:2], dtype=np.uint8)
    eyes = [(round(x), round(y)) for x, y in face.landmarks[:2]]
    for eye in eyes:
        cv2.ellipse(opacity, (eye, (length * 0.74, length * 0.56), angle), 255, -1)
    cv2.line(opacity, eyes[0], eyes[1], 255, max(round(length * 0.06), 1))
    cloth = np.full_like(picture, 0, dtype=np.float32)
    cloth[:] = LENS_COLOUR
    return _blended(picture, cloth, opacity)


def _masking(colour: tuple[int, int, int]) -> Callable[[Image, DetectedFace], Image]:
    return lambda picture, face: paint_mask(picture, face, colour)


def _frame_of(face: DetectedFace) -> tuple[npt.NDArray[np.float64], ...]:
    """Returns the way from eye to eye, from the eyes to the mouth, the middle of the eyes, the nose, and the mouth."""
    points = np.array(face.landmarks, dtype=np.float64)
    middle, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    return points[1] - points[0], mouth - middle, middle, points[2], mouth


def _laid_over(picture: Image, cloth: npt.NDArray[np.float32], corners: npt.NDArray[np.float64]) -> Image:
    opacity = np.zeros(picture.shape[:2], dtype=np.uint8)
    cv2.fillPoly(opacity, [np.round(corners).astype(np.int32)], 255)
    return _blended(picture, cloth, opacity)


def _blended(picture: Image, cloth: npt.NDArray[np.float32], opacity: npt.NDArray[np.uint8]) -> Image:
    share = cv2.GaussianBlur(opacity, (0, 0), 1.0).astype(np.float32)[:, :, None] / 255
    return np.asarray(picture * (1 - share) + cloth * share, dtype=np.uint8)


def _sway(picture: Image, face: DetectedFace, scale: float, chance: np.random.Generator) -> Image:
    """Returns the picture at the scale, a little turned, moved and nearer or farther; shrunk by area first."""
    if scale < 1:
        picture = np.asarray(
            cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), dtype=np.uint8
        )
    rest = max(scale, 1.0) * (1.0 + float(chance.normal(0, SWAY_SCALE)))
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(chance.normal(0, SWAY_DEGREES)), rest)
    moved = chance.normal(0, SWAY_RATIO * face.width_px * min(scale, 1.0), 2)
    turn = np.column_stack([turn[:, :2], turn[:, 2] + moved])
    return np.asarray(cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REFLECT), dtype=np.uint8)


def _mean_grey(picture: Image, face: DetectedFace) -> float:
    left, top, right, bottom = (max(round(value), 0) for value in face.box)
    return float(cv2.cvtColor(picture[top:bottom, left:right], cv2.COLOR_BGR2GRAY).mean())
