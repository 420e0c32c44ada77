"""What a store and the centre were told, as plain values to compare."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import inspect, select

from events.findings import Finding
from storage.database import Database
from storage.models import AlertFindingRow, AlertHistoryRow, AlertRow, NoticeRow, Table
from storage.projector import AlertChange, Projector


def write(
    projector: Projector, *raised: Finding, withdrawn: Sequence[Finding] = (), at_ms: int | None = None, cause: str = ""
) -> list[AlertChange]:
    """Writes findings, decided at their anchor's time unless said otherwise, and brings alerts up to date."""
    everything = [*raised, *withdrawn]
    now_ms = max(finding.occurred_at_ms for finding in everything) if at_ms is None else at_ms
    projector.write_findings(raised, withdrawn, {finding.finding_id: cause for finding in everything}, now_ms)
    return projector.project_alerts(now_ms)


def alerts(database: Database) -> list[AlertRow]:
    with database.read() as session:
        return list(session.scalars(select(AlertRow).order_by(AlertRow.opened_at_ms, AlertRow.alert_id)))


def notices(database: Database) -> list[NoticeRow]:
    with database.read() as session:
        return list(session.scalars(select(NoticeRow).order_by(NoticeRow.notice_id)))


def history(database: Database) -> list[tuple[str, str, str]]:
    """Returns (action, from_state, to_state) of every entry in order."""
    with database.read() as session:
        rows = session.scalars(select(AlertHistoryRow).order_by(AlertHistoryRow.entry_id))
        return [(row.action, row.from_state, row.to_state) for row in rows]


def everything(database: Database) -> dict[str, list[dict[str, object]]]:
    """Returns every row of the tables that follow from findings.

    Entries and notices are numbered anew in their order: PostgreSQL's numbers have gaps where a transaction was undone.
    """
    tables: tuple[type[Table], ...] = (AlertRow, AlertFindingRow, AlertHistoryRow, NoticeRow)
    numbered = {AlertHistoryRow: "entry_id", NoticeRow: "notice_id"}
    with database.read() as session:
        found = {
            table: [
                {column.key: getattr(row, column.key) for column in inspect(table).columns}
                for row in session.scalars(select(table).order_by(*inspect(table).primary_key))
            ]
            for table in tables
        }
    for table, name in numbered.items():
        for number, row in enumerate(found[table], start=1):
            row[name] = number
    return {table.__tablename__: rows for table, rows in found.items()}
