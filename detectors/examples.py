"""Short words for the little stories (`EXAMPLES`) that each rule carries. Synthetic people of region 329900 only."""

from __future__ import annotations

from events.durations import duration_ms

STORY_BEGINS_MS = 1_767_578_400_000  # Monday 2026-01-05 10:00 in Shanghai


def at(offset: str) -> int:
    """Returns the time of the story's begin plus an offset such as `5h`; a leading minus goes back."""
    if offset.startswith("-"):
        return STORY_BEGINS_MS - duration_ms(offset[1:])
    return STORY_BEGINS_MS + duration_ms(offset)


def swipe(settlement_id: str, offset: str, person_id: str = "329900-1", **changes: object) -> dict[str, object]:
    """Returns a swipe of ¥30 from the personal account at till 1 of one pharmacy, fields changed as given."""
    story: dict[str, object] = {
        "type": "swipe",
        "event_id": f"swipe-{settlement_id}",
        "occurred_at_ms": at(offset),
        "settlement_id": settlement_id,
        "person_id": person_id,
        "institution_id": "P32990000001",
        "till_id": "1",
        "credential": "social_card",
        "insurance": "310",
        "category": "41",
        "total_fen": 3000,
        "fund_fen": 0,
        "account_fen": 3000,
        "mutual_fen": 0,
        "cash_fen": 0,
        "items": [],
    }
    return story | changes


def reversal(settlement_id: str, offset: str, person_id: str = "329900-1", **changes: object) -> dict[str, object]:
    """Returns a reversal of a swipe of this story."""
    story: dict[str, object] = {
        "type": "reversal",
        "event_id": f"reversal-{settlement_id}",
        "occurred_at_ms": at(offset),
        "settlement_id": settlement_id,
        "institution_id": "P32990000001",
        "person_id": person_id,
    }
    return story | changes


def institution(institution_id: str = "P32990000001", **changes: object) -> dict[str, object]:
    """Returns a pharmacy in Wuxi that is open from 08:00 to 21:00, in force since long before the story."""
    story: dict[str, object] = {
        "type": "institution",
        "event_id": f"institution-{institution_id}",
        "occurred_at_ms": at("-30d"),
        "institution_id": institution_id,
        "kind": "pharmacy",
        "name": "Story Pharmacy",
        "latitude": 31.57,
        "longitude": 120.30,
        "opens_at": "08:00",
        "closes_at": "21:00",
        "agreement": "active",
        "effective_from_ms": at("-30d"),
    }
    return story | changes


def person(person_id: str = "329900-1", **changes: object) -> dict[str, object]:
    """Returns an active person, in force since long before the story."""
    story: dict[str, object] = {
        "type": "person",
        "event_id": f"person-{person_id}",
        "occurred_at_ms": at("-30d"),
        "person_id": person_id,
        "status": "active",
        "effective_from_ms": at("-30d"),
    }
    return story | changes


def observed(
    event_id: str, offset: str, faces: tuple[dict[str, object], ...] = (), **changes: object
) -> dict[str, object]:
    """Returns a healthy observation at till 1 of as many people as faces."""
    story: dict[str, object] = {
        "type": "face_observed",
        "event_id": event_id,
        "occurred_at_ms": at(offset),
        "institution_id": "P32990000001",
        "till_id": "1",
        "camera_id": "camera-1",
        "healthy": True,
        "people": len(faces),
        "faces": list(faces),
    }
    return story | changes


def agent_registration(event_id: str, offset: str, **changes: object) -> dict[str, object]:
    """Returns the registration of an agent for the story's first person."""
    story: dict[str, object] = {
        "type": "agent_registration",
        "event_id": event_id,
        "occurred_at_ms": at(offset),
        "institution_id": "P32990000001",
        "holder_person_id": "329900-1",
        "agent_person_id": "329900-2",
    }
    return story | changes


def item(drug_code: str = "XA01AAA001A001010100001", **changes: object) -> dict[str, object]:
    """Returns one pack of a drug for ¥30."""
    line: dict[str, object] = {
        "line_no": 1,
        "drug_code": drug_code,
        "quantity": 1,
        "unit_price_fen": 3000,
        "amount_fen": 3000,
    }
    return line | changes


def drug(drug_code: str = "XA01AAA001A001010100001", **changes: object) -> dict[str, object]:
    """Returns what is known of a drug."""
    story: dict[str, object] = {
        "type": "drug",
        "event_id": f"drug-{drug_code}",
        "occurred_at_ms": at("-30d"),
        "drug_code": drug_code,
        "name": "Story Drug",
    }
    return story | changes


def injection(event_id: str, offset: str, amount_fen: int, **changes: object) -> dict[str, object]:
    """Returns an injection into the account of the story's first person."""
    story: dict[str, object] = {
        "type": "account_injection",
        "event_id": event_id,
        "occurred_at_ms": at(offset),
        "person_id": "329900-1",
        "year": 2026,
        "amount_fen": amount_fen,
    }
    return story | changes


def movement(event_id: str, offset: str, kind: str, quantity: float, **changes: object) -> dict[str, object]:
    """Returns a stock movement of the story's drug at its pharmacy."""
    story: dict[str, object] = {
        "type": "stock_movement",
        "event_id": event_id,
        "occurred_at_ms": at(offset),
        "institution_id": "P32990000001",
        "kind": kind,
        "drug_code": "XA01AAA001A001010100001",
        "quantity": quantity,
    }
    return story | changes


def filing(event_id: str, to_region: str, **changes: object) -> dict[str, object]:
    """Returns a filing of the story's first person, in force since a day before the story."""
    story: dict[str, object] = {
        "type": "cross_region_filing",
        "event_id": event_id,
        "occurred_at_ms": at("0h"),
        "person_id": "329900-1",
        "class": "long_term_resident",
        "from_region": "329900",
        "to_region": to_region,
        "starts_ms": at("-24h"),
        "filed_at_ms": at("0h"),
    }
    return story | changes
