"""Waiting, from outside, until a running product has decided all that it accepted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from app.clock import now_ms
from events.errors import TransientError
from storage.database import Database
from storage.progress import Progress, Undecided

LOOK_EVERY_S: Final = 0.2
PATIENCE_S: Final = 60.0


def wait_until_decided(database: Database, brokers: str | None = None) -> None:
    """Returns once everything that was accepted is decided; of a cluster, once all is that its topics had.

    Args: `brokers` are those of a cluster; None for a product that serves alone.
    Raises: TransientError when nothing has moved for a minute although something should: the product is not running.
    """
    if brokers is None:
        _wait(Progress(database).undecided)
        return
    from streams.cluster.undecided import cluster_progress  # Kafka's client is loaded by those who need it

    with cluster_progress(brokers, database) as progress:
        _wait(progress.undecided)


def _wait(undecided: Callable[[], Undecided | None]) -> None:
    last = undecided()
    deadline = time.monotonic() + PATIENCE_S
    while last is not None:
        waits_ms = max(0, (last.waiting_until_ms or 0) - now_ms())
        if time.monotonic() > deadline + waits_ms / 1000:
            raise TransientError(
                f"{last.events} accepted events are not decided and nothing moves: is the product running?"
            )
        time.sleep(LOOK_EVERY_S)
        current = undecided()
        if current != last:
            last, deadline = current, time.monotonic() + PATIENCE_S
