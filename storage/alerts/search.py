"""Which alerts a search finds, newest first and a page at a time: 100,000 of them are never all looked at twice."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec
from sqlalchemy import ColumnElement, Select, exists, func, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from storage.alerts.terms import TAIL_CHARACTERS, person_term, receipt_range, rule_term, visitor_term
from storage.models import AlertRow, AlertTermRow, ReviewedRow

WAITING_STATES = ("open", "delivered", "seen", "escalated")
MIN_RECEIPT_CHARACTERS = 3
"""A shorter ending would be that of every tenth receipt."""


class AlertFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a search asks for; what is empty asks for nothing.

    Fields:
        receipt: the last characters of a settlement, at least three; of more than twelve the last twelve count.
        institution_ids: any of these.
        rule: one of the alert's findings is this rule's.
        from_ms, to_ms: opened at `from_ms` or later, and before `to_ms`.
        unreviewed_by: not yet reviewed by this person.
    """

    receipt: str = ""
    person_id: str = ""
    visitor_id: str = ""
    rule: str = ""
    institution_ids: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    from_ms: int | None = None
    to_ms: int | None = None
    unreviewed_by: str = ""


Place = tuple[int, str]
"""Where an alert stands in a list: (opened_at_ms, alert_id)."""
VisitorPlace = tuple[int, str]
"""Where a visitor stands in a list: (opened_at_ms of the newest alert, visitor_id)."""


def places(session: Session, wanted: AlertFilter, limit: int, before: Place | None = None) -> list[Place]:
    """Returns the newest alerts that are wanted, of those that stand after `before` in the list."""
    return [(row[0], row[1]) for row in session.execute(_statement(wanted, before).limit(limit))]


def count(session: Session, wanted: AlertFilter, at_most: int) -> int:
    """Returns how many alerts are wanted; a greater number than `at_most` is not told apart from it."""
    some = _statement(wanted, None).order_by(None).limit(at_most).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0


def is_known_person(session: Session, person_id: str) -> bool:
    """Returns whether some alert has a swipe of this person."""
    query = select(AlertTermRow.term).where(AlertTermRow.term == person_term(person_id)).limit(1)
    return session.scalar(query) is not None


def rules_with_alerts(session: Session) -> Iterator[str]:
    """Yields the rules that alerts have findings of, by name, at the cost of one step in the index each."""
    first = rule_term("")
    term = first
    while True:
        query = select(func.min(AlertTermRow.term)).where(AlertTermRow.term > term)
        found = session.scalar(query)
        if found is None or not found.startswith(first):
            return
        yield found.removeprefix(first)
        term = found


def visitors(session: Session, limit: int, since_ms: int, before: VisitorPlace | None) -> list[VisitorPlace]:
    """Returns the visitors that alerts opened since then are about, the newest alert first."""
    first = visitor_term("")
    newest = func.max(AlertTermRow.opened_at_ms)
    query = (
        select(newest, AlertTermRow.term)
        .where(AlertTermRow.term > first, AlertTermRow.term < first[:-1] + chr(ord(first[-1]) + 1))
        .where(AlertTermRow.opened_at_ms >= since_ms)
        .group_by(AlertTermRow.term)
        .order_by(newest.desc(), AlertTermRow.term.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.having(tuple_(newest, AlertTermRow.term) < (before[0], visitor_term(before[1])))
    return [(row[0], row[1].removeprefix(first)) for row in session.execute(query)]


def of_visitor(session: Session, alert_ids: Collection[str], visitor_id: str) -> set[str]:
    """Returns those of the alerts that are about the visitor."""
    query = select(AlertTermRow.alert_id).where(AlertTermRow.term == visitor_term(visitor_id))
    return set(session.scalars(query.where(AlertTermRow.alert_id.in_(alert_ids))))


def _statement(wanted: AlertFilter, before: Place | None) -> Select[int, str]:
    """The rarest word leads, then the store, then time: in each case an index gives the list's order."""
    words = list(_words(wanted))
    if not words:
        statement = _listed(AlertRow.opened_at_ms, AlertRow.alert_id, wanted, before)
        index = "ix_alert_institution" if len(wanted.institution_ids) == 1 else "ix_alert_order"
        # SQLite would take the index of a column that nearly all rows share, and sort them.
        return statement.where(*_of_alert(wanted)).with_hint(AlertRow, f"INDEXED BY {index}", "sqlite")
    first, *others = words
    statement = _listed(AlertTermRow.opened_at_ms, AlertTermRow.alert_id, wanted, before).where(first)
    if wanted.receipt:
        statement = statement.distinct()
    for word in others:
        statement = statement.where(AlertTermRow.alert_id.in_(select(AlertTermRow.alert_id).where(word)))
    of_alert = _of_alert(wanted)
    if of_alert:
        statement = statement.join(AlertRow, AlertRow.alert_id == AlertTermRow.alert_id).where(*of_alert)
    return statement


def _words(wanted: AlertFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.receipt:
        first, end = receipt_range(wanted.receipt[-TAIL_CHARACTERS:])
        yield (AlertTermRow.term >= first) & (AlertTermRow.term < end)
    if wanted.person_id:
        yield AlertTermRow.term == person_term(wanted.person_id)
    if wanted.visitor_id:
        yield AlertTermRow.term == visitor_term(wanted.visitor_id)
    if wanted.rule:
        yield AlertTermRow.term == rule_term(wanted.rule)


def _listed(
    opened_at_ms: InstrumentedAttribute[int],
    alert_id: InstrumentedAttribute[str],
    wanted: AlertFilter,
    before: Place | None,
) -> Select[int, str]:
    statement = select(opened_at_ms, alert_id).order_by(opened_at_ms.desc(), alert_id.desc())
    if before is not None:
        statement = statement.where(tuple_(opened_at_ms, alert_id) < before)
    if wanted.from_ms is not None:
        statement = statement.where(opened_at_ms >= wanted.from_ms)
    if wanted.to_ms is not None:
        statement = statement.where(opened_at_ms < wanted.to_ms)
    if wanted.unreviewed_by:
        reviewed = exists().where(ReviewedRow.username == wanted.unreviewed_by, ReviewedRow.alert_id == alert_id)
        statement = statement.where(~reviewed)
    return statement


def _of_alert(wanted: AlertFilter) -> list[ColumnElement[bool]]:
    clauses: list[ColumnElement[bool]] = []
    if wanted.institution_ids:
        clauses.append(AlertRow.institution_id.in_(wanted.institution_ids))
    if wanted.severities:
        clauses.append(AlertRow.severity.in_(wanted.severities))
    if wanted.states:
        clauses.append(AlertRow.state.in_(wanted.states))
    return clauses
