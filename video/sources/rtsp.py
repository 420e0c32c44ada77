"""A camera that streams by RTSP, over TCP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Final

import av

from video.sources.address import host_of
from video.sources.arrival import ArrivalClock
from video.sources.demuxing import Demuxed, reason_of, video_of
from video.sources.port import Clock, Packet, SourceError, wall_clock_ms

OPEN_WITHIN_S: Final = 3.0
READ_WITHIN_S: Final = 3.0
"""A server that stands still says nothing for ever."""
OPTIONS: Final = {
    "rtsp_transport": "tcp",
    "timeout": str(int(READ_WITHIN_S / 2 * 1_000_000)),  # FFmpeg waits twice before it gives up
    "allowed_media_types": "video",
    "analyzeduration": "1",  # the camera's description says enough; what is looked at first is lost
    "probesize": "32",
}


class RtspSource:
    """A camera at an rtsp:// or rtsps:// address, tied to this machine's clock."""

    def __init__(self, address: str, *, clock: Clock = wall_clock_ms) -> None:
        self._address, self._clock = address, clock
        self._host = host_of(address)

    def packets(self, stop: threading.Event) -> Iterator[Packet]:
        """Yields packets as they arrive, from the first key picture on.

        Raises: SourceError when the camera is not there, has hung up, or has sent nothing for three seconds.
        """
        try:
            container = av.open(self._address, "r", options=dict(OPTIONS), timeout=(OPEN_WITHIN_S, READ_WITHIN_S))
        except av.error.FFmpegError as error:
            raise SourceError(f"{self._host}: {_said(error, 'no answer')}") from error
        except UnicodeError as error:
            raise SourceError(f"{self._host}: an answer that nobody understands") from error
        try:
            for packet in self._dated(Demuxed(container, video_of(container, self._host))):
                if stop.is_set():
                    return
                yield packet
        except av.error.FFmpegError as error:
            raise SourceError(f"{self._host}: {_said(error, 'no picture')}") from error
        finally:
            container.close()
        raise SourceError(f"{self._host}: the camera has hung up")

    def _dated(self, demuxed: Demuxed) -> Iterator[Packet]:
        """Yields packets with their times. The first have no stamp until a second comes: those have their arrival's."""
        times, dated = ArrivalClock(), False
        waiting: list[tuple[int, bytes, bool]] = []
        for packet in demuxed:
            arrived_at_ms = self._clock()
            if packet.pts is None:
                if not dated:
                    waiting.append((arrived_at_ms, bytes(packet), packet.is_keyframe))
                continue
            raw_at_ms = times.time_of(round(1_000 * packet.pts * packet.time_base), arrived_at_ms)
            for before_ms, data, is_key in waiting:
                yield Packet(raw_at_ms=min(before_ms, raw_at_ms - 1), data=data, is_key=is_key, codec=demuxed.codec)
            waiting, dated = [], True
            yield Packet(raw_at_ms=raw_at_ms, data=bytes(packet), is_key=packet.is_keyframe, codec=demuxed.codec)


def _said(error: av.error.FFmpegError, what: str) -> str:
    """Returns why, in words: an exit by time-out is named for what was waited for."""
    if isinstance(error, av.error.ExitError | av.error.TimeoutError):
        return f"{what} for {READ_WITHIN_S:g} s"
    return reason_of(error)
