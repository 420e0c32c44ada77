"""What a worker process is told, written beside whoever tells it."""

from __future__ import annotations

import queue
import threading
from multiprocessing.connection import Connection
from typing import Final

import structlog

from video.messages import SwipeSeen, ToWorker, encode_message

OUTBOX_MESSAGES: Final = 1_000
"""A swipe that finds so many messages waiting for a worker that does not read is dropped, and said."""

_log = structlog.get_logger()


class Outbox:
    """Messages to one worker, written by a thread of their own: whoever puts one in never waits for the worker."""

    def __init__(self, connection: Connection, *, most_waiting: int = OUTBOX_MESSAGES) -> None:
        self._connection, self._most_waiting = connection, most_waiting
        self._messages: queue.SimpleQueue[ToWorker | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="camera-outbox", daemon=True)
        self._thread.start()

    def put(self, message: ToWorker) -> None:
        """The message will be written, unless the worker dies, or is too far behind and it is a swipe."""
        if isinstance(message, SwipeSeen) and self._messages.qsize() >= self._most_waiting:
            _log.warning("camera_worker.behind", message=type(message).__name__)
        else:
            self._messages.put(message)

    def close(self) -> None:
        """Nothing is written any more; the worker at the other end has ended."""
        self._messages.put(None)
        self._thread.join()

    def _write(self) -> None:
        while (message := self._messages.get()) is not None:
            try:
                self._connection.send_bytes(encode_message(message))
            except (OSError, ValueError):  # the worker has just died; the supervisor sees it too
                _log.warning("camera_worker.unreachable", message=type(message).__name__)
                return
