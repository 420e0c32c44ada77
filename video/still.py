"""The marked picture of a swipe: the customer's face boxed, everybody else's made unrecognisable, 60 kB at most."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from video.engine import BoxXYXY, Image

HIGHLIGHT = (0, 191, 255)
OTHER = (190, 190, 190)
WIDEST_PX = 960
QUALITIES = (88, 80, 70, 60, 48, 36)
BLOCKS = 7
MARGIN_RATIO = 0.2
"""How far beyond its box a face is hidden, of its width and height."""


def marked_still(
    image: Image,
    boxes: Sequence[BoxXYXY],
    customer: int | None,
    most_bytes: int = 60_000,
    outside: Sequence[BoxXYXY] = (),
) -> bytes:
    """Returns a JPEG of at most most_bytes with the customer's face in amber; other faces are pixelated and grey.

    Args: customer is the place in boxes of the face that was compared, None if none was: then none is pixelated.
    outside are faces beyond the counter zone, which are always.
    """
    picture = image.copy()
    for box in outside:
        pixelate(picture, box)
    for number, box in enumerate(boxes):
        if customer is not None and number != customer:
            pixelate(picture, box)
            frame_face(picture, box, OTHER, 1)
    for number, box in enumerate(boxes):
        if customer is None or number == customer:
            frame_face(picture, box, HIGHLIGHT, max(picture.shape[1] // 320, 2))
    return _encode(picture, most_bytes)


def with_margin(box: BoxXYXY) -> BoxXYXY:
    """Returns the box with a margin: where a cut is close, a chin and a hairline are still somebody's."""
    aside, above = (box[2] - box[0]) * MARGIN_RATIO, (box[3] - box[1]) * MARGIN_RATIO
    return (box[0] - aside, box[1] - above, box[2] + aside, box[3] + above)


def pixelate(picture: Image, box: BoxXYXY) -> None:
    """Afterwards the part of the picture in the box is seven by seven blocks, in which nobody is recognised."""
    height, width = picture.shape[:2]
    left, top = max(round(box[0]), 0), max(round(box[1]), 0)
    right, bottom = min(round(box[2]), width), min(round(box[3]), height)
    if right <= left or bottom <= top:
        return
    coarse = cv2.resize(picture[top:bottom, left:right], (BLOCKS, BLOCKS), interpolation=cv2.INTER_AREA)
    picture[top:bottom, left:right] = cv2.resize(coarse, (right - left, bottom - top), interpolation=cv2.INTER_NEAREST)


def frame_face(picture: Image, box: BoxXYXY, colour: tuple[int, int, int], thickness: int) -> None:
    """Afterwards a line of this thickness, in pixels, stands around the face."""
    left, top, right, bottom = (round(value) for value in box)
    cv2.rectangle(picture, (left, top), (right, bottom), colour, thickness, cv2.LINE_AA)


def _encode(picture: Image, most_bytes: int) -> bytes:
    """Lowers first the quality, then the size, until it fits."""
    scale = min(WIDEST_PX / picture.shape[1], 1.0)
    while True:
        shown = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else picture
        for quality in QUALITIES:
            _, jpeg = cv2.imencode(".jpg", np.asarray(shown), [cv2.IMWRITE_JPEG_QUALITY, quality])
            if len(jpeg) <= most_bytes:
                return jpeg.tobytes()
        scale *= 0.75
