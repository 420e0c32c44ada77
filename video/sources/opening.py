"""Which source a camera's `source` names."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

from video.settings import CameraSettings
from video.sources.address import SCHEMES, is_address
from video.sources.file import FileSource
from video.sources.http import HttpSource
from video.sources.port import Packet, Source, SourceEnded
from video.sources.rtsp import RtspSource


def open_source(settings: CameraSettings, *, history_ms: int = 10_000) -> Source:
    """Returns the camera's source; nothing is connected before its packets are asked for.

    Args: history_ms is how much of its past a file delivers at once; a live camera has none.
    """
    source = settings.source
    if not is_address(source):
        return FileSource(settings, history_ms=history_ms)
    try:
        scheme = urlsplit(source).scheme
    except ValueError:
        scheme = ""
    if scheme in {"rtsp", "rtsps"}:
        return RtspSource(source)
    if scheme in {"http", "https"}:
        return HttpSource(source)
    return UnreadableSource(f"its address begins with none of {', '.join(f'{one}://' for one in SCHEMES)}")


class UnreadableSource:
    """A camera whose address nobody reads: it is away for good, and no other camera suffers from it."""

    def __init__(self, reason: str) -> None:
        """Args: reason is a sentence that names nothing secret."""
        self._reason = reason

    def packets(self, stop: threading.Event) -> Iterator[Packet]:  # noqa: ARG002 - the port's
        """Raises: SourceEnded at once."""
        raise SourceEnded(self._reason)
