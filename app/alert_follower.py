"""Tells the open pages of one process of alerts that any process has changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from events.errors import TransientError
from storage.alerts.changes import AlertChanges, ChangedAlert

LOOK_EVERY_S: Final = 0.1
AWAY_S: Final = 1.0
TOGETHER: Final = 500

_log = structlog.get_logger()


class AlertFollower:
    """A thread that reads the history of all alerts on from its end. What it tells is a hint, pages read again."""

    def __init__(self, changes: AlertChanges, tell: Callable[[Sequence[ChangedAlert]], None]) -> None:
        self._changes, self._tell = changes, tell
        self._told: int | None = None
        self._is_away = False
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alert-follower", daemon=True)

    def start(self) -> None:
        """What changes from now on is told within some tenths of a second."""
        self._thread.start()

    def stop(self) -> None:
        """The thread has ended."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> bool:
        """Tells what has changed since the last look; returns whether there may be more.

        Raises: DatabaseUnavailable: nothing was told, and nothing is left out next time.
        """
        if self._told is None:
            self._told = self._changes.last()
        changed = self._changes.after(self._told, TOGETHER)
        if changed:
            self._tell(changed)
            self._told = changed[-1].entry_id
        return len(changed) == TOGETHER

    def _run(self) -> None:
        while not self._ends.is_set():
            try:
                has_more = self.look()
            except TransientError as error:
                if not self._is_away:
                    _log.warning("alerts.not_followed", error=str(error))
                self._is_away = True
                self._ends.wait(AWAY_S)
                continue
            self._is_away = False
            if not has_more:
                self._ends.wait(LOOK_EVERY_S)
