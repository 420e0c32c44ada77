"""Work of which one process at a time does its part: held on a lease, and taken over when its holder is gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection

import structlog

from events.errors import TransientError
from storage.database import Database

RENEW_EVERY_S = 1.0
STOPS_WITHIN_S = 5.0
SURE_FOR_S = 8.0
"""So long after a lease was renewed nobody else can hold it: the server waits longer (postgresql.SILENT_HOLDER_MS)."""

_log = structlog.get_logger()


class Duties:
    """Named work of a database's processes. On SQLite, which has one process, all of it is always ours.

    A holder that is killed is followed within two seconds, one that is paused or cut off within seventeen; once it goes
    on it knows that the work is no longer its own.
    """

    def __init__(self, database: Database, names: Collection[str]) -> None:
        self._names = frozenset(names)
        self._lease = database.lease()
        self._held: frozenset[str] = frozenset()
        self._renewed_at_s = float("-inf")
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="duties", daemon=True)

    def start(self) -> None:
        """What nobody else holds is ours from now on; the rest once its holder is gone."""
        if self._lease is not None:
            self._renew()
            self._thread.start()

    def take_on(self, names: Collection[str]) -> None:
        """This work is asked for too, and held from about a second later on unless another process holds it."""
        self._names |= frozenset(names)

    def stop(self) -> None:
        """Others may take over."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join(STOPS_WITHIN_S)

    def is_mine(self, name: str) -> bool:
        """Returns whether this process does the work now. Callable from any thread; costs nothing."""
        if self._lease is None:
            return True
        return name in self._held and time.monotonic() - self._renewed_at_s < SURE_FOR_S

    def _run(self) -> None:
        while not self._ends.wait(RENEW_EVERY_S):
            self._renew()
        if self._lease is not None:
            self._held = frozenset()
            self._lease.release()

    def _renew(self) -> None:
        assert self._lease is not None  # noqa: S101 - only then the thread runs
        asked_at_s = time.monotonic()
        try:
            held = self._lease.renew(self._names)
        except TransientError as error:
            if self._held:
                _log.warning("duties.lost", names=sorted(self._held), error=str(error))
            self._held = frozenset()
            return
        self._renewed_at_s = asked_at_s
        if held - self._held:
            _log.info("duties.taken", names=sorted(held - self._held))
        self._held = held
