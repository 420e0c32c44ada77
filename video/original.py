"""The original of a swipe: the camera's own packets, put into a container as they came, and taken out of it again."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

import av

from video.decoding import TICK, decode_key
from video.engine import BoxXYXY
from video.messages import CameraState, OriginalCut
from video.sources.demuxing import Demuxed, video_of
from video.sources.port import Packet

CONTAINER: Final = "matroska"


@dataclass(frozen=True, kw_only=True)
class Footage:
    """What a camera sent around a swipe, from a key picture at or before first_at_ms, and what a clip of it shows.

    `camera_state` is what the camera was; `customer` is where the customer's face was seen, in pixels, with till times.
    """

    settlement_id: str
    swipe_at_ms: int
    camera_id: str
    camera_state: CameraState
    clock_offset_ms: int
    first_at_ms: int
    last_at_ms: int
    step_ms: int
    packets: tuple[Packet, ...]
    customer: tuple[tuple[int, BoxXYXY], ...]


def cut_original(footage: Footage) -> OriginalCut:
    """Returns the packets in Matroska: the same bytes, from the key picture before the clip to its end.

    A track has one coding: where the camera changed it, what came after is left out.

    Raises: av.error.FFmpegError when the camera's coding does not go into Matroska.
    """
    packets = list(takewhile(lambda one: one.codec == footage.packets[0].codec, footage.packets))
    video = _matroska(packets)
    first_ms, last_ms = min(one.raw_at_ms for one in packets), max(one.raw_at_ms for one in packets)
    return OriginalCut(
        settlement_id=footage.settlement_id,
        camera_id=footage.camera_id,
        container=CONTAINER,
        video=video,
        sha256=hashlib.sha256(video).hexdigest(),
        swipe_at_ms=footage.swipe_at_ms,
        first_at_ms=first_ms + footage.clock_offset_ms,
        last_at_ms=last_ms + footage.clock_offset_ms,
        first_raw_at_ms=first_ms,
        clock_offset_ms=footage.clock_offset_ms,
        clip_first_at_ms=footage.first_at_ms,
        clip_last_at_ms=footage.last_at_ms,
        step_ms=footage.step_ms,
        camera_state=footage.camera_state,
        customer=footage.customer,
    )


def packets_of(original: OriginalCut) -> Iterator[Packet]:
    """Yields the packets that an original was cut of, in their order, each key picture with its parameter sets.

    Raises: av.error.FFmpegError, SourceError where it is no Matroska with a film in it.
    """
    with av.open(io.BytesIO(original.video), "r", format=CONTAINER) as container:
        demuxed = Demuxed(container, video_of(container, original.camera_id))
        for packet in demuxed:
            if packet.pts is not None and packet.time_base is not None:
                raw_at_ms = original.first_raw_at_ms + round(packet.pts * packet.time_base / TICK)
                data, is_key = bytes(packet), packet.is_keyframe
                yield Packet(raw_at_ms=raw_at_ms, data=data, is_key=is_key, codec=demuxed.codec)


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
