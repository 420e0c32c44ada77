"""The source port: what any camera yields, and how it says that it yields nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from events.errors import TransientError

Clock = Callable[[], int]


class SourceError(TransientError):
    """A camera or clip delivers nothing; the message says why, names no password, and trying again may help."""


class SourceEnded(SourceError):
    """A clip that is not looped is over; trying again does not help."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Packet:
    """One compressed picture as the camera sent it.

    `raw_at_ms` is when the camera showed it, by its own clock; packets come in the order in which they are decoded.
    `codec` is FFmpeg's name: h264, hevc, mjpeg, … A key picture needs no other packet: it carries the parameter sets.
    """

    raw_at_ms: int
    data: bytes
    is_key: bool
    codec: str


class Source(Protocol):
    """A camera or something that stands for one."""

    def packets(self, stop: threading.Event) -> Iterator[Packet]:
        """Yields packets as they come, the first a key picture, until stop is set.

        Raises: SourceError when no more come, at the latest a few seconds after the last.
        """


def wall_clock_ms() -> int:
    """Returns the time of day in milliseconds UTC."""
    return time.time_ns() // 1_000_000
