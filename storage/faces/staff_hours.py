"""Whether somebody of an institution's staff was seen at its counters, by the hour."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import delete, select

from storage.database import Database
from storage.models import StaffHourRow


class StaffHour(msgspec.Struct, frozen=True, kw_only=True):
    """Of the hour from `hour_ms` on: how many looks sought the role at the institution, and how many saw it."""

    institution_id: str
    role: str
    hour_ms: int
    looks: int
    seen: int


class StaffHours:
    """Safe to call from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def since(self, institution_ids: Collection[str], role: str, from_ms: int) -> list[StaffHour]:
        """Returns the hours from `from_ms` on in which anybody looked for the role at one of the institutions."""
        query = select(StaffHourRow).where(
            StaffHourRow.institution_id.in_(institution_ids), StaffHourRow.role == role, StaffHourRow.hour_ms >= from_ms
        )
        with self._database.read() as session:
            return [msgspec.convert(row, StaffHour, from_attributes=True) for row in session.scalars(query)]

    def remove_before(self, at_ms: int) -> None:
        """Afterwards nothing is known of hours that began before then."""
        with self._database.session() as session:
            session.execute(delete(StaffHourRow).where(StaffHourRow.hour_ms < at_ms))
