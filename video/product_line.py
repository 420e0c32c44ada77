"""The worker's end of its connection to the product; used by one thread."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Final

import structlog

from video.engine import Embedding
from video.messages import FromWorker, ToWorker, VisitorAsked, VisitorNamed, decode_to_worker, encode_message
from video.visitors.index import LEAST_FRAMES

ANSWERED_WITHIN_S: Final = 5.0
"""Who has no answer by then goes on without: a verdict waits no longer."""

_LOG = structlog.get_logger(__name__)


class ProductLine:
    """Sends what was seen, takes what is to be looked at, and asks who a visitor is.

    Everything raises EOFError or OSError once the product has gone.
    """

    def __init__(self, connection: Connection, *, answered_within_s: float = ANSWERED_WITHIN_S) -> None:
        self._connection, self._answered_within_s = connection, answered_within_s
        self._waiting: deque[ToWorker] = deque()
        self._asked = 0

    def send(self, message: FromWorker) -> None:
        """The message is on its way."""
        self._connection.send_bytes(encode_message(message))

    def take(self, wait_s: float) -> ToWorker | None:
        """Returns the next message, None when none comes in time."""
        if self._waiting:
            return self._waiting.popleft()
        return self._receive() if self._connection.poll(wait_s) else None

    def recognise(self, frames: Sequence[Embedding], institution_id: str, at_ms: int) -> str | None:
        """Returns what the region's one memory of visitors says, None where it says nothing in time.

        What else comes meanwhile is taken later.
        """
        if len(frames) < LEAST_FRAMES:
            return None
        self._asked += 1
        embeddings = [frame.tolist() for frame in frames]
        self.send(VisitorAsked(number=self._asked, institution_id=institution_id, embeddings=embeddings, at_ms=at_ms))
        ends_s = time.monotonic() + self._answered_within_s
        while self._connection.poll(max(0.0, ends_s - time.monotonic())):
            message = self._receive()
            if isinstance(message, VisitorNamed) and message.number == self._asked:
                return message.visitor_id
            self._waiting.append(message)
        _LOG.warning("visitor.not_answered")
        return None

    def _receive(self) -> ToWorker:
        return decode_to_worker(self._connection.recv_bytes())
