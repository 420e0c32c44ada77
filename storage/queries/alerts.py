"""Alerts: searched, listed, and one with all that is behind it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec
from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from events.findings import Finding
from storage.alerts.search import (
    WAITING_STATES,
    AlertFilter,
    Place,
    VisitorPlace,
    count,
    is_known_person,
    of_visitor,
    places,
    rules_with_alerts,
    visitors,
)
from storage.database import Database
from storage.models import AlertFindingRow, AlertHistoryRow, AlertRow, FindingRow, StillRow, SupersededFindingRow
from storage.queries.evidence import (
    IDS_PER_STATEMENT,
    LoggedEvent,
    Still,
    delays_of,
    events_of,
    still_of,
    stills_of,
    stills_removed_at_ms,
)
from storage.queries.summaries import AlertFinding, AlertSummary, findings_of, summaries


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One change of an alert."""

    entry_id: int
    at_ms: int
    actor: str
    action: str
    from_state: str
    to_state: str
    note: str


class AlertDossier(msgspec.Struct, frozen=True, kw_only=True):
    """Everything behind an alert. Events are what its findings cite, in time order, and what its pictures observed.

    `stills_removed_at_ms` is when pictures of it were last deleted, None if none was.
    """

    alert: AlertSummary
    findings: tuple[AlertFinding, ...]
    history: tuple[HistoryEntry, ...]
    stills: tuple[Still, ...]
    stills_removed_at_ms: int | None
    events: tuple[LoggedEvent, ...]


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as it stood from `decided_at_ms` on, and the event that made it so.

    `delay_ms` is how long after it happened that event came in; None where no event of the log is the cause.
    """

    finding: Finding
    cause: str
    decided_at_ms: int
    delay_ms: int | None


class AlertQueries:
    """Alerts, and the pictures and events behind them. Safe to call from any thread; each call sees one moment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def recent_alerts(
        self, limit: int, *, before: tuple[int, str] | None = None, only_waiting: bool = False
    ) -> list[AlertSummary]:
        """Returns the newest alerts first; `before` is (opened_at_ms, alert_id) of the last one already shown."""
        statement = select(AlertRow).order_by(AlertRow.opened_at_ms.desc(), AlertRow.alert_id.desc()).limit(limit)
        if before is not None:
            statement = statement.where(tuple_(AlertRow.opened_at_ms, AlertRow.alert_id) < before)
        if only_waiting:
            statement = statement.where(AlertRow.state.in_(WAITING_STATES))
        with self._database.read() as session:
            return summaries(session, statement)

    def search(self, wanted: AlertFilter, limit: int, before: Place | None = None) -> list[AlertSummary]:
        """Returns the newest alerts that are wanted, of those after the place `before` in the list."""
        with self._database.read() as session:
            ids = [alert_id for _, alert_id in places(session, wanted, limit, before)]
            order = (AlertRow.opened_at_ms.desc(), AlertRow.alert_id.desc())
            return summaries(session, select(AlertRow).where(AlertRow.alert_id.in_(ids)).order_by(*order))

    def count_wanted(self, wanted: AlertFilter, at_most: int) -> int:
        """Returns how many alerts are wanted; a greater number than `at_most` is not told apart from it."""
        with self._database.read() as session:
            return count(session, wanted, at_most)

    def rules_with_alerts(self) -> list[str]:
        """Returns the rules that alerts were ever opened for, by name."""
        with self._database.read() as session:
            return list(rules_with_alerts(session))

    def is_known_person(self, person_id: str) -> bool:
        """Returns whether some alert has a swipe of this person."""
        with self._database.read() as session:
            return is_known_person(session, person_id)

    def alerts(self, alert_ids: Collection[str]) -> list[AlertSummary]:
        """Returns these alerts, newest first; unknown ids are left out."""
        wanted = sorted(alert_ids)[:IDS_PER_STATEMENT]
        statement = select(AlertRow).where(AlertRow.alert_id.in_(wanted))
        with self._database.read() as session:
            return summaries(session, statement.order_by(AlertRow.opened_at_ms.desc(), AlertRow.alert_id.desc()))

    def last_entry_id(self) -> int:
        """Returns the id of the newest change of any alert, 0 before the first."""
        with self._database.read() as session:
            return session.scalar(select(func.max(AlertHistoryRow.entry_id))) or 0

    def changed_after(self, entry_id: int, limit: int) -> list[tuple[int, str]]:
        """Returns (entry_id, alert_id) of the changes after `entry_id`, oldest first."""
        statement = (
            select(AlertHistoryRow.entry_id, AlertHistoryRow.alert_id)
            .where(AlertHistoryRow.entry_id > entry_id)
            .order_by(AlertHistoryRow.entry_id)
            .limit(limit)
        )
        with self._database.read() as session:
            return [(row.entry_id, row.alert_id) for row in session.execute(statement)]

    def dossier(self, alert_id: str) -> AlertDossier | None:
        """Returns everything behind an alert, or None when there is no such alert."""
        with self._database.read() as session:
            found = summaries(session, select(AlertRow).where(AlertRow.alert_id == alert_id))
            if not found:
                return None
            findings = findings_of(session, [alert_id])[alert_id]
            cited = {each for one in findings for each in one.finding.evidence}
            shown = {found[0].settlement_id, *cited}
            stills = stills_of(session, shown)
            observed = {still.observation_id for still in stills}
            return AlertDossier(
                alert=found[0],
                findings=tuple(findings),
                history=tuple(_history_of(session, alert_id)),
                stills=tuple(stills),
                stills_removed_at_ms=stills_removed_at_ms(session, shown),
                events=tuple(events_of(session, shown | observed)),
            )

    def revisions(self, alert_id: str) -> dict[str, list[Revision]]:
        """Returns how each finding of an alert stood over time, the oldest first, by its id."""
        with self._database.read() as session:
            ids = select(AlertFindingRow.finding_id).where(AlertFindingRow.alert_id == alert_id)
            past = select(SupersededFindingRow).where(SupersededFindingRow.finding_id.in_(ids))
            now = select(FindingRow).where(FindingRow.finding_id.in_(ids))
            rows: list[SupersededFindingRow | FindingRow] = list(
                session.scalars(past.order_by(SupersededFindingRow.finding_id, SupersededFindingRow.revision))
            )
            rows += session.scalars(now)
            delays = delays_of(session, {row.cause for row in rows})
        found: dict[str, list[Revision]] = {}
        for row in rows:
            revision = Revision(
                finding=msgspec.json.decode(row.body, type=Finding),
                cause=row.cause,
                decided_at_ms=row.decided_at_ms,
                delay_ms=delays.get(row.cause),
            )
            found.setdefault(row.finding_id, []).append(revision)
        return found

    def findings_of(self, alert_ids: Collection[str]) -> dict[str, list[AlertFinding]]:
        """Returns the findings of each of these alerts, the newest first."""
        with self._database.read() as session:
            return dict(findings_of(session, list(alert_ids)))

    def events(self, ids: Collection[str]) -> list[LoggedEvent]:
        """Returns the accepted events that findings cite by these ids, in time order; of more than 500, some."""
        with self._database.read() as session:
            return events_of(session, ids)

    def stills(self, settlement_or_observation_ids: Collection[str]) -> list[Still]:
        """Returns the pictures of these swipes or observations, in time order; of more than 500, some."""
        with self._database.read() as session:
            return stills_of(session, settlement_or_observation_ids)

    def visitors(self, limit: int, since_ms: int = 0, before: VisitorPlace | None = None) -> list[VisitorPlace]:
        """Returns the visitors that alerts since then are about, the newest alert first, after a place of the list."""
        with self._database.read() as session:
            return visitors(session, limit, since_ms, before)

    def of_visitor(self, alert_ids: Collection[str], visitor_id: str) -> set[str]:
        """Returns those of the alerts that are about the visitor."""
        with self._database.read() as session:
            return of_visitor(session, alert_ids, visitor_id)

    def opened_times(self, wanted: AlertFilter, at_most: int) -> list[int]:
        """Returns when the newest alerts that are wanted were opened."""
        with self._database.read() as session:
            return [opened_at_ms for opened_at_ms, _ in places(session, wanted, at_most)]

    def still(self, still_id: str) -> tuple[Still, LoggedEvent | None] | None:
        """Returns a picture and the observation it shows, or None when no picture has this id."""
        with self._database.read() as session:
            row = session.get(StillRow, still_id)
            if row is None or row.removed_at_ms is not None:
                return None
            observed = events_of(session, {row.observation_id})
            return still_of(row), next((one for one in observed if one.type == "face_observed"), None)


def _history_of(session: Session, alert_id: str) -> Iterable[HistoryEntry]:
    statement = select(AlertHistoryRow).where(AlertHistoryRow.alert_id == alert_id).order_by(AlertHistoryRow.entry_id)
    for row in session.scalars(statement):
        yield HistoryEntry(
            entry_id=row.entry_id,
            at_ms=row.at_ms,
            actor=row.actor,
            action=row.action,
            from_state=row.from_state,
            to_state=row.to_state,
            note=row.note,
        )
