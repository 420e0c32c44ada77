"""Builders of the few events that a hand-made case needs; times are milliseconds after NOON (12:00 in Shanghai)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from tests.brute_force import DEFAULTS, accept, findings

Row = dict[str, Any]

NOON = int(datetime(2024, 6, 18, 4, tzinfo=UTC).timestamp()) * 1000
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
LONG_AGO = NOON - 1000 * DAY


def event(kind: str, event_id: str, at: int, /, **fields: Any) -> Row:
    return {"type": kind, "event_id": event_id, "occurred_at_ms": at, **fields}


def swipe(sid: str, at: int = 0, person: str = "p1", store: str = "A", till: str = "1", **fields: Any) -> Row:
    money = dict.fromkeys(("total_fen", "fund_fen", "account_fen", "mutual_fen", "cash_fen"), 0)
    who = {"settlement_id": sid, "person_id": person, "institution_id": store, "till_id": till}
    what = {"credential": "social_card", "insurance": "310", "category": "41", "items": []}
    return event("swipe", f"e-{sid}", NOON + at, **{**who, **what, **money, **fields})


def reversal(sid: str, at: int = 0, person: str = "p1", store: str = "A", event_id: str = "r1") -> Row:
    return event("reversal", event_id, NOON + at, settlement_id=sid, institution_id=store, person_id=person)


def person(name: str, household: str | None = None, since: int | None = None, event_id: str = "", **fields: Any) -> Row:
    since_ms = LONG_AGO if since is None else NOON + since
    said = {"person_id": name, "household_id": household, "status": "active", "effective_from_ms": since_ms}
    return event("person", event_id or f"{name}@{since}", since_ms, **{**said, **fields})


def store(name: str, since: int | None = None, event_id: str = "", **fields: Any) -> Row:
    since_ms = LONG_AGO if since is None else NOON + since
    said = {"institution_id": name, "kind": "pharmacy", "name": name, "agreement": "active"}
    return event(
        "institution", event_id or f"{name}@{since}", since_ms, **{**said, "effective_from_ms": since_ms, **fields}
    )


def seen(event_id: str, at: int, *faces: Row, store: str = "A", till: str = "1", **fields: Any) -> Row:
    place = {"institution_id": store, "till_id": till, "camera_id": "c"}
    return event(
        "face_observed",
        event_id,
        NOON + at,
        **{**place, "healthy": True, "people": len(faces), "faces": list(faces), **fields},
    )


def registered(at: int, holder: str = "p1", agent: str = "p2", store: str = "A", **fields: Any) -> Row:
    said = {"institution_id": store, "holder_person_id": holder, "agent_person_id": agent}
    return event("agent_registration", f"a{at}", NOON + at, **said, **fields)


def corrected(event_id: str, observation: str, visitor: str | None, at: int = DAY, face_no: int = 0) -> Row:
    said = {"observation_id": observation, "face_no": face_no, "visitor_id": visitor}
    return event("visitor_correction", event_id, NOON + at, **said)


def judge(lines: list[bytes], rules: dict[str, Row]) -> list[Row]:
    """Returns the brute force's findings; the same cases are tried on the product with another judge in its place."""
    accepted, dead = accept(lines)
    assert not [reason for reason, _ in dead if reason != "reversal_mismatch"]
    return findings(accepted, rules)


def judged(rule: str, *events: Row, **settings: Any) -> list[Row]:
    """Returns the findings of one rule, with its defaults unless told otherwise."""
    return judge([json.dumps(said).encode() for said in events], {rule: DEFAULTS[rule] | settings})


def anchors(rule: str, *events: Row, **settings: Any) -> dict[str, str]:
    """Returns where one rule fires: settlement_id → severity."""
    return {row["settlement_id"]: row["severity"] for row in judged(rule, *events, **settings)}
