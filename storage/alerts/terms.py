"""The words that alerts are found by: rules, people, visitors, and receipts by their last characters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from events.findings import Finding
from storage.log import chunks
from storage.models import AcceptedEvent, AlertRow, AlertTermRow
from storage.upsert import insert_new

TAIL_CHARACTERS = 12
"""So many last characters of a settlement are kept; a search looks at no more of them."""


class SwipeWords(msgspec.Struct, frozen=True):
    """What alerts need of a logged swipe: where it was made, and whose card paid."""

    till_id: str
    person_id: str


_SWIPE = msgspec.json.Decoder(SwipeWords)


def swipe_words(session: Session, settlement_ids: Iterable[str]) -> dict[str, SwipeWords]:
    """Returns those of the settlements that the log has."""
    found: dict[str, SwipeWords] = {}
    for some in chunks(settlement_ids):
        query = select(AcceptedEvent.settlement_id, AcceptedEvent.original).where(
            AcceptedEvent.settlement_id.in_(some), AcceptedEvent.type == "swipe"
        )
        for settlement_id, original in session.execute(query):
            found[str(settlement_id)] = _SWIPE.decode(original)
    return found


def cited_by(finding: Finding) -> frozenset[str]:
    """Returns the ids that a finding cites, its own settlement among them."""
    return frozenset((finding.settlement_id, *finding.evidence))


def keep_terms(
    session: Session, changed: Iterable[tuple[AlertRow, Sequence[Finding]]], swipes: Mapping[str, SwipeWords]
) -> None:
    """Afterwards each alert is found by all that its findings name; what it was found by before stays.

    Args: `swipes` are those of the settlements that the findings cite.
    """
    rows: list[dict[str, object]] = []
    for alert, findings in changed:
        terms = {term for finding in findings for term in _terms_of(finding)}
        cited = {one for finding in findings for one in cited_by(finding)}
        terms.update(person_term(swipes[one].person_id) for one in cited if one in swipes)
        place: dict[str, object] = {"opened_at_ms": alert.opened_at_ms, "alert_id": alert.alert_id}
        rows += ({"term": term, **place} for term in sorted(terms))
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


def receipt_term(cited_id: str) -> str:
    """Returns the word for alerts that cite an id: its last characters backwards, so that an index finds endings."""
    return f"receipt:{cited_id[-TAIL_CHARACTERS:][::-1]}"


def receipt_range(ending: str) -> tuple[str, str]:
    """Returns the first word, and the first after the last, for alerts with a swipe whose receipt ends so."""
    start = receipt_term(ending)
    return start, start[:-1] + chr(ord(start[-1]) + 1)


def _terms_of(finding: Finding) -> Iterable[str]:
    yield rule_term(finding.detector)
    for one in cited_by(finding):
        yield receipt_term(one)
    for person_id in _named(finding, "person_id") | _named(finding, "persons"):
        yield person_term(person_id)
    for visitor_id in _named(finding, "visitor_id"):
        yield visitor_term(visitor_id)


def _named(finding: Finding, field: str) -> frozenset[str]:
    value = finding.key.get(field, ())
    return frozenset([value] if isinstance(value, str) else value)
