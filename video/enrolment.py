"""Turns a photograph into a reference, or says what to change; the photograph itself is not kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from video.engine import DetectedFace, Embedding, FaceEngine, Image
from video.quality import Problem, judge_face

LEAST_FACE_PX = 80.0
"""A reference is compared for years: twice the width that a camera's picture must have."""
OTHER_FACE_RATIO = 0.4
"""A second face from this part of the first one's width makes it unclear who is meant; smaller ones are background."""

Refusal = Literal["not_a_picture", "no_face", "several_faces"] | Problem

ADVICE: Mapping[Refusal, str] = {
    "not_a_picture": "the file is no picture: use a JPEG or PNG file",
    "no_face": "no face was found: use a picture taken from the front, without mask or sunglasses",
    "several_faces": "there are several faces: use a picture of one person alone",
    "too_small": f"the face is too small: it must be at least {LEAST_FACE_PX:.0f} pixels wide, so come closer",
    "too_dark": "the face is too dark: put light before the person, not behind",
    "too_bright": "the face is too bright: avoid flash and direct sun",
    "blurred": "the face is blurred: hold the camera still and focus on the eyes",
    "turned_away": "the face is turned away: look straight at the camera",
    "cut_off": "the face is cut off: leave room around the head",
    "covered": "mouth or eyes are covered: take off mask and dark glasses, and light the face evenly",
}


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A face that can be compared: its embedding by one engine, and its quality 0..1."""

    engine: str
    engine_version: str
    embedding: Embedding
    quality: float


@dataclass(frozen=True, kw_only=True)
class PhotoRefused:
    """Why a photograph makes no reference, and what to change."""

    reasons: tuple[Refusal, ...]

    @property
    def advice(self) -> str:
        """One sentence for the person who enrols."""
        return "; ".join(ADVICE[reason] for reason in self.reasons)


def embed_photo(engine: FaceEngine, photo: bytes, *, finder: FaceEngine | None = None) -> Reference | PhotoRefused:
    """Returns the reference that a photograph of one person gives, or what to change.

    Args: photo is the file's bytes; finder finds the face where that should not be the engine itself.
    """
    image = _decode(photo)
    if image is None:
        return PhotoRefused(reasons=("not_a_picture",))
    faces = (finder or engine).detect(image)
    refusal = _who_is_meant(faces)
    if refusal is not None:
        return PhotoRefused(reasons=(refusal,))
    quality = judge_face(image, faces[0], LEAST_FACE_PX)
    if not quality.usable:
        return PhotoRefused(reasons=tuple(quality.problems))
    return Reference(
        engine=engine.name,
        engine_version=engine.version,
        embedding=engine.embed(image, faces[0]),
        quality=quality.score,
    )


def _decode(photo: bytes) -> Image | None:
    try:
        image = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # empty, or larger than OpenCV agrees to read
        return None
    return None if image is None else np.asarray(image, dtype=np.uint8)


def _who_is_meant(faces: Sequence[DetectedFace]) -> Refusal | None:
    if not faces:
        return "no_face"
    if len(faces) > 1 and faces[1].width_px >= OTHER_FACE_RATIO * faces[0].width_px:
        return "several_faces"
    return None
