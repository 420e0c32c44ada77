"""Answers of terminals, each once however often it is sent: a terminal gives every answer an id of its own."""

from __future__ import annotations

import hashlib

import msgspec
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from storage.alerts.desk import alert_row
from storage.database import Database
from storage.errors import AnswerIdTaken
from storage.findings import decode_finding
from storage.models import (
    AcceptedEvent,
    AlertFindingRow,
    AlertHistoryRow,
    FindingRow,
    NoticeRow,
    TerminalAnswerRow,
)


class Purchase(msgspec.Struct, frozen=True, kw_only=True):
    """A settlement that a card shows, and whose card paid it."""

    settlement_id: str
    institution_id: str
    person_id: str


class TerminalAnswers:
    """Safe to use from several threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, terminal: str, answer_id: str, alert_id: str, said: bytes, at_ms: int) -> int:
        """Returns when the answer was given: the `at_ms` that it first came with.

        Raises: UnknownAlert; AnswerIdTaken when the id stands for another answer, to this or another alert.
        """
        content = hashlib.sha256(said).hexdigest()
        with self._database.session() as session:
            alert_row(session, alert_id)
            known = session.get(TerminalAnswerRow, (terminal, answer_id))
            if known is None:
                row = TerminalAnswerRow(
                    terminal=terminal, answer_id=answer_id, alert_id=alert_id, content=content, at_ms=at_ms
                )
                session.add(row)
                return at_ms
            if (known.alert_id, known.content) != (alert_id, content):
                raise AnswerIdTaken(answer_id)
            return known.at_ms

    def purchases(self, alert_id: str) -> list[Purchase]:
        """Returns the settlements that stand on the store's card of an alert, by number, as far as the log has them.

        Of an alert whose facts were all withdrawn those that it was about: the store may answer a moment later.
        """
        query = (
            select(AlertFindingRow.to_store, AlertFindingRow.standing, FindingRow.body)
            .join(FindingRow, AlertFindingRow.finding_id == FindingRow.finding_id)
            .where(AlertFindingRow.alert_id == alert_id)
        )
        with self._database.read() as session:
            found = session.execute(query).all()
            shown = [row for row in found if row.to_store and row.standing] or [
                row for row in found if not row.standing
            ]
            settlement_ids = {decode_finding(row.body).settlement_id for row in shown}
            swipes = session.scalars(
                select(AcceptedEvent.original)
                .where(AcceptedEvent.settlement_id.in_(sorted(settlement_ids)), AcceptedEvent.type == "swipe")
                .order_by(AcceptedEvent.settlement_id)
            )
            return [msgspec.json.decode(original, type=Purchase) for original in swipes]


def mark_recorded(session: Session, terminal: str, answer_id: str, now_ms: int) -> bool:
    """Returns whether the answer was not on its alert before; with the caller's transaction it is."""
    found = session.scalar(
        update(TerminalAnswerRow)
        .where(
            TerminalAnswerRow.terminal == terminal,
            TerminalAnswerRow.answer_id == answer_id,
            TerminalAnswerRow.recorded_at_ms.is_(None),
        )
        .values(recorded_at_ms=now_ms)
        .returning(TerminalAnswerRow.answer_id)
    )
    return found is not None


def was_asked_again(session: Session, alert_id: str, notice_id: int) -> bool:
    """Returns whether facts that ask the store anew came after the notice."""
    told_at_ms = select(NoticeRow.created_at_ms).where(NoticeRow.notice_id == notice_id).scalar_subquery()
    renewed = select(AlertHistoryRow.entry_id).where(
        AlertHistoryRow.alert_id == alert_id, AlertHistoryRow.action == "renew", AlertHistoryRow.at_ms > told_at_ms
    )
    return session.scalar(renewed.limit(1)) is not None
