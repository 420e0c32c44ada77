"""What goes wrong with a camera, done to a good picture: for tests and for measuring what is noticed."""

from __future__ import annotations

import cv2
import numpy as np

from simulator.clips import Image

HAND_GREY, HAND_SHAPES_SIGMA, NOISE_SIGMA = 90, 12, 2


def covered(picture: Image, part: float = 1.0, seed: int = 0) -> Image:
    """Returns the picture with something close before that part of the lens, from the left: soft shapes and noise."""
    random = np.random.default_rng(seed)
    height, width = picture.shape[:2]
    soft = cv2.resize(random.normal(HAND_GREY, HAND_SHAPES_SIGMA, (9, 16, 3)), (width, height))
    noisy = np.clip(soft + random.normal(0, NOISE_SIGMA, soft.shape), 0, 255).astype(np.uint8)
    before = picture.copy()
    before[:, : round(part * width)] = noisy[:, : round(part * width)]
    return before


def defocused(picture: Image, blur_ratio: float) -> Image:
    """Returns the picture out of focus. Args: blur_ratio is the blur's standard deviation as a part of the width."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), blur_ratio * picture.shape[1]), dtype=np.uint8)


def shifted(picture: Image, right_ratio: float, down_ratio: float = 0.0) -> Image:
    """Returns what a camera that was pushed shows: the view shifted by parts of the width, mirrored at its edges."""
    width = picture.shape[1]
    return _warped(picture, np.array([[1, 0, right_ratio * width], [0, 1, down_ratio * width]], dtype=np.float32))


def turned(picture: Image, degrees: float, zoom: float = 1.0) -> Image:
    """Returns what a camera shows that was turned about its axis and came nearer by the factor `zoom`."""
    middle = (picture.shape[1] / 2, picture.shape[0] / 2)
    return _warped(picture, np.asarray(cv2.getRotationMatrix2D(middle, degrees, zoom), dtype=np.float32))


def darkened(picture: Image, light: float) -> Image:
    """Returns the picture with that part of its light."""
    return (picture * light).astype(np.uint8)


def _warped(picture: Image, matrix: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Image:
    size = (picture.shape[1], picture.shape[0])
    return np.asarray(cv2.warpAffine(picture, matrix, size, borderMode=cv2.BORDER_REFLECT), dtype=np.uint8)
