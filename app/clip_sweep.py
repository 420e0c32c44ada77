"""Deletes the clips whose time is up, once an hour."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from events.errors import TransientError
from storage.clips import ClipStore

SWEEP_EVERY_S = 3_600.0

_log = structlog.get_logger()


class ClipSweep:
    """A thread that sweeps at the start and then every hour; `sweep` is one such sweep."""

    def __init__(
        self,
        clips: ClipStore,
        *,
        clock_ms: Callable[[], int],
        kept_ms: int,
        alerted_kept_ms: int,
        is_mine: Callable[[], bool] = lambda: True,
    ) -> None:
        """Args: `is_mine` says whether, of several processes, this one sweeps."""
        self._clips, self._clock_ms, self._is_mine = clips, clock_ms, is_mine
        self._kept_ms, self._alerted_kept_ms = kept_ms, max(kept_ms, alerted_kept_ms)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clip-sweep", daemon=True)

    def start(self) -> None:
        """The thread sweeps from now on."""
        self._thread.start()

    def stop(self) -> None:
        """The thread has ended."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()

    def sweep(self) -> int:
        """Returns how many clips were deleted; what cannot be deleted now is tried again next time."""
        if not self._is_mine():
            return 0
        now_ms = self._clock_ms()
        try:
            removed = self._clips.remove_expired(now_ms - self._kept_ms, now_ms - self._alerted_kept_ms)
        except TransientError as error:
            _log.warning("clips.not_removed", error=str(error))
            return 0
        if removed:
            _log.info("clips.removed", removed_count=removed)
        return removed

    def _run(self) -> None:
        self.sweep()
        while not self._ends.wait(SWEEP_EVERY_S):
            self.sweep()
