"""From packets to pictures, decoding no more than is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, Final, cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from video.engine import Image
from video.packet_ring import PacketRing
from video.sources.port import Packet

TICK: Final = Fraction(1, 1_000)


class Decoder:
    """Decodes packets that follow each other, one thread, broken ones left out."""

    def __init__(self, codec: str) -> None:
        """Raises: av.error.FFmpegError for a codec that is not known."""
        context = cast("VideoCodecContext", av.CodecContext.create(codec, "r"))
        context.thread_count = 1
        self._context, self._reformatter = context, VideoReformatter()
        self.codec = codec

    def decode(self, packet: Packet | None) -> list[VideoFrame]:
        """Returns what is decoded after one more packet, None for the end; none of what is broken."""
        try:
            frames = self._context.decode(None if packet is None else _for_decoder(packet))
        except av.error.FFmpegError:
            return []
        return [frame for frame in frames if not frame.is_corrupt and frame.pts is not None]

    def picture(self, frame: VideoFrame, widest_px: int | None = None) -> Image:
        """Returns a decoded picture; even sides, and not wider than widest_px."""
        scale = 1.0 if widest_px is None else min(widest_px / frame.width, 1.0)
        width, height = (max(round(side * scale) // 2 * 2, 2) for side in (frame.width, frame.height))
        if scale == 1.0:
            width, height = frame.width, frame.height
        smaller = self._reformatter.reformat(frame, width=width, height=height, format="bgr24", interpolation="AREA")
        return np.ascontiguousarray(smaller.to_ndarray(), dtype=np.uint8)


class SpanDecoder:
    """Finds single pictures in a ring; going on from one to a later one, it decodes nothing twice."""

    def __init__(self, ring: PacketRing) -> None:
        self._ring = ring
        self._decoder: Decoder | None = None
        self._next = 0
        self._seen_ms = 0

    def picture_at(self, raw_at_ms: int) -> Image | None:
        """Returns the picture that was taken then; None where it is not there yet, not any more, or broken."""
        first, packets = self._ring.numbered(raw_at_ms)
        if not packets:
            return None
        decoder = self._decoder
        goes_on = first <= self._next <= first + len(packets) and self._seen_ms < raw_at_ms
        if decoder is None or decoder.codec != packets[0].codec or not goes_on:
            decoder = self._decoder = Decoder(packets[0].codec)
            self._next = first
        for packet in packets[self._next - first :]:
            self._next += 1
            for frame in decoder.decode(packet):
                self._seen_ms = frame.pts or 0
                if self._seen_ms >= raw_at_ms:
                    return decoder.picture(frame) if self._seen_ms == raw_at_ms else None
        return None


def decode_key(packet: Packet) -> Image | None:
    """Returns a key picture, which needs no other; None where it is broken."""
    try:
        decoder = Decoder(packet.codec)
    except av.error.FFmpegError:
        return None
    frames = decoder.decode(packet) + decoder.decode(None)
    return decoder.picture(frames[0]) if frames else None


def decode_all(packets: Iterable[Packet]) -> Iterator[tuple[VideoFrame, Decoder]]:
    """Yields every picture of packets that begin with a key picture, in the order of their times."""
    decoder: Decoder | None = None
    for packet in packets:
        if decoder is None or packet.codec != decoder.codec:
            if decoder is not None:
                yield from _paired(decoder.decode(None), decoder)
            decoder = Decoder(packet.codec)
        yield from _paired(decoder.decode(packet), decoder)
    if decoder is not None:
        yield from _paired(decoder.decode(None), decoder)


def _paired(frames: Iterable[VideoFrame], decoder: Decoder) -> Iterator[tuple[VideoFrame, Decoder]]:
    for frame in frames:
        yield frame, decoder


def _for_decoder(packet: Packet) -> av.Packet[Any]:
    made = av.Packet(packet.data)
    made.pts = made.dts = packet.raw_at_ms
    made.time_base = TICK
    made.is_keyframe = packet.is_key
    return made
