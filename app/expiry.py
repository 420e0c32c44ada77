"""Deletes the evidence whose time is up, makes room on a disk that is nearly full, and says what went."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from config.settings import EvidenceSettings
from events.errors import TransientError
from events.findings import SEVERITIES
from events.metrics import EVIDENCE_FREE_BYTES, EVIDENCE_REMOVED, EVIDENCE_REMOVED_BYTES
from storage.database import Database
from storage.evidence.kept_files import KeptFiles
from storage.evidence.removals import Removals
from storage.evidence.retention import EvidenceRetention, KeepingTimes
from storage.faces.staff_hours import StaffHours
from storage.faces.visitors import VisitorRecord
from web.measurements import Measurements
from web.ports import FreeSpace

LOOK_EVERY_S: Final = 30.0
"""How often it is asked whether the disk is nearly full."""
EXPIRE_EVERY_MS: Final = 3_600_000
SEEN_FACES_MS: Final = 31 * 24 * 3_600_000
"""So long it is known where a visitor was seen, and in which hours staff was."""
UNNAMED_EVERY_MS: Final = 24 * 3_600_000
UNNAMED_GRACE_S: Final = 3_600.0
"""A file is written before its row: so long it may wait for one."""

_log = structlog.get_logger()


def keeping_times(settings: EvidenceSettings) -> KeepingTimes:
    """Returns how long evidence is kept."""
    return KeepingTimes(
        still_ms=int(settings.still),
        film_ms=int(settings.clip),
        alerted_ms={severity: int(getattr(settings.alerted, severity)) for severity in SEVERITIES},
    )


def free_space(directory: Path, least_bytes: int) -> FreeSpace:
    """Returns how much room there is on the disk of a folder."""
    return FreeSpace(free_bytes=shutil.disk_usage(directory).free, least_bytes=least_bytes)


class Expiry:
    """A thread that looks every half minute; `look` is one such look.

    What is over goes once an hour, files that no row names once a day, and with too little room the least valuable at
    once. What cannot be deleted now is tried again.
    """

    def __init__(
        self,
        database: Database,
        kept: Sequence[KeptFiles],
        measurements: Measurements,
        *,
        times: KeepingTimes,
        space: Callable[[], FreeSpace],
        clock_ms: Callable[[], int],
        is_mine: Callable[[], bool] = lambda: True,
    ) -> None:
        """Args: `is_mine` says whether, of several processes, this one deletes."""
        self._retention, self._removals = EvidenceRetention(database, kept), Removals(database)
        self._visitors, self._staff_hours = VisitorRecord(database), StaffHours(database)
        self._measurements, self._times, self._space = measurements, times, space
        self._clock_ms, self._is_mine = clock_ms, is_mine
        self._expired_at_ms = self._unnamed_at_ms = 0
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="expiry", daemon=True)

    def start(self) -> None:
        """The thread looks from now on."""
        self._thread.start()

    def stop(self) -> None:
        """The thread has ended."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Afterwards what is due was deleted, and what was deleted is told."""
        if not self._is_mine():
            return
        now_ms = self._clock_ms()
        try:
            self._delete_what_is_due(now_ms)
        except (TransientError, OSError) as error:
            _log.warning("evidence.not_removed", error=str(error))
        self._tell(now_ms)

    def _delete_what_is_due(self, now_ms: int) -> None:
        if now_ms - self._expired_at_ms >= EXPIRE_EVERY_MS:
            self._retention.remove_expired(self._times, now_ms)
            self._visitors.remove_before(now_ms - SEEN_FACES_MS)
            self._staff_hours.remove_before(now_ms - SEEN_FACES_MS)
            self._expired_at_ms = now_ms
        if now_ms - self._unnamed_at_ms >= UNNAMED_EVERY_MS:
            left_count = self._retention.remove_unnamed(UNNAMED_GRACE_S, now_ms)
            if left_count:
                _log.warning("evidence.unnamed_left", file_count=left_count)
            self._unnamed_at_ms = now_ms
        self._make_room(now_ms)

    def _make_room(self, now_ms: int) -> None:
        space = self._space()
        self._measurements.set_level(EVIDENCE_FREE_BYTES, space.free_bytes)
        if not space.is_short:
            return
        _log.warning("evidence.disk_nearly_full", free_bytes=space.free_bytes, least_bytes=space.least_bytes)
        if not self._retention.make_room(lambda: not self._space().is_short or self._ends.is_set(), now_ms):
            _log.error("evidence.disk_full", least_bytes=space.least_bytes)
        self._measurements.set_level(EVIDENCE_FREE_BYTES, self._space().free_bytes)

    def _tell(self, now_ms: int) -> None:
        try:
            removed = self._removals.of(now_ms)
        except TransientError as error:
            _log.warning("evidence.not_removed", error=str(error))
            return
        for one in removed:
            _log.info(
                "evidence.removed",
                kind=one.kind,
                reason=one.reason,
                file_count=one.file_count,
                size_bytes=one.size_bytes,
            )
            self._measurements.count(EVIDENCE_REMOVED, one.file_count, kind=one.kind, reason=one.reason)
            self._measurements.count(EVIDENCE_REMOVED_BYTES, one.size_bytes, kind=one.kind, reason=one.reason)

    def _run(self) -> None:
        self.look()
        while not self._ends.wait(LOOK_EVERY_S):
            self.look()
