"""A clip that a browser plays: a drawn counter whose customer walks from left to right, five pictures a second."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from video.clip import encode_webm

STEP_MS = 200
PICTURES = 100


@lru_cache(maxsize=1)
def film_of_a_counter() -> bytes:
    """Twenty seconds; the picture at 10 s is the swipe's."""
    pictures = []
    for number in range(PICTURES):
        picture = np.full((180, 320, 3), 110, np.uint8)
        cv2.rectangle(picture, (0, 135), (320, 180), (79, 109, 138), -1)
        cv2.circle(picture, (40 + number * 240 // PICTURES, 70), 26, (138, 169, 217), -1)
        pictures.append(picture)
    webm = encode_webm(iter(pictures), STEP_MS)
    assert webm is not None
    return webm
