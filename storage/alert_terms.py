"""The words that alerts are found by: rules, people, visitors, and receipts by their last characters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from events.findings import Finding
from storage.log import chunks
from storage.models import AcceptedEvent, AlertRow, AlertTermRow
from storage.upsert import insert_new

TAIL_CHARACTERS = 12
"""So many last characters of a settlement are kept; a search looks at no more of them."""


class _SwipePerson(msgspec.Struct, frozen=True):
    """The one field of a logged swipe that is searched for."""

    person_id: str


def keep_terms(session: Session, alert: AlertRow, findings: Sequence[Finding]) -> None:
    """Afterwards the alert is found by all that these findings name; what it was found by before stays."""
    terms = {term for finding in findings for term in _terms_of(finding)}
    cited = {each for finding in findings for each in (finding.settlement_id, *finding.evidence)}
    terms.update(person_term(person_id) for person_id in _persons_of(session, cited))
    rows: list[dict[str, object]] = [
        {"term": term, "opened_at_ms": alert.opened_at_ms, "alert_id": alert.alert_id} for term in sorted(terms)
    ]
    insert_new(session, AlertTermRow, rows, "term", "opened_at_ms", "alert_id")


def rule_term(detector: str) -> str:
    """Returns the word for alerts that have a finding of a rule."""
    return f"rule:{detector}"


def person_term(person_id: str) -> str:
    """Returns the word for alerts with a swipe of a person."""
    return f"person:{person_id}"


def visitor_term(visitor_id: str) -> str:
    """Returns the word for alerts about a visitor."""
    return f"visitor:{visitor_id}"


def receipt_range(ending: str) -> tuple[str, str]:
    """Returns the first word, and the first after the last, for alerts with a swipe whose receipt ends so."""
    start = _receipt_term(ending)
    return start, start[:-1] + chr(ord(start[-1]) + 1)


def _terms_of(finding: Finding) -> Iterable[str]:
    yield rule_term(finding.detector)
    for one in {finding.settlement_id, *finding.evidence}:
        yield _receipt_term(one)
    for person_id in _named(finding, "person_id") | _named(finding, "persons"):
        yield person_term(person_id)
    for visitor_id in _named(finding, "visitor_id"):
        yield visitor_term(visitor_id)


def _receipt_term(settlement_id: str) -> str:
    """Backwards, so that an ending is a beginning, which an index finds."""
    return f"receipt:{settlement_id[-TAIL_CHARACTERS:][::-1]}"


def _named(finding: Finding, field: str) -> frozenset[str]:
    value = finding.key.get(field, ())
    return frozenset([value] if isinstance(value, str) else value)


def _persons_of(session: Session, settlement_ids: Iterable[str]) -> set[str]:
    persons: set[str] = set()
    for some in chunks(settlement_ids):
        query = select(AcceptedEvent.original).where(
            AcceptedEvent.settlement_id.in_(some), AcceptedEvent.type == "swipe"
        )
        persons.update(
            msgspec.json.decode(original, type=_SwipePerson).person_id for original in session.scalars(query)
        )
    return persons
