"""What stands in a camera's picture, as edges: whether they are still there, still sharp, and still in their place."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Grey = npt.NDArray[np.uint8]

BLOCK_PX = 20
EDGE_BLUR_PX = 1.5
"""Edges are widened so much that the sway of a mount does not move them."""
NOISE_BLUR_PX = 1.0
COARSE_SIZE = (32, 18)
USUAL_LIGHT = 128.0
LEAST_EDGES = 4.0
"""Mean strength of edges, grey levels at usual light, from which a block has something to be known by."""
LEAST_BLOCKS = 10
SAME_EDGES = 0.6
"""Correlation of a block's edges with the reference from which they are the same ones."""
FAINT = 0.4
"""Share of its usual edges below which a block has lost them."""
BLURRED = 0.6
"""Share of its usual fine detail below which a block has lost it: of the two, focus takes this first."""
LOST_SHARE = 0.6
"""Share of the telling blocks that must have lost either."""
SAME_SCENE = 0.5
"""Correlation of the picture in the large with the reference from which it is still the same scene."""
GONE_SHARE = 0.3
"""Share of the telling blocks that are in place, at most, once a camera looks elsewhere; people leave two thirds."""
DOUBTFUL_SHARE = 0.6
SHIFTED_SHARE = 0.5
LEAST_SHIFT_PX = 3.0
WHOLE_BLOCK = 0.99
KEPT = 11
LEAST_KEPT = 5
LEARN_STEP_MS = 12_000
KEEP_STEP_MS = 30_000


class Structure:
    """One picture's edges and the fine detail of its blocks, both at usual light, and the picture in the large."""

    def __init__(self, grey: Grey, light: float) -> None:
        """Args: grey is H×W; light its mean, above 0."""
        across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=0.25)
        down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=0.25)
        strength = cv2.GaussianBlur(cv2.magnitude(across, down), (0, 0), EDGE_BLUR_PX)
        scale = np.float32(USUAL_LIGHT / light)
        self.edges: Floats = np.minimum(strength * scale, 255).astype(np.float32)
        fine = cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), NOISE_BLUR_PX), cv2.CV_32F)
        self.detail = block_means(np.abs(fine).astype(np.float32)) * scale
        self.coarse: Floats = np.asarray(cv2.resize(grey, COARSE_SIZE, interpolation=cv2.INTER_AREA), dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class StructureChange:
    """How a picture stands to the reference; `kind` is None for one that agrees with it."""

    kind: Literal["covered", "defocused", "moved"] | None
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class _Usual:
    """The reference: a picture of edges, the strength and fine detail of its blocks, and which blocks tell anything."""

    edges: Floats
    strength: Floats
    detail: Floats
    coarse: Floats
    telling: npt.NDArray[np.bool_]


class StructureReference:
    """The median of some good pictures' edges: who walks about is not in it, and what is rearranged comes into it."""

    def __init__(self) -> None:
        self._kept: deque[tuple[npt.NDArray[np.uint8], Floats, Floats]] = deque(maxlen=KEPT)
        self._kept_at_ms = 0
        self._usual: _Usual | None = None

    def remember(self, structure: Structure, at_ms: int) -> None:
        """Afterwards the reference holds the picture, unless it was taken too soon after the one before."""
        step_ms = LEARN_STEP_MS if len(self._kept) < LEAST_KEPT else KEEP_STEP_MS
        if self._kept and at_ms - self._kept_at_ms < step_ms:
            return
        self._kept_at_ms = at_ms
        self._kept.append((structure.edges.astype(np.uint8), structure.detail, structure.coarse))
        if len(self._kept) >= LEAST_KEPT:
            edges, detail, coarse = (
                np.median(np.stack(one), axis=0).astype(np.float32) for one in zip(*self._kept, strict=True)
            )
            strength = block_means(edges)
            self._usual = _Usual(
                edges=edges, strength=strength, detail=detail, coarse=coarse, telling=strength >= LEAST_EDGES
            )

    def compare(self, structure: Structure) -> StructureChange | None:
        """Returns what became of the scene; None while there is no reference, or one with too few edges to tell."""
        usual = self._usual
        if usual is None or int(usual.telling.sum()) < LEAST_BLOCKS:
            return None
        faint = _share(block_means(structure.edges) < FAINT * usual.strength, usual.telling)
        blurred = _share(structure.detail < BLURRED * usual.detail, usual.telling)
        if max(faint, blurred) >= LOST_SHARE:
            alike = _correlation(structure.coarse, usual.coarse)
            if alike >= SAME_SCENE:
                return StructureChange(kind="defocused", detail=f"{blurred:.0%} of the view has lost its fine detail")
            if faint >= LOST_SHARE:
                return StructureChange(kind="covered", detail=f"{faint:.0%} of the view has lost its edges")
        return _place_of(structure, usual)


def _place_of(structure: Structure, usual: _Usual) -> StructureChange:
    """Looks for a shift only where edges are not in their place: a person hides some, a turn of the camera all."""
    in_place = _share(block_correlations(structure.edges, usual.edges) >= SAME_EDGES, usual.telling)
    if in_place >= DOUBTFUL_SHARE:
        return StructureChange(kind=None)
    shift_px, found = _best_shift(structure.edges, usual)
    if shift_px >= LEAST_SHIFT_PX and found >= max(SHIFTED_SHARE, 2 * in_place):
        ratio = shift_px / usual.edges.shape[1]
        return StructureChange(kind="moved", detail=f"the view is shifted by {ratio:.0%} of its width")
    if in_place <= GONE_SHARE:
        return StructureChange(kind="moved", detail=f"{in_place:.0%} of the view is where it was")
    return StructureChange(kind=None)


def block_means(values: Floats) -> Floats:
    """Returns the mean of each square block of an H×W picture; a rest at the right and below is left out."""
    height, width = (side // BLOCK_PX for side in values.shape)
    blocks = values[: height * BLOCK_PX, : width * BLOCK_PX].reshape(height, BLOCK_PX, width, BLOCK_PX)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)


def block_correlations(one: Floats, other: Floats) -> Floats:
    """Returns the correlation, -1..1, of each block of two pictures of one size; 0 where a block is flat."""
    mean_one, mean_other = block_means(one), block_means(other)
    both = block_means(one * other) - mean_one * mean_other
    spread = (block_means(one * one) - mean_one**2) * (block_means(other * other) - mean_other**2)
    return np.asarray(both / np.sqrt(np.maximum(spread, 1e-3)), dtype=np.float32)


def _best_shift(edges: Floats, usual: _Usual) -> tuple[float, float]:
    """Returns by how many pixels the picture is shifted at best, and the share of blocks found once that is undone."""
    size = (edges.shape[1], edges.shape[0])
    window = cv2.createHanningWindow(size, cv2.CV_32F)
    (dx, dy), _ = cv2.phaseCorrelate(usual.edges.copy(), edges.copy(), window)  # it works in what it is given
    back = np.array([[1, 0, -dx], [0, 1, -dy]], dtype=np.float32)
    there = np.asarray(cv2.warpAffine(edges, back, size), dtype=np.float32)
    seen = block_means(np.asarray(cv2.warpAffine(np.ones_like(edges), back, size), dtype=np.float32))
    looked = usual.telling & (seen >= WHOLE_BLOCK)
    if int(looked.sum()) < LEAST_BLOCKS:
        return float(np.hypot(dx, dy)), 0.0
    return float(np.hypot(dx, dy)), _share(block_correlations(there, usual.edges) >= SAME_EDGES, looked)


def _share(true: npt.NDArray[np.bool_], among: npt.NDArray[np.bool_]) -> float:
    return float(true[among].mean())


def _correlation(one: Floats, other: Floats) -> float:
    return float(cv2.matchTemplate(one, other, cv2.TM_CCOEFF_NORMED)[0, 0])
