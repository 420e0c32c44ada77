"""Section 1 of the contract: which lines are events, which are the same event, and which are set aside."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]
Reason = str | None
Kind = Callable[[Any], Reason]
Schema = dict[str, Kind]

FIRST_MS = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * 1000
END_MS = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) * 1000
FUTURE_MS = 10 * 60 * 1000


def text(value: Any) -> Reason:
    return None if isinstance(value, str) else "wrong_type"


def an_id(value: Any) -> Reason:
    return text(value) or (None if value else "empty_id")


def truth(value: Any) -> Reason:
    return None if isinstance(value, bool) else "wrong_type"


def digits(value: Any) -> Reason:
    return None if isinstance(value, int) and not isinstance(value, bool) else "wrong_type"


def whole(value: Any) -> Reason:
    return digits(value) or (None if -(2**63) <= value < 2**63 else "out_of_range")


def number(value: Any) -> Reason:
    return None if isinstance(value, Decimal) else digits(value)


def ranged(kind: Kind, allowed: Callable[[Any], bool], reason: str = "out_of_range") -> Kind:
    return lambda value: kind(value) or (None if allowed(value) else reason)


def one_of(*names: str) -> Kind:
    return lambda value: text(value) or (None if value in names else "unknown_value")


def list_of(kind: Kind) -> Kind:
    def check(value: Any) -> Reason:
        if not isinstance(value, list):
            return "wrong_type"
        return next((reason for reason in map(kind, value) if reason), None)

    return check


def row_of(schema: Schema) -> Kind:
    """A trailing `?` in the schema's field name means optional: null or absent alike."""

    def check(row: Any) -> Reason:
        if not isinstance(row, dict):
            return "wrong_type"
        for field, kind in schema.items():
            name = field.rstrip("?")
            value = row.get(name)
            if field.endswith("?") and value is None:
                continue
            if name not in row:
                return "missing_field"
            reason = kind(value)
            if reason:
                return reason
        return None

    return check


def a_date(value: Any) -> Reason:
    if text(value):
        return "wrong_type"
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        return "bad_date"
    try:
        date(*map(int, value.split("-")))
    except ValueError:
        return "bad_date"
    return None


def an_hour(value: Any) -> Reason:
    if text(value):
        return "wrong_type"
    if not re.fullmatch(r"[0-9]{2}:[0-9]{2}", value):
        return "bad_hour"
    hours, minutes = int(value[:2]), int(value[3:])
    inside = minutes < 60 and hours * 60 + minutes <= 24 * 60
    return None if inside else "bad_hour"


def a_zone(value: Any) -> Reason:
    if text(value):
        return "wrong_type"
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        return "unknown_time_zone"
    return None


fen = ranged(whole, lambda value: value >= 0)
count = ranged(whole, lambda value: value >= 0)
positive = ranged(number, lambda value: value > 0)
not_negative = ranged(number, lambda value: value >= 0)
quality = ranged(number, lambda value: 0 <= value <= 1)
ms = ranged(digits, lambda value: FIRST_MS <= value < END_MS, "time_out_of_range")

ITEM: Schema = {
    "line_no": whole,
    "drug_code": an_id,
    "quantity": positive,
    "unit_price_fen": fen,
    "amount_fen": fen,
    "days_supply?": not_negative,
    "prescription_id?": an_id,
    "trace_codes?": list_of(text),
    "split_pack?": truth,
}
FACE: Schema = {
    "quality": quality,
    "visitor_id?": an_id,
    "staff?": truth,
    "settlement_id?": an_id,
    "similarity?": number,
    "verdict?": one_of("match", "mismatch", "inconclusive"),
}
SCHEMAS: dict[str, Schema] = {
    "swipe": {
        "settlement_id": an_id,
        "person_id": an_id,
        "institution_id": an_id,
        "till_id": an_id,
        "operator_id?": an_id,
        "credential": one_of("social_card", "id_card", "e_credential"),
        "insurance": text,
        "category": text,
        "insured_region?": text,
        "total_fen": fen,
        "fund_fen": fen,
        "account_fen": fen,
        "mutual_fen": fen,
        "cash_fen": fen,
        "balance_after_fen?": fen,
        "agent_person_id?": an_id,
        "delivery?": truth,
        "items": list_of(row_of(ITEM)),
    },
    "reversal": {"settlement_id": an_id, "institution_id": an_id, "person_id": an_id},
    "person": {
        "person_id": an_id,
        "sex?": one_of("M", "F"),
        "birth_date?": a_date,
        "region?": text,
        "household_id?": an_id,
        "employment?": one_of("active", "retired"),
        "status": one_of("active", "paused", "ended", "deceased"),
        "effective_from_ms": ms,
    },
    "institution": {
        "institution_id": an_id,
        "kind": one_of("pharmacy", "clinic"),
        "name": text,
        "latitude?": number,
        "longitude?": number,
        "opens_at?": an_hour,
        "closes_at?": an_hour,
        "time_zone?": a_zone,
        "region?": text,
        "agreement": one_of("active", "suspended"),
        "effective_from_ms": ms,
    },
    "drug": {
        "drug_code": an_id,
        "name": text,
        "generic_code?": text,
        "sex?": one_of("M", "F"),
        "min_age_years?": whole,
        "max_age_years?": whole,
    },
    "account_injection": {"person_id": an_id, "year": whole, "amount_fen": fen},
    "agent_registration": {
        "institution_id": an_id,
        "holder_person_id": an_id,
        "agent_person_id": an_id,
        "settlement_id?": an_id,
    },
    "stock_movement": {
        "institution_id": an_id,
        "kind": one_of("count", "adjust", "purchase", "purchase_return", "sale", "sale_return", "deletion"),
        "drug_code": an_id,
        "quantity": number,
        "batch_no?": text,
        "settlement_id?": an_id,
        "setl_kind?": one_of("insured", "self_pay"),
        "unit_price_fen?": fen,
        "trace_codes?": list_of(text),
        "refers_to?": text,
    },
    "cross_region_filing": {
        "person_id": an_id,
        "class": one_of("relocated_retiree", "long_term_resident", "referral"),
        "from_region": text,
        "to_region": text,
        "starts_ms": ms,
        "ends_ms?": ms,
        "filed_at_ms": ms,
        "sent_at_ms?": ms,
    },
    "face_observed": {
        "institution_id": an_id,
        "till_id": an_id,
        "camera_id": an_id,
        "healthy": truth,
        "people": count,
        "faces": list_of(row_of(FACE)),
    },
    "visitor_correction": {"observation_id": an_id, "face_no": count, "visitor_id?": an_id},
}
COMMON: Schema = {"event_id": an_id, "occurred_at_ms": ms, "received_at_ms?": ms}
NESTED: dict[str, Schema] = {"items": ITEM, "faces": FACE}


def accept(lines: Iterable[bytes]) -> tuple[list[Row], list[tuple[str, int]]]:
    """Returns the accepted events in order of arrival, and the dead letters as (reason, line number from 1).

    A mismatching reversal is accepted (it counts once, and may not be contradicted) and listed as a dead letter too.
    """
    kept: dict[tuple[str, ...], tuple[int, Row]] = {}
    dead: list[tuple[str, int]] = []
    for line_no, line in enumerate(lines, start=1):
        if not line.strip(b" \t\r\n"):
            continue
        event, reason = read(line)
        if reason:
            dead.append((reason, line_no))
        elif identity(event) not in kept:
            kept[identity(event)] = (line_no, event)
        elif content(event) != content(kept[identity(event)][1]):
            dead.append(("conflicting_duplicate", line_no))
    dead += [("reversal_mismatch", line_no) for line_no in mismatching_reversals(list(kept.values()))]
    return [event for _, event in kept.values()], sorted(dead, key=lambda letter: letter[1])


def read(line: bytes) -> tuple[Row, Reason]:
    """Returns the event of a line and None, or an empty event and why it is bad."""
    try:
        event = json.loads(line.decode("utf-8"), parse_float=Decimal, parse_constant=no_constant)
        json.dumps(event, ensure_ascii=False, default=str).encode("utf-8")  # half a surrogate pair is not text
    except (ValueError, RecursionError):
        return {}, "not_json"
    reason = fault_of(event)
    return ({}, reason) if reason else (event, None)


def no_constant(name: str) -> Any:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's


def fault_of(event: Any) -> Reason:
    if not isinstance(event, dict):
        return "wrong_type"
    if "type" not in event:
        return "missing_field"
    if not isinstance(event["type"], str):
        return "wrong_type"
    if event["type"] not in SCHEMAS:
        return "unknown_type"
    return row_of(COMMON | SCHEMAS[event["type"]])(event) or fault_between_fields(event)


def fault_between_fields(event: Row) -> Reason:
    if event["type"] == "stock_movement" and not quantity_is_allowed(event):
        return "out_of_range"
    received = event.get("received_at_ms")
    if received is not None and event["occurred_at_ms"] > received + FUTURE_MS:
        return "future"
    return None


def quantity_is_allowed(movement: Row) -> bool:
    if movement["kind"] == "adjust":
        return True
    if movement["kind"] == "count":
        return bool(movement["quantity"] >= 0)
    return bool(movement["quantity"] > 0)


def identity(event: Row) -> tuple[str, ...]:
    if event["type"] == "swipe":
        return ("swipe", event["settlement_id"])
    if event["type"] == "reversal":
        return ("reversal", event["settlement_id"], event["event_id"])
    return (event["type"], event["event_id"])


def content(event: Row) -> Row:
    """Returns what must be equal between two tellings of one event; 1, 1.0 and 1e0 are equal in Python too."""
    known = {"occurred_at_ms"} | {field.rstrip("?") for field in SCHEMAS[event["type"]]}
    said = {name: value for name, value in event.items() if name in known and value is not None}
    for name, schema in NESTED.items():
        if name in said:
            said[name] = [known_fields(row, schema) for row in said[name]]
    return said


def known_fields(row: Row, schema: Schema) -> Row:
    names = {field.rstrip("?") for field in schema}
    return {name: value for name, value in row.items() if name in names and value is not None}


def mismatching_reversals(kept: list[tuple[int, Row]]) -> list[int]:
    swipes = {event["settlement_id"]: event for _, event in kept if event["type"] == "swipe"}
    return [
        line_no
        for line_no, event in kept
        if event["type"] == "reversal"
        and event["settlement_id"] in swipes
        and not matches(event, swipes[event["settlement_id"]])
    ]


def matches(reversal: Row, swipe: Row) -> bool:
    """Returns whether a reversal takes effect on a swipe."""
    return all(reversal[name] == swipe[name] for name in ("settlement_id", "institution_id", "person_id"))
