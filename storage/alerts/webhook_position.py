"""How far a webhook's receiver has been told, and what comes next."""

from __future__ import annotations

import msgspec
from sqlalchemy import func, select

from storage.database import Database
from storage.models import AlertHistoryRow, AlertRow, WebhookPositionRow
from storage.upsert import upsert


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to an alert, by whom and when."""

    entry_id: int
    action: str
    from_state: str
    to_state: str
    actor: str
    at_ms: int


class ChangedAlert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as it stands now; no person is named in it."""

    alert_id: str
    institution_id: str
    till_id: str
    detector: str
    severity: str
    route: str
    state: str
    settlement_id: str
    opened_at_ms: int
    answer: str | None
    answer_text: str | None
    answered_at_ms: int | None


class WebhookPosition:
    """The place of one receiver in the history of all alerts. Safe to use from several threads."""

    def __init__(self, database: Database, url: str) -> None:
        self._database, self._url = database, url

    def begin(self) -> int:
        """Returns the last change that the receiver was told; a new receiver begins with what happens from now on."""
        with self._database.session() as session:
            row = session.get(WebhookPositionRow, self._url)
            if row is None:
                row = WebhookPositionRow(
                    url=self._url, entry_id=session.scalar(select(func.max(AlertHistoryRow.entry_id))) or 0
                )
                session.add(row)
            return row.entry_id

    def told(self, entry_id: int) -> None:
        """The receiver has taken everything up to this change; it never goes back, whoever says so late."""
        with self._database.session() as session:
            row = session.get(WebhookPositionRow, self._url)
            known = 0 if row is None else row.entry_id
            upsert(session, WebhookPositionRow, [{"url": self._url, "entry_id": max(known, entry_id)}], "url")

    def next_after(self, entry_id: int) -> tuple[Change, ChangedAlert] | None:
        """Returns the first change after this one, with its alert, or None."""
        query = (
            select(AlertHistoryRow, AlertRow)
            .join(AlertRow, AlertRow.alert_id == AlertHistoryRow.alert_id)
            .where(AlertHistoryRow.entry_id > entry_id)
            .order_by(AlertHistoryRow.entry_id)
            .limit(1)
        )
        with self._database.read() as session:
            found = session.execute(query).first()
            if found is None:
                return None
            change, alert = found
            return (
                msgspec.convert(change, Change, from_attributes=True),
                msgspec.convert(alert, ChangedAlert, from_attributes=True),
            )

    def waiting(self, entry_id: int) -> int:
        """Returns how many changes came after this one."""
        query = select(func.count()).select_from(AlertHistoryRow).where(AlertHistoryRow.entry_id > entry_id)
        with self._database.read() as session:
            return session.scalar(query) or 0
