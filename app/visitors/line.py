"""The line to whoever remembers visitors elsewhere: asked within a second, left alone for a while when it is away."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Final

from app.visitors.shared import UnnamedSaid
from events.errors import TransientError
from video.messages import VisitorAsked, VisitorNamed

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0


class Circuit:
    """Whether somebody who did not answer is asked again: after a pause, each time a longer one, with jitter."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        """Somebody is asked."""
        self._clock_s, self._lock = clock_s, threading.Lock()
        self._pause_s, self._again_at_s = FIRST_PAUSE_S, 0.0

    @property
    def is_closed(self) -> bool:
        """Returns whether to ask now."""
        return self._clock_s() >= self._again_at_s

    def failed(self) -> None:
        """Nobody is asked for a while; those who asked before that began make it no longer."""
        with self._lock:
            if not self.is_closed:
                return
            self._again_at_s = self._clock_s() + self._pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
            self._pause_s = min(LONGEST_PAUSE_S, 2 * self._pause_s)

    def succeeded(self) -> None:
        """The next pause is the first again."""
        with self._lock:
            self._pause_s, self._again_at_s = FIRST_PAUSE_S, 0.0


class VisitorLine:
    """A `VisitorNaming`: whoever is away names nobody, and a verdict waits for one attempt at most."""

    def __init__(
        self,
        ask: Callable[[VisitorAsked], VisitorNamed],
        *,
        on_unnamed: Callable[[], None],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args: `ask` raises TransientError when there is no answer within a second; `on_unnamed` counts those."""
        self._ask, self._circuit, self._said = ask, Circuit(clock_s), UnnamedSaid(on_unnamed)

    def open(self) -> None:
        """Nothing is to be opened here."""

    def answer(self, asked: VisitorAsked) -> VisitorNamed:
        """Returns who it is, nobody where whoever knows is away."""
        nobody = VisitorNamed(number=asked.number, visitor_id=None)
        if not self._circuit.is_closed:
            self._said.failed("not asked: it was away a moment ago")
            return nobody
        try:
            named = self._ask(asked)
        except TransientError as error:
            self._circuit.failed()
            self._said.failed(str(error))
            return nobody
        self._circuit.succeeded()
        self._said.succeeded()
        return named
