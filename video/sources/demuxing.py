"""Packets out of an open container: every key picture with its parameter sets, whoever wrote them where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import av
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.packet import Packet as StreamPacket
from av.video.stream import VideoStream

from video.sources.port import SourceError

FILTERS: Final = {
    "h264": "h264_mp4toannexb,dump_extra=freq=keyframe",
    "hevc": "hevc_mp4toannexb,dump_extra=freq=keyframe",
}
"""Puts the parameter sets in front of each key picture, where a decoder that starts there looks for them."""


def video_of(container: InputContainer, name: str) -> VideoStream:
    """Returns the first video stream of a container. Raises: SourceError where there is none."""
    if not container.streams.video:
        raise SourceError(f"{name}: sends no video")
    return container.streams.video[0]


class Demuxed:
    """The packets of one video stream from the first key picture on."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._container, self._stream = container, stream
        self.codec = stream.codec_context.codec.canonical_name
        filters = FILTERS.get(self.codec)
        self._filter = BitStreamFilterContext(filters, stream) if filters else None

    def __iter__(self) -> Iterator[StreamPacket[VideoStream]]:
        """Yields packets that have content; some have no time. Raises: av.error.FFmpegError as the container does."""
        begun = False
        for packet in self._container.demux(self._stream):
            if packet.size == 0 or packet.is_corrupt:
                continue
            begun = begun or packet.is_keyframe
            if begun:
                yield from [packet] if self._filter is None else self._filter.filter(packet)


def reason_of(error: av.error.FFmpegError) -> str:
    """Returns what went wrong without the address, which may carry a password."""
    return error.strerror or type(error).__name__
