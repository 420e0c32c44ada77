"""The one memory of visitors for all worker processes of this machine; embeddings stay between it and them."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from events.errors import ConfigError
from video.messages import VisitorAsked, VisitorNamed
from video.sealing import seal_with
from video.settings import VideoSettings
from video.visitors import VisitorFile, VisitorIndex


class SharedVisitors:
    """Answers one question after the other, whichever process asks. Callable from several threads."""

    def __init__(self, settings: VideoSettings) -> None:
        """Nothing is read yet."""
        self._settings = settings
        self._index: VisitorIndex | None = None
        self._lock = threading.Lock()

    def open(self) -> None:
        """Afterwards visitors are known. Raises: ConfigError when the file does not open with its key."""
        with self._lock:
            self._opened()

    def answer(self, asked: VisitorAsked) -> VisitorNamed:
        """Returns who it is; a new visitor is on disk before. Raises: ConfigError as `open` does."""
        frames = [np.array(embedding, dtype=np.float32) for embedding in asked.embeddings]
        with self._lock:
            visitor_id = self._opened().recognise(frames, asked.at_ms)
        return VisitorNamed(number=asked.number, visitor_id=visitor_id)

    def save(self) -> None:
        """Afterwards the file holds every visitor and its last sight."""
        with self._lock:
            if self._index is not None:
                self._index.save()

    def _opened(self) -> VisitorIndex:
        settings = self._settings
        if self._index is None:
            self._index = VisitorIndex(
                similarity=settings.visitor_similarity,
                ttl_ms=settings.visitor_ttl_ms,
                capacity=settings.visitor_capacity,
                file=_file_of(settings),
            )
        return self._index


def _file_of(settings: VideoSettings) -> VisitorFile | None:
    if settings.visitor_file is None:
        return None
    if settings.visitor_key is None:
        raise ConfigError("video", "visitor_key", None, "a key: visitors are only kept sealed")
    return VisitorFile(path=Path(settings.visitor_file), seal=seal_with(settings.visitor_key, "visitors"))
