"""Waiting, from outside, until a running product has decided all that it accepted."""

from __future__ import annotations

import time

from app.product import now_ms
from events.errors import TransientError
from storage.database import Database
from storage.progress import Progress

LOOK_EVERY_S = 0.2
PATIENCE_S = 60.0


def wait_until_decided(database: Database) -> None:
    """Returns once everything that was accepted is decided.

    Raises: TransientError when nothing has moved for a minute although something should: the product is not running.
    """
    progress = Progress(database)
    last = progress.undecided()
    deadline = time.monotonic() + PATIENCE_S
    while last is not None:
        waits_ms = max(0, (last.waiting_until_ms or 0) - now_ms())
        if time.monotonic() > deadline + waits_ms / 1000:
            raise TransientError(
                f"{last.events} accepted events are not decided and nothing moves: is the product running?"
            )
        time.sleep(LOOK_EVERY_S)
        current = progress.undecided()
        if current != last:
            last, deadline = current, time.monotonic() + PATIENCE_S
