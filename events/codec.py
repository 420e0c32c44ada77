"""Bytes to typed events; anything that is not an acceptable event becomes an `InvalidEvent`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from events.dead_letters import InvalidEvent, Reason
from events.types import AnyEvent, Institution, Person, StockMovement

FUTURE_TOLERANCE_MS = 600_000

_DECODER: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
_CHECKED = frozenset({StockMovement, Person, Institution})
"""The types of which check_event asks more than the time of reception."""
_FIELD = re.compile(r"`\$\.?(?P<path>[^`]*)`")


def decode_event(original: bytes | msgspec.Raw) -> AnyEvent | InvalidEvent:
    """Returns the event that the bytes say, or why they say none. Checks everything that needs no other event."""
    try:
        str(original, "utf-8")  # the decoder skips unknown fields without looking at their bytes
        event = _DECODER.decode(original)
    except msgspec.ValidationError as error:
        return _explain(str(error)) if _is_json(original) else InvalidEvent("not_json", "JSON is malformed")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return InvalidEvent("not_json", str(error))
    return check_event(event)


def decode_events(originals: Sequence[bytes]) -> list[AnyEvent | InvalidEvent]:
    """Returns what decode_event says of each, in order. Cost: two thirds of it, where all of them are events."""
    try:
        for original in originals:
            if not original.isascii():
                str(original, "utf-8")
        events = list(map(_DECODER.decode, originals))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [decode_event(original) for original in originals]
    return [
        check_event(event) if type(event) in _CHECKED or event.received_at_ms is not None else event for event in events
    ]


def check_event(event: AnyEvent) -> AnyEvent | InvalidEvent:
    """Returns the event, or why it breaks a rule that its types alone cannot state."""
    problem: InvalidEvent | None = None
    if isinstance(event, StockMovement):
        problem = _check_quantity(event)
    elif isinstance(event, Person):
        problem = _check_birth_date(event)
    elif isinstance(event, Institution):
        problem = _check_time_zone(event)
    if problem is None and event.received_at_ms is not None:
        problem = check_future(event.occurred_at_ms, event.received_at_ms)
    return event if problem is None else problem


def check_future(occurred_at_ms: int, received_at_ms: int) -> InvalidEvent | None:
    """Returns why an event lies too far ahead of its reception, or None. Ten minutes ahead is still accepted."""
    if occurred_at_ms - received_at_ms <= FUTURE_TOLERANCE_MS:
        return None
    return InvalidEvent("future", "occurred_at_ms is more than 10m after received_at_ms", "reception")


def _check_quantity(movement: StockMovement) -> InvalidEvent | None:
    if movement.kind == "adjust" or movement.quantity > 0 or (movement.kind == "count" and movement.quantity == 0):
        return None
    return InvalidEvent("out_of_range", f"quantity of a {movement.kind} must be positive")


def _check_birth_date(person: Person) -> InvalidEvent | None:
    if person.birth_date is None or is_date(person.birth_date):
        return None
    return InvalidEvent("bad_date", "birth_date is not a day of the calendar")


def is_date(text: str) -> bool:
    """Returns whether a text, written YYYY-MM-DD, is a day of the calendar."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _check_time_zone(institution: Institution) -> InvalidEvent | None:
    if institution.time_zone is None or is_time_zone(institution.time_zone):
        return None
    return InvalidEvent("unknown_time_zone", "time_zone is not in the tz database")


@lru_cache(maxsize=1024)
def is_time_zone(name: str) -> bool:
    """Returns whether the tz database knows the name."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        return False
    except KeyError:
        return False
    return True


def _is_json(original: bytes | msgspec.Raw) -> bool:
    """Returns whether the whole is JSON; the decoder stops at the first value that does not fit."""
    try:
        msgspec.json.decode(original)
    except msgspec.ValidationError:
        return True
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _explain(message: str) -> InvalidEvent:
    """Classes msgspec's message; the message names types and bounds, and a value only where it is an enumeration."""
    return InvalidEvent(_reason_of(message), message)


def _reason_of(message: str) -> Reason:
    found = _FIELD.search(message)
    path = found["path"] if found else ""
    name = path.rsplit(".", 1)[-1]
    if message.startswith("Object missing required field"):
        return "missing_field"
    if message.startswith("Invalid value"):
        return "unknown_type" if path == "type" else "unknown_value"
    if message.startswith("Invalid enum value"):
        return "unknown_value"
    if "of length >= 1" in message:
        return "empty_id"
    if "matching regex" in message:
        return "bad_date" if name == "birth_date" else "bad_hour"
    if (">=" in message or "<=" in message or "> 0" in message) and "Expected" in message:
        return "time_out_of_range" if name.endswith("_ms") else "out_of_range"
    if "out of range" in message:
        return "time_out_of_range" if name.endswith("_ms") else "out_of_range"
    return "wrong_type"
