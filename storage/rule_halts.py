"""Rules that the circuit breaker has halted, and the findings that were recorded meanwhile without an alert."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from alerts.breaker import HOUR_MS
from storage.database import Database
from storage.log import chunks
from storage.models import AlertFindingRow, FindingRow, HeldFindingRow, RuleHaltRow


class Halt(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that makes no alerts since it made more than `breaker` within an hour; `held` findings have none."""

    halt_id: int
    detector: str
    halted_at_ms: int
    breaker: int
    held: int


class RuleHalts:
    """Safe to use from several threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def standing(self) -> list[Halt]:
        """Returns the rules that are halted, by name."""
        held = select(func.count()).where(HeldFindingRow.halt_id == RuleHaltRow.halt_id).scalar_subquery()
        query = (
            select(RuleHaltRow.halt_id, RuleHaltRow.detector, RuleHaltRow.halted_at_ms, RuleHaltRow.breaker, held)
            .where(RuleHaltRow.resumed_at_ms.is_(None))
            .order_by(RuleHaltRow.detector)
        )
        with self._database.read() as session:
            return [
                Halt(halt_id=halt_id, detector=detector, halted_at_ms=at_ms, breaker=breaker, held=count)
                for halt_id, detector, at_ms, breaker, count in session.execute(query)
            ]

    def resume(self, detector: str, by: str, now_ms: int) -> bool:
        """Returns whether the rule was halted; its findings make alerts again from now on, those held back never."""
        query = (
            update(RuleHaltRow)
            .where(RuleHaltRow.detector == detector, RuleHaltRow.resumed_at_ms.is_(None))
            .values(resumed_at_ms=now_ms, resumed_by=by)
            .returning(RuleHaltRow.halt_id)
        )
        with self._database.session() as session:
            return session.scalar(query) is not None


def halted_now(session: Session) -> dict[str, int]:
    """Returns the rules that are halted, each with the number of its halt."""
    query = select(RuleHaltRow.detector, RuleHaltRow.halt_id).where(RuleHaltRow.resumed_at_ms.is_(None))
    return {row.detector: row.halt_id for row in session.execute(query)}


def alerted_within_hour(session: Session, detectors: Collection[str], now_ms: int) -> dict[str, int]:
    """Returns by rule how many findings joined alerts in the hour up to now, and since it was last resumed."""
    counts = {}
    for detector in detectors:
        resumed_ms = session.scalar(select(func.max(RuleHaltRow.resumed_at_ms)).where(RuleHaltRow.detector == detector))
        query = (
            select(func.count())
            .select_from(AlertFindingRow)
            .join(FindingRow, FindingRow.finding_id == AlertFindingRow.finding_id)
            .where(
                FindingRow.detector == detector, AlertFindingRow.placed_at_ms > max(now_ms - HOUR_MS, resumed_ms or 0)
            )
        )
        counts[detector] = session.scalar(query) or 0
    return counts


def halt(session: Session, detector: str, breaker: int, now_ms: int) -> int:
    """Returns the number of the halt that begins now."""
    row = RuleHaltRow(detector=detector, halted_at_ms=now_ms, breaker=breaker)
    session.add(row)
    session.flush()
    return row.halt_id


def hold(session: Session, halt_id: int, finding_id: str) -> None:
    """Afterwards the finding is on record as one that made no alert because of the halt."""
    session.add(HeldFindingRow(finding_id=finding_id, halt_id=halt_id))


def held_of(session: Session, finding_ids: Iterable[str]) -> frozenset[str]:
    """Returns those of the findings that were held back by a halt, a past one too."""
    return frozenset(
        name
        for some in chunks(finding_ids)
        for name in session.scalars(select(HeldFindingRow.finding_id).where(HeldFindingRow.finding_id.in_(some)))
    )
