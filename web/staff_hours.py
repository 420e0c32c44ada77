"""Whether a pharmacist was seen at a store's counters, by the hour: shown, and never an alert or a finding."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Final, Literal

import msgspec

from alerts.dark_terminals import Hours, is_open
from storage.faces.staff import StaffRole
from storage.faces.staff_hours import StaffHour, StaffHours
from storage.opening_hours import OpeningHours
from web.ports import WebServices

HOUR_MS: Final = 3_600_000
HALF_HOUR_MS: Final = HOUR_MS // 2
SHOWN_HOURS: Final = 24
ROLE: Final[StaffRole] = "pharmacist"
LEAST_LOOKS: Final = 30
"""Of an hour with fewer looks than this, ten minutes' worth, nobody can say that somebody was not there."""

StaffState = Literal["present", "absent", "unknown", "closed"]


class StaffCell(msgspec.Struct, frozen=True, kw_only=True):
    """One hour of a store: `unknown` where cameras could not look, or not often enough."""

    hour_ms: int
    state: StaffState
    looks: int
    seen: int


class StaffDay(msgspec.Struct, frozen=True, kw_only=True):
    """The last hours of one store, the oldest first; the hour that it is now is the last."""

    institution_id: str
    cells: tuple[StaffCell, ...]


class PharmacistDays:
    """Safe to call from any thread; stores' opening hours are read once each."""

    def __init__(self, services: WebServices) -> None:
        self._services, self._hours = services, OpeningHours(services.database)
        self._lock = threading.Lock()

    def of(self, institution_ids: Collection[str]) -> list[StaffDay]:
        """Returns the hours of those of the stores that have a pharmacist enrolled."""
        staff = self._services.enrolment.staff.enrolled(institution_ids)
        wanted = sorted({one.institution_id for one in staff if one.role == ROLE})
        if not wanted:
            return []
        now_ms = self._services.now_ms()
        first_ms = now_ms - now_ms % HOUR_MS - (SHOWN_HOURS - 1) * HOUR_MS
        looked = StaffHours(self._services.database).since(wanted, ROLE, first_ms)
        known = {(one.institution_id, one.hour_ms): one for one in looked}
        times = range(first_ms, now_ms + 1, HOUR_MS)
        with self._lock:
            self._hours.read_on()
            return [
                StaffDay(
                    institution_id=one,
                    cells=tuple(
                        staff_cell(at_ms, known.get((one, at_ms)), self._hours.of(one, at_ms)) for at_ms in times
                    ),
                )
                for one in wanted
            ]


def staff_cell(hour_ms: int, looked: StaffHour | None, hours: Hours | None) -> StaffCell:
    """Returns what is said of one hour; one in whose middle the store is closed is, unless somebody was seen."""
    looks, seen = (looked.looks, looked.seen) if looked is not None else (0, 0)
    state: StaffState = "absent" if looks >= LEAST_LOOKS else "unknown"
    if seen:
        state = "present"
    elif hours is not None and not is_open(hours, hour_ms + HALF_HOUR_MS):
        state = "closed"
    return StaffCell(hour_ms=hour_ms, state=state, looks=looks, seen=seen)
