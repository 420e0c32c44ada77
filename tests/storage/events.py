"""Accepted swipes to test with."""

from __future__ import annotations

import msgspec

from events.codec import decode_event
from events.dead_letters import InvalidEvent
from events.identity import content_digest, identity_of
from storage.log import Record
from tests.alerts.builders import NOON_MS, PERSON, STORE


def swipe_bytes(settlement: str, *, till: str = "1", at_ms: int = NOON_MS, person: str = PERSON) -> bytes:
    body = {
        "type": "swipe",
        "event_id": f"e-{settlement}",
        "occurred_at_ms": at_ms,
        "settlement_id": settlement,
        "person_id": person,
        "institution_id": STORE,
        "till_id": till,
        "credential": "social_card",
        "insurance": "310",
        "category": "41",
        "total_fen": 1999,
        "fund_fen": 0,
        "account_fen": 1999,
        "mutual_fen": 0,
        "cash_fen": 0,
        "items": [],
        "unknown_field": "kept",
    }
    return msgspec.json.encode(body)


def record_of(original: bytes, *, received_at_ms: int = NOON_MS, sender: str = "his") -> Record:
    event = decode_event(original)
    assert not isinstance(event, InvalidEvent)
    return Record(
        event=event,
        identity=identity_of(event),
        digest=content_digest(event),
        received_at_ms=received_at_ms,
        sender=sender,
        original=original,
    )


def record(settlement: str, *, till: str = "1", at_ms: int = NOON_MS) -> Record:
    return record_of(swipe_bytes(settlement, till=till, at_ms=at_ms))
