"""Films as cameras send them: pictures encoded with key pictures now and then."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import av
from av.video.stream import VideoStream

from video.engine import Image

KEY_EVERY = 10


def encode_film(
    path: Path,
    pictures: Iterable[Image],
    *,
    codec: str = "libx264",
    fps: int = 5,
    key_every: int = KEY_EVERY,
    bit_rate: int | None = None,
) -> None:
    """Writes a film whose container the path's ending names, a key picture every so many."""
    options = {"g": str(key_every), "preset": "ultrafast", "tune": "zerolatency", "threads": "1"}
    with av.open(str(path), "w") as container:
        stream = cast("VideoStream", container.add_stream(codec, rate=fps, options=options))
        stream.pix_fmt = "yuv420p"
        if bit_rate is not None:
            stream.bit_rate = bit_rate
        for number, picture in enumerate(pictures):
            if number == 0:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
