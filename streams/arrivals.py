"""What a chunk of input brings: events of one type at a time, each with its number in the input. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import cast

import numpy as np

from detectors.columns import EventColumns
from detectors.extraction import COLUMNS_OF
from detectors.windows import Int64s
from events.codec import decode_event, decode_events
from events.dead_letters import InvalidEvent
from events.errors import InvariantError
from events.identity import content_digest, identity_of
from events.types import AnyEvent, Reversal, Swipe

Kind = type[AnyEvent]
Originals = Callable[[Sequence[int]], Iterator[tuple[int, bytes]]]
"""Yields number and original of these numbers, which ascend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Events of one type, as columns or, of types of which there are few, as objects.

    Events of one identity have one of the `hashes`, others another but for chance. `numbers` ascend. Events with one
    of the `marks` have the same original bytes, but for chance once in 2⁶⁴.
    """

    kind: Kind
    hashes: Int64s
    numbers: Int64s
    marks: Int64s
    events: Sequence[AnyEvent] = ()
    columns: EventColumns | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalid:
    """An offer that is no event."""

    number: int
    original: bytes
    why: InvalidEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Offers that follow one another, `size` numbers from `first` on, by type, and those that are no events.

    Some numbers may stand for nothing.
    """

    first: int
    size: int
    arrivals: Sequence[Arrivals]
    invalid: Sequence[Invalid]

    @property
    def offered(self) -> int:
        """How many offers there are."""
        return len(self.invalid) + sum(len(arrivals.numbers) for arrivals in self.arrivals)


def chunk_of(originals: Sequence[bytes], first: int) -> Chunk:
    """Returns what these originals bring, numbered from `first`."""
    decoded = decode_events(originals)
    kinds = list(map(type, decoded))
    marks = hashes_of(originals)
    arrivals = []
    for kind in dict.fromkeys(kinds):
        if kind is not InvalidEvent:
            places = np.array([place for place, one in enumerate(kinds) if one is kind], dtype=np.int64)
            events = cast("list[AnyEvent]", [decoded[place] for place in places.tolist()])
            arrivals.append(_arrivals_of(cast("Kind", kind), events, places + first, marks[places]))
    return Chunk(
        first=first,
        size=len(originals),
        arrivals=arrivals,
        invalid=[
            Invalid(number=first + place, original=originals[place], why=why)
            for place, why in enumerate(decoded)
            if isinstance(why, InvalidEvent)
        ],
    )


def _arrivals_of(kind: Kind, events: Sequence[AnyEvent], numbers: Int64s, marks: Int64s) -> Arrivals:
    hashes = hashes_of(list(map(_IDENTITY_OF.get(kind, _EVENT_ID), events)))
    columns = COLUMNS_OF[kind](events) if kind in COLUMNS_OF else None
    kept = () if kind in COLUMNS_OF else events
    return Arrivals(kind=kind, hashes=hashes, numbers=numbers, marks=marks, events=kept, columns=columns)


def hashes_of(values: Sequence[str] | Sequence[bytes]) -> Int64s:
    """Returns a hash of each, keyed anew for every process."""
    return np.fromiter(map(hash, values), dtype=np.int64, count=len(values))


_EVENT_ID = cast("Callable[[AnyEvent], str]", attrgetter("event_id"))
_IDENTITY_OF: Mapping[Kind, Callable[[AnyEvent], str]] = {
    Swipe: cast("Callable[[AnyEvent], str]", attrgetter("settlement_id")),
    Reversal: identity_of,
}
"""What identifies an event among those of its type, where that is not the event_id."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """The number of an event and that of the first that seems to be of its identity."""

    first: int
    later: int
    has_same_bytes: bool


def repeats_among(hashes: Int64s, numbers: Int64s, marks: Int64s) -> Iterator[Repeat]:
    """Yields every event that has the hash of one with a lesser number."""
    if not _has_equals(hashes):
        return
    order = np.lexsort((numbers, hashes))
    hashes, numbers, marks = hashes[order], numbers[order], marks[order]
    is_later = np.zeros(len(order), dtype=np.bool_)
    is_later[1:] = hashes[1:] == hashes[:-1]
    first = np.maximum.accumulate(np.where(is_later, 0, np.arange(len(order), dtype=np.int64)))
    same = marks == marks[first]
    columns = (column[is_later].tolist() for column in (numbers[first], numbers, same))
    yield from map(Repeat, *columns)


def _has_equals(values: Int64s) -> bool:
    ascending = np.sort(values)
    return bool(np.any(ascending[1:] == ascending[:-1]))


@dataclass(slots=True)
class Settled:
    """What became of what seemed repeated: some of the `repeats` are `conflicting`, the others say the same."""

    repeats: list[int] = field(default_factory=list)
    conflicting: list[int] = field(default_factory=list)

    @property
    def duplicates(self) -> int:
        """How many repeats say the same."""
        return len(self.repeats) - len(self.conflicting)


def settle(repeats: Iterable[Repeat], originals: Originals) -> Settled:
    """Returns what repeats are; those whose originals are not known to be equal are read again."""
    settled = Settled()
    doubts: dict[int, list[int]] = defaultdict(list)
    for repeat in repeats:
        if repeat.has_same_bytes:
            settled.repeats.append(repeat.later)
        else:
            doubts[repeat.first].append(repeat.later)
    said = {number: _said(original) for number, original in originals(sorted({*doubts, *chain(*doubts.values())}))}
    for first, later_ones in doubts.items():
        content_of = dict([said[first]])
        for later in sorted(later_ones):
            identity, content = said[later]
            if identity not in content_of:  # another event, whose hash is the same by chance
                content_of[identity] = content
                continue
            settled.repeats.append(later)
            if content_of[identity] != content:
                settled.conflicting.append(later)
    return settled


def _said(original: bytes) -> tuple[str, bytes]:
    """Returns the identity of an event and a digest of what it says."""
    event = decode_event(original)
    if isinstance(event, InvalidEvent):
        raise InvariantError("what was an event is none when it is read again: the input has changed")
    return identity_of(event), content_digest(event)
