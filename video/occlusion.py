"""Whether a mask hides the mouth or dark glasses the eyes, told by colour, light and detail around the landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from video.engine import DetectedFace, Image

Patch = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of an upright face of 112 × 112."""

UPRIGHT_PX: Final = 112
UPRIGHT: Final = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Where eyes, nose and corners of the mouth lie in an upright face of 112 × 112, as recognition networks want them."""
UNDER_EYES: Final[Sequence[Patch]] = ((34, 58, 48, 66), (64, 58, 78, 66))
AROUND_MOUTH: Final[Sequence[Patch]] = ((34, 80, 44, 106), (68, 80, 78, 106), (44, 98, 68, 108))
MOUTH: Final[Patch] = (36, 84, 77, 102)
EYES: Final[Sequence[Patch]] = ((28, 44, 48, 60), (64, 44, 84, 60))
BARE: Final[Sequence[Patch]] = ((32, 64, 80, 80), (40, 28, 72, 38))
"""Nose and cheeks, and the forehead: what dark glasses leave free."""
FACE: Final[Patch] = (28, 28, 84, 112)

OTHER_COLOUR = 0.14
"""Distance of the shares of blue, green and red around the mouth from those under the eyes; beards may have more."""
LEAST_LIGHT, MOST_LIGHT = -0.75, 0.5
"""Logarithm of the light around the mouth against that under the eyes; dark beards may have less."""
LEAST_DETAIL, LEAST_DETAIL_OF_FACE = 0.055, 0.28
"""Standard deviation of the mouth's grey against its mean and against the whole face's: lips have 0.09 and 0.4."""
MOST_DETAIL_OF_CLOTH = 0.6
"""With another colour or light, more detail than this is a mouth in a beard or in a shadow, and no cloth."""
DARK_LENSES = 0.32
"""Light of the brighter eye against nose and forehead; eyes deep in the shadow have 0.35."""
BLACK = 4.0
"""Added to colours, so that noise in the dark is no colour."""
SMOOTH_SIGMA = 1.5


def is_covered(picture: Image, face: DetectedFace) -> bool:
    """Returns whether mouth or eyes seem hidden; a mask that looks like skin, with a mouth's detail, is not told.

    Source: bounds between bare and painted faces of Labeled Faces in the Wild; docs/decisions/0005-face-thresholds.md.
    """
    upright = turn_upright(picture, face)
    grey = cv2.GaussianBlur(cv2.cvtColor(upright, cv2.COLOR_BGR2GRAY), (0, 0), SMOOTH_SIGMA).astype(np.float32)
    return _is_mouth_covered(upright, grey) or _are_eyes_covered(grey)


def turn_upright(picture: Image, face: DetectedFace) -> Image:
    """Returns the face at 112 × 112 with its landmarks where they belong, as near as turning and scaling bring them."""
    points = np.array(face.landmarks, dtype=np.float64)
    middle, wanted = points.mean(axis=0), UPRIGHT.mean(axis=0)
    found, aim = points - middle, UPRIGHT - wanted
    size = max(float((found * found).sum()), 1e-6)
    along = float((found * aim).sum()) / size
    across = float((found[:, 0] * aim[:, 1] - found[:, 1] * aim[:, 0]).sum()) / size
    turn = np.array([[along, -across], [across, along]])
    moved = np.column_stack([turn, wanted - turn @ middle])
    upright = cv2.warpAffine(picture, moved, (UPRIGHT_PX, UPRIGHT_PX), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(upright, dtype=np.uint8)


def _is_mouth_covered(upright: Image, grey: npt.NDArray[np.float32]) -> bool:
    low, high = _colour(upright, AROUND_MOUTH), _colour(upright, UNDER_EYES)
    colour = float(np.abs(low / low.sum() - high / high.sum()).sum())
    light = float(np.log(low.mean() / high.mean()))
    mouth = _cut(grey, MOUTH)
    detail, of_face = float(mouth.std()), float(_cut(grey, FACE).std())
    if detail < LEAST_DETAIL * float(mouth.mean()) or detail < LEAST_DETAIL_OF_FACE * of_face:
        return True
    is_other = colour > OTHER_COLOUR or not LEAST_LIGHT <= light <= MOST_LIGHT
    return is_other and detail < MOST_DETAIL_OF_CLOTH * of_face


def _are_eyes_covered(grey: npt.NDArray[np.float32]) -> bool:
    eyes = max(float(np.median(_cut(grey, patch))) for patch in EYES)
    bare = float(np.median(np.concatenate([_cut(grey, patch).ravel() for patch in BARE])))
    return eyes < DARK_LENSES * bare


def _colour(upright: Image, patches: Sequence[Patch]) -> npt.NDArray[np.float32]:
    """Returns the median blue, green and red of the patches."""
    pixels = np.concatenate([_cut(upright, patch).reshape(-1, 3) for patch in patches])
    return np.asarray(np.median(pixels.astype(np.float32), axis=0) + BLACK, dtype=np.float32)


def _cut(picture: npt.NDArray[Any], patch: Patch) -> npt.NDArray[Any]:
    left, top, right, bottom = patch
    return picture[top:bottom, left:right]
