"""Counted: the swipes and alerts of a time, what waits where, and what each rule has found."""

from __future__ import annotations

from statistics import median

import msgspec
from sqlalchemy import func, select

from storage.alerts.search import WAITING_STATES
from storage.database import Database
from storage.models import AlertRow, FindingRow
from storage.swipe_minutes import sums_between


class DayNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """What a time has brought; `answer_seconds` is the median from opened to answered, None without answers."""

    swipes: int
    total_fen: int
    fund_fen: int
    alerts: int
    waiting: int
    answered: int
    answer_seconds: float | None


class NumberQueries:
    """What is counted. Safe to call from any thread; each call sees one moment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def numbers(self, from_ms: int, to_ms: int) -> DayNumbers:
        """Returns the numbers of the swipes that happened, and the alerts that were opened, from one moment to another.

        Of alerts it is told how they stand now. Swipes are counted by whole minutes.
        """
        columns = (AlertRow.state, AlertRow.opened_at_ms, AlertRow.answered_at_ms)
        query = select(*columns).where(AlertRow.opened_at_ms >= from_ms, AlertRow.opened_at_ms < to_ms)
        with self._database.read() as session:
            sums = sums_between(session, from_ms, to_ms)
            rows = session.execute(query).all()
        took_ms = [row.answered_at_ms - row.opened_at_ms for row in rows if row.answered_at_ms is not None]
        return DayNumbers(
            swipes=sums.swipes,
            total_fen=sums.total_fen,
            fund_fen=sums.fund_fen,
            alerts=len(rows),
            waiting=sum(row.state in WAITING_STATES for row in rows),
            answered=len(took_ms),
            answer_seconds=median(took_ms) / 1000 if took_ms else None,
        )

    def waiting_by_institution(self) -> dict[str, dict[str, int]]:
        """Returns, for each institution, how many alerts wait for an answer, by severity."""
        statement = (
            select(AlertRow.institution_id, AlertRow.severity, func.count())
            .where(AlertRow.state.in_(WAITING_STATES))
            .group_by(AlertRow.institution_id, AlertRow.severity)
        )
        counts: dict[str, dict[str, int]] = {}
        with self._database.read() as session:
            for institution_id, severity, count in session.execute(statement):
                counts.setdefault(institution_id, {})[severity] = count
        return counts

    def opened_by_institution(self, since_ms: int) -> dict[str, int]:
        """Returns, for each institution that has any, how many alerts were opened since then."""
        query = (
            select(AlertRow.institution_id, func.count())
            .where(AlertRow.opened_at_ms >= since_ms)
            .group_by(AlertRow.institution_id)
        )
        with self._database.read() as session:
            return {row.institution_id: row[1] for row in session.execute(query)}

    def alerts_by_detector(self) -> dict[str, int]:
        """Returns how many alerts were ever opened, by the rule that leads them, in order of name."""
        query = select(AlertRow.detector, func.count()).group_by(AlertRow.detector).order_by(AlertRow.detector)
        with self._database.read() as session:
            return {row.detector: row[1] for row in session.execute(query)}

    def findings_by_detector(self, since_ms: int) -> dict[str, int]:
        """Returns, for each rule that has any, how many findings of swipes since then stand, shadow ones included."""
        query = (
            select(FindingRow.detector, func.count())
            .where(FindingRow.occurred_at_ms >= since_ms, FindingRow.status == "raised")
            .group_by(FindingRow.detector)
        )
        with self._database.read() as session:
            return {row.detector: row[1] for row in session.execute(query)}
