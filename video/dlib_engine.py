"""`face_recognition` (dlib's HOG detector and ResNet-34): the second opinion beside the default engine."""

from __future__ import annotations

import importlib
import threading
from functools import lru_cache
from types import ModuleType

import cv2
import numpy as np

from video.engine import DetectedFace, Embedding, Image, PointXY, Thresholds, unit
from video.model_files import ModelError, ModelFile

RESNET = ModelFile(
    package="face_recognition_models",
    name="models/dlib_face_recognition_resnet_model_v1.dat",
    sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
)
THRESHOLDS = Thresholds(match=0.92, mismatch=0.905)
LARGEST_SIDE_PX = 1280


class DlibEngine:
    """`face_recognition`, loaded and checked; may be used from several threads, one at a time gets in."""

    def __init__(self) -> None:
        """Loads the models, which takes about a second.

        Raises: ModelError when the package or its models are absent or altered.
        """
        path = RESNET.locate()
        try:
            self._api: ModuleType = importlib.import_module("face_recognition")
        except (ImportError, RuntimeError, SystemExit) as error:
            raise ModelError(path, RESNET.sha256, f"face_recognition cannot be loaded: {error}") from error
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """`dlib`."""
        return "dlib"

    @property
    def version(self) -> str:
        """The first digits of the embedding model's hash."""
        return f"hog+resnet-{RESNET.sha256[:8]}"

    @property
    def thresholds(self) -> Thresholds:
        """Cosines of dlib's vectors brought to length 1; see docs/decisions/0005-face-thresholds.md."""
        return THRESHOLDS

    def detect(self, frame: Image) -> list[DetectedFace]:
        """Returns the faces of the picture, largest first; HOG finds none narrower than some 80 pixels."""
        scale = min(LARGEST_SIDE_PX / max(frame.shape[:2]), 1.0)
        picture = frame if scale == 1.0 else cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        with self._lock:
            rgb = _rgb(np.asarray(picture, dtype=np.uint8))
            places = self._api.face_locations(rgb, model="hog")
            shapes = self._api.face_landmarks(rgb, places, model="large")
        faces = [_face_of(place, shape, scale) for place, shape in zip(places, shapes, strict=True)]
        return sorted(faces, key=lambda face: -face.width_px)

    def embed(self, frame: Image, face: DetectedFace) -> Embedding:
        """Returns 128 numbers of length 1; the face may have been found by another engine."""
        with self._lock:
            found = self._api.face_encodings(_rgb(frame), [_square_of(face)], model="small")
        return unit(np.asarray(found[0], dtype=np.float32))


@lru_cache(maxsize=1)
def open_dlib() -> DlibEngine:
    """Returns this process's engine, loaded at the first call.

    Raises: ModelError when it cannot be loaded; the next call tries again.
    """
    return DlibEngine()


def _rgb(frame: Image) -> Image:
    return np.ascontiguousarray(frame[:, :, ::-1])


def _face_of(place: tuple[int, int, int, int], shape: dict[str, list[tuple[int, int]]], scale: float) -> DetectedFace:
    top, right, bottom, left = place
    centres = [_centre(shape["left_eye"]), _centre(shape["right_eye"]), _centre(shape["nose_tip"])]
    mouth = sorted(shape["top_lip"] + shape["bottom_lip"])
    points = [(x / scale, y / scale) for x, y in [*centres, mouth[0], mouth[-1]]]
    return DetectedFace(
        box=(left / scale, top / scale, right / scale, bottom / scale),
        landmarks=(points[0], points[1], points[2], points[3], points[4]),
        score=1.0,
    )


def _centre(points: list[tuple[int, int]]) -> PointXY:
    x, y = np.mean(np.array(points, dtype=np.float64), axis=0)
    return float(x), float(y)


def _square_of(face: DetectedFace) -> tuple[int, int, int, int]:
    """Returns dlib's (top, right, bottom, left): a square from the brows to the chin, judged by eyes and mouth."""
    points = np.array(face.landmarks, dtype=np.float64)
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    centre = (eyes + mouth) / 2
    half = max(float(np.linalg.norm(points[0] - points[1])), float(np.linalg.norm(mouth - eyes))) * 1.1
    x, y = float(centre[0]), float(centre[1])
    return round(y - half), round(x + half), round(y + half), round(x - half)
