"""What of a picture's change is light: lamps, a smooth factor over all of it; shadows, a flat factor in a part."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

GRID = (40, 22)
DARK_LEVELS = 4.0
"""Added to grey levels before they are divided, so that noise in the dark is no change of light."""
FIT_SCALES = (0.5, 0.2, 0.08, 0.08)
"""Residuals, in log units, from which a place counts for little in each round of the fit: people drop out of it."""
CLIPPED_LEVEL = 250.0
NEARLY_CLIPPED_LEVEL = 235.0
SHADE_RANGE = (-1.2, 0.7)
"""Logarithm of how much darker or brighter a shadow or a sunbeam makes a place."""
SAME_COLOUR = 0.12
FLAT_SHADE = 0.07
SHADE_WINDOW_PX = 5


def lit_as(picture: Floats, empty: Floats) -> Floats:
    """Returns the empty place in the light of the picture: `empty` times a smooth factor per pixel and colour.

    Args: both H×W×3, 0..255.
    """
    ratio = _log_ratio(_on_grid(picture), _on_grid(empty)).reshape(-1, 3)
    terms = _terms(GRID)
    weights = np.ones(len(terms), np.float32)
    factors = np.zeros((terms.shape[1], 3), np.float32)
    for scale in FIT_SCALES:
        weighted = terms * weights[:, None]
        factors = np.linalg.solve(weighted.T @ terms + 1e-3 * np.eye(terms.shape[1]), weighted.T @ ratio)
        residual = np.abs(ratio - terms @ factors).max(axis=1)
        weights = (1 / (1 + (residual / scale) ** 2)).astype(np.float32)
    surface = (terms @ factors).reshape(GRID[1], GRID[0], 3).astype(np.float32)
    size = (empty.shape[1], empty.shape[0])
    factor = np.exp(cv2.resize(surface, size, interpolation=cv2.INTER_LINEAR))
    return np.asarray((empty + DARK_LEVELS) * factor - DARK_LEVELS, dtype=np.float32)


def is_shade(picture: Floats, expected: Floats) -> Mask:
    """Returns the pixels that a shadow or a beam of light explains: one factor, in every colour, flat all around.

    Where something stands, its colours and its edges differ from those of the place behind it.
    """
    ratio = _log_ratio(picture, np.maximum(expected, 0))
    blue, green, red = cv2.split(ratio)
    light = (blue + green + red) / 3
    same_colour = cv2.max(cv2.max(cv2.absdiff(blue, light), cv2.absdiff(green, light)), cv2.absdiff(red, light))
    window = (SHADE_WINDOW_PX, SHADE_WINDOW_PX)
    mean = cv2.blur(light, window)
    spread = cv2.blur(light * light, window) - mean * mean
    flat = spread <= FLAT_SHADE**2
    return np.asarray(
        (same_colour <= SAME_COLOUR) & flat & (light > SHADE_RANGE[0]) & (light < SHADE_RANGE[1]), dtype=np.bool_
    )


def is_overexposed(picture: Floats, expected: Floats) -> Mask:
    """Returns the pixels that are white in both, so that nothing can be said of them."""
    return np.asarray(
        (picture.max(axis=2) >= CLIPPED_LEVEL) & (expected.max(axis=2) >= NEARLY_CLIPPED_LEVEL), dtype=np.bool_
    )


def _on_grid(picture: Floats) -> Floats:
    return np.asarray(cv2.resize(picture, GRID, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _log_ratio(picture: Floats, empty: Floats) -> Floats:
    return np.asarray(cv2.log((picture + DARK_LEVELS) / (empty + DARK_LEVELS)), dtype=np.float32)


@lru_cache
def _terms(grid: tuple[int, int]) -> Floats:
    """Returns for each place of the grid the terms of a surface of the second degree."""
    across, down = np.meshgrid(np.linspace(-1, 1, grid[0]), np.linspace(-1, 1, grid[1]))
    x, y = across.reshape(-1), down.reshape(-1)
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1).astype(np.float32)
