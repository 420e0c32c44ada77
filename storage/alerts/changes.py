"""What has changed in any alert, by whichever process: the growing numbers of their history."""

from __future__ import annotations

import msgspec
from sqlalchemy import func, select

from storage.database import Database
from storage.models import AlertHistoryRow, AlertRow


class ChangedAlert(msgspec.Struct, frozen=True, kw_only=True):
    """A line of history: its number, and whose alert it is of."""

    entry_id: int
    alert_id: str
    institution_id: str


class AlertChanges:
    """Safe to use from several threads and processes. New numbers are greater than all that can be read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last(self) -> int:
        """Returns the number of the last change, or 0."""
        with self._database.read() as session:
            return session.scalar(select(func.max(AlertHistoryRow.entry_id))) or 0

    def after(self, entry_id: int, limit: int) -> list[ChangedAlert]:
        """Returns at most so many changes after this one, oldest first."""
        query = (
            select(AlertHistoryRow.entry_id, AlertHistoryRow.alert_id, AlertRow.institution_id)
            .join(AlertRow, AlertRow.alert_id == AlertHistoryRow.alert_id)
            .where(AlertHistoryRow.entry_id > entry_id)
            .order_by(AlertHistoryRow.entry_id)
            .limit(limit)
        )
        with self._database.read() as session:
            return [msgspec.convert(row, ChangedAlert, from_attributes=True) for row in session.execute(query)]
