"""What a chunk of input brings: events of one type at a time, each with its number in the input. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from operator import attrgetter
from typing import cast

import numpy as np

from detectors.columns import EventColumns, rows_of
from detectors.extraction import COLUMNS_OF
from detectors.windows import Bools, Int64s
from events.codec import decode_event, decode_events
from events.dead_letters import InvalidEvent
from events.errors import InvariantError
from events.identity import content_digest, identity_of
from events.types import AnyEvent, Reversal, Swipe

Kind = type[AnyEvent]
Repeat = tuple[int, int]
"""The numbers of an event and of an earlier one, the first, that seems to be of its identity: first, later."""
Originals = Callable[[Sequence[int]], Iterator[tuple[int, bytes]]]
"""Yields number and original of these numbers, which ascend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Events of one type, as columns or, of types of which there are few, as objects.

    Events of one identity have one of the `hashes`; other events have another, but for chance. `numbers` ascend.
    """

    kind: Kind
    hashes: Int64s
    numbers: Int64s
    events: Sequence[AnyEvent] = ()
    columns: EventColumns | None = None

    def kept(self, is_kept: Bools) -> Arrivals:
        """Returns those that are kept."""
        rows = np.flatnonzero(is_kept)
        return Arrivals(
            kind=self.kind,
            hashes=self.hashes[rows],
            numbers=self.numbers[rows],
            events=[self.events[row] for row in rows.tolist()] if self.events else (),
            columns=None if self.columns is None else rows_of(self.columns, rows),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalid:
    """An offer that is no event."""

    number: int
    original: bytes
    why: InvalidEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Offers that follow one another, `size` numbers from `first` on, by type, and those that are no events.

    Some numbers may stand for nothing. `marks`, one a number, are equal where the original bytes are: a keyed hash of
    64 bits. Without them nothing is known of that.
    """

    first: int
    size: int
    arrivals: Sequence[Arrivals]
    invalid: Sequence[Invalid]
    marks: Int64s | None = None

    @property
    def offered(self) -> int:
        """How many offers there are."""
        return len(self.invalid) + sum(len(arrivals.numbers) for arrivals in self.arrivals)


def chunk_of(originals: Sequence[bytes], first: int) -> Chunk:
    """Returns what these originals bring, numbered from `first`."""
    decoded = decode_events(originals)
    kinds = list(map(type, decoded))
    arrivals = []
    for kind in dict.fromkeys(kinds):
        if kind is not InvalidEvent:
            places = [place for place, one in enumerate(kinds) if one is kind]
            events = cast("list[AnyEvent]", [decoded[place] for place in places])
            arrivals.append(arrivals_of(cast("Kind", kind), events, np.array(places, dtype=np.int64) + first))
    return Chunk(
        first=first,
        size=len(originals),
        arrivals=arrivals,
        invalid=[
            Invalid(number=first + place, original=originals[place], why=why)
            for place, why in enumerate(decoded)
            if isinstance(why, InvalidEvent)
        ],
        marks=hashes_of(originals),
    )


def arrivals_of(kind: Kind, events: Sequence[AnyEvent], numbers: Int64s) -> Arrivals:
    """Returns events of one type as arrivals."""
    hashes = hashes_of(list(map(_IDENTITY_OF.get(kind, _EVENT_ID), events)))
    if kind in COLUMNS_OF:
        return Arrivals(kind=kind, hashes=hashes, numbers=numbers, columns=COLUMNS_OF[kind](events))
    return Arrivals(kind=kind, hashes=hashes, numbers=numbers, events=events)


def hashes_of(values: Sequence[str] | Sequence[bytes]) -> Int64s:
    """Returns a hash of each, keyed anew for every process."""
    return np.fromiter(map(hash, values), dtype=np.int64, count=len(values))


_EVENT_ID = cast("Callable[[AnyEvent], str]", attrgetter("event_id"))
_IDENTITY_OF: Mapping[Kind, Callable[[AnyEvent], str]] = {
    Swipe: cast("Callable[[AnyEvent], str]", attrgetter("settlement_id")),
    Reversal: identity_of,
}
"""What identifies an event among those of its type, where that is not the event_id."""


def repeats_among(hashes: Int64s, numbers: Int64s) -> list[Repeat]:
    """Returns every event that has the hash of one with a lesser number, with the first of them."""
    order = np.lexsort((numbers, hashes)) if _has_equals(hashes) else np.zeros(0, dtype=np.int64)
    hashes, numbers = hashes[order], numbers[order]
    is_later = np.zeros(len(order), dtype=np.bool_)
    is_later[1:] = hashes[1:] == hashes[:-1]
    first = np.maximum.accumulate(np.where(is_later, 0, np.arange(len(order), dtype=np.int64)))
    return list(zip(numbers[first[is_later]].tolist(), numbers[is_later].tolist(), strict=True))


def _has_equals(values: Int64s) -> bool:
    ascending = np.sort(values)
    return bool(np.any(ascending[1:] == ascending[:-1]))


@dataclass(slots=True)
class Settled:
    """What became of repeats: so many say the same, others something else, and some were none after all."""

    duplicates: int = 0
    conflicting: list[int] = field(default_factory=list)
    repeats: list[int] = field(default_factory=list)


def settle(repeats: Iterable[Repeat], is_same: Callable[[int, int], bool], originals: Originals) -> Settled:
    """Returns what repeats are; those whose bytes are not known to be the same are read again.

    Args: `is_same` says whether the originals of two numbers are known to be equal.
    """
    settled = Settled()
    doubts: dict[int, list[int]] = defaultdict(list)
    for first, later in repeats:
        if is_same(first, later):
            settled.duplicates += 1
            settled.repeats.append(later)
        else:
            doubts[first].append(later)
    said = {number: _said(original) for number, original in originals(sorted({*doubts, *chain(*doubts.values())}))}
    for first, later_ones in doubts.items():
        content_of = dict([said[first]])
        for later in sorted(later_ones):
            identity, content = said[later]
            stands = content_of.setdefault(identity, content)
            ...
    return settled


def _said(original: bytes) -> tuple[str, bytes]:
    """Returns the identity of an event and a digest of what it says."""
    event = decode_event(original)
    if isinstance(event, InvalidEvent):
        raise InvariantError("what was an event is none when it is read again: the input has changed")
    return identity_of(event), content_digest(event)
