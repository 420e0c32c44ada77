"""The original of a swipe: the camera's own packets, put into a container as they came, with their hash."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from itertools import takewhile
from typing import Final

import av

from video.clip import ClipJob
from video.decoding import TICK, decode_key
from video.messages import OriginalCut
from video.sources.port import Packet

CONTAINER: Final = "matroska"


def cut_original(job: ClipJob) -> OriginalCut:
    """Returns the packets of a job in Matroska: the same bytes, from the key picture before the clip to its end.

    A track has one coding: where the camera changed it, what came after is left out.

    Raises: av.error.FFmpegError when the camera's coding does not go into Matroska.
    """
    packets = list(takewhile(lambda one: one.codec == job.packets[0].codec, job.packets))
    video = _matroska(packets)
    first_ms, last_ms = min(one.raw_at_ms for one in packets), max(one.raw_at_ms for one in packets)
    return OriginalCut(
        settlement_id=job.settlement_id,
        camera_id=job.camera_id,
        container=CONTAINER,
        video=video,
        sha256=hashlib.sha256(video).hexdigest(),
        swipe_at_ms=job.swipe_at_ms,
        first_at_ms=first_ms + job.clock_offset_ms,
        last_at_ms=last_ms + job.clock_offset_ms,
        first_raw_at_ms=first_ms,
        clock_offset_ms=job.clock_offset_ms,
    )


def _matroska(packets: Sequence[Packet]) -> bytes:
    size = _size_of(packets[0])
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=CONTAINER) as container:
        stream = container.add_mux_stream(packets[0].codec, width=size[0], height=size[1], time_base=TICK)
        first_ms = min(packet.raw_at_ms for packet in packets)
        for packet, decoded_ms in zip(packets, decoding_times([one.raw_at_ms for one in packets]), strict=True):
            made = av.Packet(packet.data)
            made.stream, made.time_base = stream, TICK
            made.pts, made.dts = packet.raw_at_ms - first_ms, decoded_ms - first_ms
            made.is_keyframe = packet.is_key
            container.mux(made)
    return buffer.getvalue()


def decoding_times(shown_ms: Sequence[int]) -> list[int]:
    """Returns when each packet is to be decoded: in rising order, and none later than it is shown."""
    ordered = sorted(shown_ms)
    late_ms = max((decoded - shown for decoded, shown in zip(ordered, shown_ms, strict=True)), default=0)
    return [decoded - late_ms for decoded in ordered]


def _size_of(packet: Packet) -> tuple[int, int]:
    image = decode_key(packet)
    return (0, 0) if image is None else (image.shape[1], image.shape[0])
