"""The port of a face engine: what any engine finds in a picture and how two faces are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
"""Height × width × 3, blue-green-red, 0..255."""

Embedding = npt.NDArray[np.float32]
"""One face as a vector of length 1."""

BoxXYXY = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels; may reach over the picture's edge."""

PointXY = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Cosine similarities that decide: from `match` on a match, up to `mismatch` a mismatch, between inconclusive."""

    match: float
    mismatch: float


@dataclass(frozen=True, kw_only=True)
class DetectedFace:
    """One face in one picture; landmarks are the picture's left eye, right eye, nose, left and right mouth corner."""

    box: BoxXYXY
    landmarks: tuple[PointXY, PointXY, PointXY, PointXY, PointXY]
    score: float

    @property
    def width_px(self) -> float:
        """Width of the face's box."""
        return self.box[2] - self.box[0]


class FaceEngine(Protocol):
    """Finds faces and turns each into an embedding; the same picture gives the same answer."""

    @property
    def name(self) -> str:
        """The engine's short name; embeddings of different engines can't be compared."""

    @property
    def version(self) -> str:
        """Changes when embeddings do: part of every observation's id."""

    @property
    def thresholds(self) -> Thresholds:
        """The similarities that decide with this engine."""

    def detect(self, frame: Image) -> list[DetectedFace]:
        """Returns the faces of the picture, largest first; none is an empty list, never an error."""

    def embed(self, frame: Image, face: DetectedFace) -> Embedding:
        """Returns the face's embedding, float32 of length 1."""


def similarity(embedding: Embedding, references: Sequence[Embedding]) -> float | None:
    """Returns the greatest cosine similarity with a reference, -1..1; None where there is no reference."""
    if not references:
        return None
    return float(max(float(np.dot(embedding, reference)) for reference in references))


def unit(vector: npt.NDArray[np.floating]) -> Embedding:
    """Returns the vector at length 1, as float32; a vector of zeros stays as it is."""
    flat = np.asarray(vector, dtype=np.float32).ravel()
    length = float(np.linalg.norm(flat))
    return flat if length == 0 else flat / np.float32(length)
