"""Sends what waits to the centre, the oldest first, and again until the centre has it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from app.at_store.buffer import Kind, StoreBuffer
from app.at_store.centre import Centre, CentreAway, NeverTaken, TokenRefused

LOOK_EVERY_S: Final = 1.0
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 4.0
REFUSED_PAUSE_S: Final = 30.0
STOP_PATIENCE_S: Final = 3.0

_log = structlog.get_logger()


class Pauses:
    """How long to wait before the next attempt: longer each time, with jitter, until one succeeds."""

    def __init__(self) -> None:
        self._next_s = FIRST_PAUSE_S

    def succeeded(self) -> None:
        """The next pause is the first again."""
        self._next_s = FIRST_PAUSE_S

    def after(self, error: CentreAway | TokenRefused) -> float:
        """Returns how many seconds to wait after an attempt that failed."""
        if isinstance(error, TokenRefused):
            return REFUSED_PAUSE_S * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        pause_s, self._next_s = self._next_s, min(LONGEST_PAUSE_S, 2 * self._next_s)
        return max(error.retry_after_s, pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter


class Sender:
    """A thread that sends some kinds, in order: a request waits until the one before it is with the centre.

    What observations say is needed at once, and is small; originals have a sender of their own, so that a film on its
    way over a thin line does not hold a verdict up.
    """

    def __init__(
        self, buffer: StoreBuffer, centre: Centre, kinds: Sequence[Kind], *, on_sent: Callable[[int], None]
    ) -> None:
        """Args: the first of `kinds` that has a message goes first; `on_sent` is told how many were sent."""
        self._buffer, self._centre, self._kinds, self._on_sent = buffer, centre, kinds, on_sent
        self._pauses, self._ends = Pauses(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"sender-{kinds[0]}", daemon=True)
        self.problem: str | None = None

    def start(self) -> None:
        """Sends from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Nothing more is sent; what the centre has not confirmed waits for the next start."""
        self._ends.set()
        self._centre.close()
        if self._thread.is_alive():
            self._thread.join(STOP_PATIENCE_S)

    def _run(self) -> None:
        while not self._ends.is_set():
            numbers = self._buffer.take(self._kinds, LOOK_EVERY_S)
            try:
                self._send_taken(numbers)
            except Exception as error:  # noqa: BLE001 - the thread's boundary: without it nothing were sent, silently
                if not self._ends.is_set():
                    _log.exception("messages.not_sent")
                self._wait(numbers, CentreAway(f"{type(error).__name__}: {error}"))

    def _send_taken(self, numbers: Sequence[int]) -> None:
        read = [(number, self._buffer.read(number)) for number in numbers]
        messages = [(number, message) for number, message in read if message is not None]
        if messages:
            self._send(messages)
        else:
            self.problem = None  # what could not be sent has found no room since

    def _send(self, messages: Sequence[tuple[int, bytes]]) -> bool:
        """Returns whether the centre can be reached; messages that it takes, or never will, wait no longer."""
        try:
            self._centre.send([message for _, message in messages])
        except NeverTaken as error:
            if len(messages) > 1:
                return self._send_one_by_one(messages)
            _log.error("message.refused", reason=str(error))
            self._buffer.give_up(messages[0][0])
        except (CentreAway, TokenRefused) as error:
            self._wait(_numbers(messages), error)
            return False
        else:
            for number, _ in messages:
                self._buffer.sent(number)
            self._on_sent(len(messages))
        if self.problem is not None:
            _log.info("centre.reached")
        self.problem = None
        self._pauses.succeeded()
        return True

    def _send_one_by_one(self, messages: Sequence[tuple[int, bytes]]) -> bool:
        """One of them is refused: the others are not to suffer for it."""
        for place, message in enumerate(messages):
            if not self._send([message]):
                self._put_back(_numbers(messages[place + 1 :]))
                return False
        return True

    def _wait(self, numbers: Sequence[int], error: CentreAway | TokenRefused) -> None:
        self._put_back(numbers)
        if self._ends.is_set():
            return
        if self.problem is None:
            _log.warning("centre.away", reason=str(error))
        self.problem = str(error)
        self._ends.wait(self._pauses.after(error))

    def _put_back(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._buffer.put_back(number)


def _numbers(messages: Sequence[tuple[int, bytes]]) -> list[int]:
    return [number for number, _ in messages]
