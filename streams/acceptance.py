"""Stage 0: which events are accepted, which are repeats, and which are set aside. Pure but for what it remembers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from events.codec import check_future, decode_events
from events.dead_letters import DeadLetter, InvalidEvent, Place
from events.identity import content_digest, identity_of
from events.types import AnyEvent, FaceObserved, Reversal, StockMovement, Swipe

TOO_LATE_MS = 7 * 86_400_000

CONFLICTING = InvalidEvent(
    "conflicting_duplicate", "an event of this identity with other content was accepted before", "identity"
)
MISMATCHED = InvalidEvent(
    "reversal_mismatch", "the swipe of this settlement is another institution's or person's", "reversal"
)

Perishable = Swipe | Reversal | StockMovement | FaceObserved


class Incoming(msgspec.Struct, frozen=True, array_like=True):
    """Original bytes, where they came from, who sent them, and our clock at reception.

    That replaces the sender's word; None for what is replayed and for history, which is never too late.
    """

    original: bytes
    place: Place
    sender: str = ""
    received_at_ms: int | None = None


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


def decide(incoming: Sequence[Incoming], known: KnownDigests) -> list[Outcome]:
    """Returns one outcome each, in order; one may repeat one before it.

    Args:
        incoming: what came in, in order.
        known: asked once for all identities of the batch.
    """
    events = decode_events([one.original for one in incoming])
    digests = dict(known.digests_of([identity_of(event) for event in events if not isinstance(event, InvalidEvent)]))
    return [
        set_aside(one.original, one.place, event)
        if isinstance(event, InvalidEvent)
        else _decide_one(one, event, digests)
        for one, event in zip(incoming, events, strict=True)
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


def _decide_one(one: Incoming, event: AnyEvent, digests: dict[str, bytes]) -> Outcome:
    """Compares with what was accepted before; what is new must not be too early or too late.

    So the repeat of an accepted event is a duplicate however late it comes: its sender is told the truth.
    """
    identity, digest = identity_of(event), content_digest(event)
    known = digests.get(identity)
    if known == digest:
        return Duplicate(event.event_id)
    if known is not None:
        return set_aside(one.original, one.place, CONFLICTING)
    problem = None if one.received_at_ms is None else _check_reception(event, one.received_at_ms)
    if problem is not None:
        return set_aside(one.original, one.place, problem)
    digests[identity] = digest
    return Accepted(event, identity, digest, one.original)


def _check_reception(event: AnyEvent, received_at_ms: int) -> InvalidEvent | None:
    """Returns why the event came too early or too late, or None. Exactly seven days late is still accepted."""
    future = check_future(event.occurred_at_ms, received_at_ms)
    if future is None and isinstance(event, Perishable) and event.occurred_at_ms < received_at_ms - TOO_LATE_MS:
        return InvalidEvent("too_late", "occurred_at_ms is more than 7d before reception; use import", "reception")
    return future


def set_aside(original: bytes, place: Place, why: InvalidEvent) -> DeadLetter:
    """Returns the dead letter of these bytes."""
    return DeadLetter(original=original, place=place, stage=why.stage, reason=why.reason, detail=why.detail)


def reversal_mismatch(original: bytes, place: Place) -> DeadLetter:
    """Returns the dead letter of an accepted reversal that names another institution or person than its swipe."""
    return set_aside(original, place, MISMATCHED)
