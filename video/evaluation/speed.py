"""Processor time that each engine takes to find faces in a picture and to embed one, in turns on the same pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from video.engine import FaceEngine, Image
from video.evaluation.folder import middle_face, read_picture

FRAME_SIZE = (640, 360)
"""Width and height of a camera's picture as most are read."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Medians of processor time over so many pictures of 640 × 360 with one face in the middle."""

    pictures: int
    detect_ms: float
    embed_ms: float


def measure_speed(
    engines: Sequence[FaceEngine], finder: FaceEngine, pictures: Sequence[Path], tell: Callable[[int], None]
) -> dict[str, Speed]:
    """Returns each engine's times; the face that both embed is the one that the finder finds."""
    detecting: dict[str, list[float]] = {engine.name: [] for engine in engines}
    embedding: dict[str, list[float]] = {engine.name: [] for engine in engines}
    for path in pictures:
        frame = _as_frame(read_picture(path))
        face = middle_face(frame, finder.detect(frame))
        tell(1)
        if face is None:
            continue
        for engine in engines:
            detecting[engine.name].append(_timed_ms(partial(engine.detect, frame)))
            embedding[engine.name].append(_timed_ms(partial(engine.embed, frame, face)))
    return {name: _speed_of(detecting[name], embedding[name]) for name in detecting}


def _as_frame(picture: Image) -> Image:
    """Returns the picture in the middle of a grey one of a camera's size."""
    width, height = FRAME_SIZE
    shrink = min(width / picture.shape[1], height / picture.shape[0], 1.0)
    small = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    frame = np.full((height, width, 3), 128, dtype=np.uint8)
    top, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    frame[top : top + small.shape[0], left : left + small.shape[1]] = small
    return frame


def _speed_of(detecting: list[float], embedding: list[float]) -> Speed:
    return Speed(
        pictures=len(detecting),
        detect_ms=round(float(np.median(detecting)), 1) if detecting else 0.0,
        embed_ms=round(float(np.median(embedding)), 1) if embedding else 0.0,
    )


def _timed_ms(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return (time.process_time() - started) * 1000
