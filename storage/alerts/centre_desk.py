"""What the centre's people keep for themselves and do beside the alerts: reviews, searches, snoozes, cases."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import Select, delete, select, update
from sqlalchemy.orm import Session

from storage.alerts.desk import AlertChange, alert_row, change_of
from storage.database import Database
from storage.models import AlertHistoryRow, AlertRow, CaseRecordRow, ReviewedRow, SavedSearchRow, SnoozeRow
from storage.upsert import insert_new


class SavedSearch(msgspec.Struct, frozen=True, kw_only=True):
    """A search that a person has named; `query` is the part of the list's address after the `?`."""

    search_id: int
    name: str
    query: str


class StandingSnooze(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that is silent for an entity (`field=value`) until a moment."""

    snooze_id: int
    detector: str
    entity: str
    reason: str
    by: str
    until_ms: int


class CaseRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that waits for an auditor."""

    case_id: int
    alert_id: str
    opened_at_ms: int
    opened_by: str
    note: str


class CentreDesk:
    """Safe to use from several threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -------------------------------------------------------------------------------------------- reviews

    def review(self, alert_id: str, username: str, now_ms: int) -> str:
        """Returns the alert's institution; the alert is no longer among those that this person has not reviewed.

        Raises: UnknownAlert.
        """
        with self._database.session() as session:
            institution_id = alert_row(session, alert_id).institution_id
            row: dict[str, object] = {"username": username, "alert_id": alert_id, "at_ms": now_ms}
            insert_new(session, ReviewedRow, [row], "username", "alert_id")
        return institution_id

    def unreview(self, alert_id: str, username: str) -> str:
        """Returns the alert's institution; the alert is among those that this person has not reviewed.

        Raises: UnknownAlert.
        """
        with self._database.session() as session:
            institution_id = alert_row(session, alert_id).institution_id
            session.execute(
                delete(ReviewedRow).where(ReviewedRow.username == username, ReviewedRow.alert_id == alert_id)
            )
        return institution_id

    def reviewed_by(self, username: str, alert_ids: Collection[str]) -> frozenset[str]:
        """Returns those of the alerts (a few hundred at most) that the person has reviewed."""
        query = select(ReviewedRow.alert_id).where(
            ReviewedRow.username == username, ReviewedRow.alert_id.in_(sorted(alert_ids))
        )
        with self._database.read() as session:
            return frozenset(session.scalars(query))

    # -------------------------------------------------------------------------------------------- saved searches

    def save_search(self, username: str, name: str, query: str, now_ms: int) -> None:
        """Afterwards the person has a search of this name; one of the same name before it is replaced."""
        with self._database.session() as session:
            session.execute(
                delete(SavedSearchRow).where(SavedSearchRow.username == username, SavedSearchRow.name == name)
            )
            session.add(SavedSearchRow(username=username, name=name, query=query, saved_at_ms=now_ms))

    def searches_of(self, username: str) -> list[SavedSearch]:
        """Returns the person's searches by name."""
        query = select(SavedSearchRow).where(SavedSearchRow.username == username).order_by(SavedSearchRow.name)
        with self._database.read() as session:
            return [
                SavedSearch(search_id=row.search_id, name=row.name, query=row.query) for row in session.scalars(query)
            ]

    def forget_search(self, username: str, search_id: int) -> None:
        """Afterwards the person has no such search; another person's is not touched."""
        with self._database.session() as session:
            session.execute(
                delete(SavedSearchRow).where(SavedSearchRow.username == username, SavedSearchRow.search_id == search_id)
            )

    # -------------------------------------------------------------------------------------------- snoozes

    def snooze(self, alert_id: str, snoozed: StandingSnooze, now_ms: int) -> str:
        """Returns the alert's institution; findings of the rule about the entity make no alert until the end.

        The alert's history says who did it, for which entity and why. Raises: UnknownAlert.
        """
        with self._database.session() as session:
            alert = alert_row(session, alert_id)
            row = SnoozeRow(
                detector=snoozed.detector,
                entity=snoozed.entity,
                reason=snoozed.reason,
                by=snoozed.by,
                until_ms=snoozed.until_ms,
            )
            session.add(row)
            _write_history(session, alert, "snooze", snoozed.by, _snooze_note(row), now_ms)
        return alert.institution_id

    def snoozes(self, now_ms: int) -> list[StandingSnooze]:
        """Returns the snoozes that stand now, the one that ends first in front."""
        query = select(SnoozeRow).where(SnoozeRow.until_ms > now_ms).order_by(SnoozeRow.until_ms, SnoozeRow.snooze_id)
        with self._database.read() as session:
            return [msgspec.convert(row, StandingSnooze, from_attributes=True) for row in session.scalars(query)]

    def end_snooze(self, snooze_id: int, by: str, now_ms: int) -> AlertChange | None:
        """Returns the alert that the snooze was set from, whose history says who ended it; None for one that stood not.

        From now on the rule speaks of the entity again.
        """
        with self._database.read() as session:  # the history may be long: no writer waits for it
            snoozed = session.get(SnoozeRow, snooze_id)
            if snoozed is None or snoozed.until_ms <= now_ms:
                return None
            alert_id = session.scalars(_set_from(snoozed)).one()
        ended = (
            update(SnoozeRow)
            .where(SnoozeRow.snooze_id == snooze_id, SnoozeRow.until_ms > now_ms)
            .values(until_ms=now_ms)
            .returning(SnoozeRow.snooze_id)
        )
        with self._database.session() as session:
            if session.scalar(ended) is None:
                return None
            alert = alert_row(session, alert_id)
            _write_history(session, alert, "snooze_ended", by, f"{snoozed.detector} {snoozed.entity}", now_ms)
        return change_of(alert)

    # -------------------------------------------------------------------------------------------- cases

    def hand_over(self, alert_id: str, by: str, note: str, now_ms: int) -> str:
        """Returns the alert's institution; the alert is a case that waits for an auditor, and its history says so.

        Raises: UnknownAlert.
        """
        with self._database.session() as session:
            alert = alert_row(session, alert_id)
            session.add(CaseRecordRow(alert_id=alert_id, opened_at_ms=now_ms, opened_by=by, note=note))
            _write_history(session, alert, "hand_over", by, note, now_ms)
        return alert.institution_id

    def cases_of(self, alert_id: str) -> list[CaseRecord]:
        """Returns the cases that an alert was handed over as, the latest first."""
        query = select(CaseRecordRow).where(CaseRecordRow.alert_id == alert_id).order_by(CaseRecordRow.case_id.desc())
        with self._database.read() as session:
            return [msgspec.convert(row, CaseRecord, from_attributes=True) for row in session.scalars(query)]


def _snooze_note(snoozed: SnoozeRow) -> str:
    return f"{snoozed.detector} {snoozed.entity} {snoozed.until_ms}: {snoozed.reason}"


def _set_from(snoozed: SnoozeRow) -> Select[str]:
    """Returns the query for the alert whose history says that the snooze was set; the newest lines are read first."""
    return (
        select(AlertHistoryRow.alert_id)
        .where(
            AlertHistoryRow.action == "snooze",
            AlertHistoryRow.actor == snoozed.by,
            AlertHistoryRow.note == _snooze_note(snoozed),
        )
        .order_by(AlertHistoryRow.entry_id.desc())
        .limit(1)
    )


def _write_history(session: Session, alert: AlertRow, action: str, actor: str, note: str, now_ms: int) -> None:
    session.add(
        AlertHistoryRow(
            alert_id=alert.alert_id,
            at_ms=now_ms,
            actor=actor,
            action=action,
            from_state=alert.state,
            to_state=alert.state,
            note=note,
        )
    )
