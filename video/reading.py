"""What the face engine sees in one picture."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from video.camera import Camera
from video.engine import BoxXYXY, DetectedFace, Embedding, FaceEngine
from video.messages import CameraState
from video.quality import FaceQuality, judge_face
from video.sample import Sample
from video.zone_faces import faces_by_zone

MOST_EMBEDDED = 3
"""Of many faces in a picture only the largest are compared: the others are not at the counter."""
MOST_KEPT = 256


@dataclass(frozen=True, kw_only=True)
class SeenFace:
    """One face, what it is worth, and its embedding where it may vote; the second engine's once that was asked."""

    face: DetectedFace
    quality: FaceQuality
    embedding: Embedding | None
    second_embedding: Embedding | None = None


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One picture read: who is there. `people` is None where that cannot be said (`state` or the start-up says why).

    `outside` are faces beyond the counter zone: nobody asks whose they are, and no picture that is kept shows them.
    """

    sample: Sample
    state: CameraState
    people: int | None
    faces: tuple[SeenFace, ...]
    outside: tuple[BoxXYXY, ...] = ()

    @property
    def at_ms(self) -> int:
        """Till time of the picture."""
        return self.sample.at_ms


class PictureReader:
    """Reads each picture once, however many swipes ask for it."""

    def __init__(self, engine: FaceEngine, *, min_face_px: float, second: FaceEngine | None = None) -> None:
        """Nothing was read yet. Args: second is the engine that votes beside the first, if one does."""
        self._engine, self._min_face_px, self._second = engine, min_face_px, second
        self._kept: OrderedDict[tuple[str, int, CameraState], Reading] = OrderedDict()

    def read(self, camera: Camera, sample: Sample) -> Reading:
        """Returns what is in the picture; of an unhealthy one nothing is concluded and nobody is looked for."""
        key = _key(camera, sample)
        reading = self._kept.get(key)
        if reading is None:
            reading = self._look(camera, sample)
            sample.pack()
            self._kept[key] = reading
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return reading

    def read_twice(self, camera: Camera, sample: Sample) -> Reading:
        """Returns the same with what the second engine makes of each face that may vote; each is embedded once."""
        reading = self.read(camera, sample)
        second = self._second
        if second is None or not any(_is_to_ask(one) for one in reading.faces):
            return reading
        image = sample.image()
        faces = tuple(
            replace(one, second_embedding=second.embed(image, one.face)) if _is_to_ask(one) else one
            for one in reading.faces
        )
        twice = self._kept[_key(camera, sample)] = replace(reading, faces=faces)
        return twice

    def _look(self, camera: Camera, sample: Sample) -> Reading:
        if sample.state != "ok":
            return Reading(sample=sample, state=sample.state, people=None, faces=())
        image = sample.image()
        seen: list[SeenFace] = []
        inside, outside = faces_by_zone(self._engine, image, camera.settings.zone)
        for face in inside:
            quality = judge_face(image, face, self._min_face_px)
            worth = quality.usable and sum(one.embedding is not None for one in seen) < MOST_EMBEDDED
            embedding = self._engine.embed(image, face) if worth else None
            seen.append(SeenFace(face=face, quality=quality, embedding=embedding))
        people, boxes = _people(len(seen), sample), tuple(face.box for face in outside)
        return Reading(sample=sample, state="ok", people=people, faces=tuple(seen), outside=boxes)


def _is_to_ask(seen: SeenFace) -> bool:
    return seen.embedding is not None and seen.second_embedding is None


def _key(camera: Camera, sample: Sample) -> tuple[str, int, CameraState]:
    return camera.settings.camera_id, sample.raw_at_ms, sample.state


def _people(faces: int, sample: Sample) -> int | None:
    """Faces count; without one, foreground is at least one person, and an unknown background is no answer."""
    if faces:
        return faces
    return None if sample.foreground is None else int(sample.foreground)
