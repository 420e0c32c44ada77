"""Stage 0: which events are accepted, which are repeats, and which are set aside. Pure but for what it remembers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from events.codec import check_future, decode_event
from events.dead_letters import DeadLetter, InvalidEvent, Place
from events.identity import content_digest, identity_of
from events.types import AnyEvent, FaceObserved, Reversal, StockMovement, Swipe

TOO_LATE_MS = 7 * 86_400_000

Perishable = Swipe | Reversal | StockMovement | FaceObserved


class Accepted(msgspec.Struct, frozen=True):
    """A new event, with what identifies it and what it says."""

    event: AnyEvent
    identity: str
    digest: bytes
    original: bytes


class Duplicate(msgspec.Struct, frozen=True):
    """An event that was accepted before and says the same."""

    event_id: str


Outcome = Accepted | Duplicate | DeadLetter


class KnownDigests(Protocol):
    """What has been accepted before this batch."""

    def digests_of(self, identities: Iterable[str]) -> Mapping[str, bytes]:
        """Returns the digest of every given identity that was accepted."""


def decide(offers: Iterable[tuple[bytes, Place]], known: KnownDigests, received_at_ms: int | None) -> list[Outcome]:
    """Returns one outcome an offer, in order; an offer may repeat one before it.

    Args:
        offers: original bytes and where they came from.
        known: asked once for all identities of the batch.
        received_at_ms: our clock at reception, which replaces the sender's word; None when files are replayed.
    """
    decoded = [(original, place, _decode(original, received_at_ms)) for original, place in offers]
    digests = dict(known.digests_of([identity_of(e) for _, _, e in decoded if not isinstance(e, InvalidEvent)]))
    return [
        _set_aside(original, place, event)
        if isinstance(event, InvalidEvent)
        else _compare(original, place, event, identity_of(event), digests)
        for original, place, event in decoded
    ]


class RememberedDigests:
    """Digests kept in memory, for replays."""

    def __init__(self) -> None:
        self._digests: dict[str, bytes] = {}

    def digests_of(self, identities: Iterable[str]) -> Mapping[str, bytes]:
        """Returns the digest of every given identity that was remembered."""
        known = self._digests
        return {identity: known[identity] for identity in identities if identity in known}

    def remember(self, accepted: Accepted) -> None:
        """Remembers an accepted event."""
        self._digests[accepted.identity] = accepted.digest


def _decode(original: bytes, received_at_ms: int | None) -> AnyEvent | InvalidEvent:
    event = decode_event(original)
    if received_at_ms is None or isinstance(event, InvalidEvent):
        return event
    received = msgspec.structs.replace(event, received_at_ms=received_at_ms)
    return _check_reception(received, received_at_ms)


def _check_reception(event: AnyEvent, received_at_ms: int) -> AnyEvent | InvalidEvent:
    """Returns the event, or why it came too early or too late. Exactly seven days late is still accepted."""
    future = check_future(event.occurred_at_ms, received_at_ms)
    if future is not None:
        return future
    if isinstance(event, Perishable) and event.occurred_at_ms < received_at_ms - TOO_LATE_MS:
        return InvalidEvent("too_late", "occurred_at_ms is more than 7d before reception; use import", "reception")
    return event


def _compare(original: bytes, place: Place, event: AnyEvent, identity: str, digests: dict[str, bytes]) -> Outcome:
    digest = content_digest(event)
    known = digests.setdefault(identity, digest)
    if known is digest:
        return Accepted(event, identity, digest, original)
    if known == digest:
        return Duplicate(event.event_id)
    detail = "an event of this identity with other content was accepted before"
    return _set_aside(original, place, InvalidEvent("conflicting_duplicate", detail, "identity"))


def _set_aside(original: bytes, place: Place, why: InvalidEvent) -> DeadLetter:
    return DeadLetter(original=original, place=place, stage=why.stage, reason=why.reason, detail=why.detail)


def reversal_mismatch(original: bytes, place: Place) -> DeadLetter:
    """Returns the dead letter of an accepted reversal that names another institution or person than its swipe."""
    detail = "the swipe of this settlement is another institution's or person's"
    return _set_aside(original, place, InvalidEvent("reversal_mismatch", detail, "reversal"))
