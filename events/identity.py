"""Which events are the same event, and whether they say the same."""

from __future__ import annotations

import hashlib

import msgspec

from events.types import AnyEvent, Event, Reversal, Swipe, VisitorCorrection

_ENCODER = msgspec.msgpack.Encoder()
_ZERO, _MINUS_ZERO = msgspec.msgpack.encode(0.0), msgspec.msgpack.encode(-0.0)


def identity_of(event: Event) -> str:
    """Returns the text by which two events are the same: swipes by settlement, reversals by settlement and event."""
    if isinstance(event, Swipe):
        return identity_text("swipe", event.settlement_id)
    if isinstance(event, Reversal):
        return f"reversal:{len(event.settlement_id)}:{event.settlement_id}:{event.event_id}"
    return identity_text(str(event.__struct_config__.tag), event.event_id)


def identity_text(event_type: str, own_id: str) -> str:
    """Returns the identity of any event but a reversal, from its type and the id that identifies it."""
    return f"{event_type}:{own_id}"


def joining_key(event: AnyEvent) -> str:
    """Returns the key by which stage 0 joins: settlement, observation, or the event's own id.

    Events of one identity have one key.
    """
    match event:
        case Swipe() | Reversal():
            return event.settlement_id
        case VisitorCorrection():
            return event.observation_id
        case _:
            return event.event_id


def content_digest(event: AnyEvent) -> bytes:
    """Returns 16 bytes that are equal when two events of one identity say the same.

    Left out are received_at_ms, unknown fields and a swipe's own event_id; null and absent are alike, numbers
    compare by value, everything else literally.
    """
    content: Event = msgspec.structs.replace(event, received_at_ms=None)
    if isinstance(content, Swipe):
        content = msgspec.structs.replace(content, event_id="-")
    said = _ENCODER.encode(content).replace(_MINUS_ZERO, _ZERO)  # one value with two writings
    return hashlib.blake2b(said, digest_size=16).digest()
