"""One decoded picture of a camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from video.engine import Image
from video.messages import CameraState

JPEG_QUALITY: Final = 92


@dataclass(kw_only=True, slots=True)
class Sample:
    """A picture with its till time, its camera time, and what was seen without a face engine.

    `foreground` is None while the empty counter is not known yet.
    """

    at_ms: int
    raw_at_ms: int
    picture: Image | bytes
    state: CameraState
    foreground: bool | None
    size: tuple[int, int]

    def image(self) -> Image:
        """Returns the picture."""
        if not isinstance(self.picture, bytes):
            return self.picture
        found = cv2.imdecode(np.frombuffer(self.picture, np.uint8), cv2.IMREAD_COLOR)
        return np.asarray(found, dtype=np.uint8)

    def pack(self) -> None:
        """Afterwards it takes a tenth of the memory, and its picture has been through JPEG."""
        if not isinstance(self.picture, bytes):
            _, jpeg = cv2.imencode(".jpg", self.picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
            self.picture = jpeg.tobytes()
