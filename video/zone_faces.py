"""Which faces of a picture are at the counter."""

from __future__ import annotations

from collections.abc import Sequence

from video.engine import DetectedFace, FaceEngine, Image
from video.presence import in_zone


def faces_by_zone(
    engine: FaceEngine, image: Image, zone: Sequence[tuple[float, float]] | None
) -> tuple[list[DetectedFace], list[DetectedFace]]:
    """Returns the faces whose middle lies in the counter zone, and all others; of each the largest first."""
    height, width = image.shape[:2]
    found = [(face, in_zone(_middle(face, width, height), zone)) for face in engine.detect(image)]
    return [face for face, inside in found if inside], [face for face, inside in found if not inside]


def _middle(face: DetectedFace, width: int, height: int) -> tuple[float, float]:
    left, top, right, bottom = face.box
    return (left + right) / 2 / width, (top + bottom) / 2 / height
