"""What a chunk of input brings: events of one type at a time, each with its number in the input. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, compress
from operator import attrgetter, eq
from typing import cast

import numpy as np

from detectors.columns import EventColumns, rows_of
from detectors.extraction import COLUMNS_OF
from detectors.windows import Int64s
from events.codec import decode_event, decode_events
from events.dead_letters import InvalidEvent
from events.errors import InvariantError
from events.identity import content_digest, identity_of
from events.types import AnyEvent, Reversal, Swipe

Kind = type[AnyEvent]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Events of one type: their identities within it, their numbers, and either objects or columns."""

    kind: Kind
    identities: Sequence[str]
    numbers: Sequence[int]
    events: Sequence[AnyEvent] = ()
    columns: EventColumns | None = None

    def kept(self, is_kept: Sequence[bool]) -> Arrivals:
        """Returns those that are kept."""
        if all(is_kept):
            return self
        rows = np.flatnonzero(np.array(is_kept, dtype=np.bool_))
        return Arrivals(
            kind=self.kind,
            identities=list(compress(self.identities, is_kept)),
            numbers=list(compress(self.numbers, is_kept)),
            events=list(compress(self.events, is_kept)),
            columns=None if self.columns is None else rows_of(self.columns, rows),
        )

    def as_columns(self) -> EventColumns | None:
        """Returns the columns; None for a type that stays objects."""
        if self.columns is not None or self.kind not in COLUMNS_OF:
            return self.columns
        return COLUMNS_OF[self.kind](self.events)


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
            arrivals.append(arrivals_of(cast("Kind", kind), events, [first + place for place in places]))
    return Chunk(
        first=first,
        size=len(originals),
        arrivals=arrivals,
        invalid=[
            Invalid(number=first + place, original=originals[place], why=why)
            for place, why in enumerate(decoded)
            if isinstance(why, InvalidEvent)
        ],
        marks=np.fromiter(map(hash, originals), dtype=np.int64, count=len(originals)),
    )


def arrivals_of(kind: Kind, events: Sequence[AnyEvent], numbers: Sequence[int]) -> Arrivals:
    """Returns events of one type as arrivals."""
    identity = IDENTITY_OF.get(kind, _EVENT_ID)
    return Arrivals(kind=kind, identities=list(map(identity, events)), numbers=numbers, events=events)


_EVENT_ID = cast("Callable[[AnyEvent], str]", attrgetter("event_id"))
IDENTITY_OF: Mapping[Kind, Callable[[AnyEvent], str]] = {
    Swipe: cast("Callable[[AnyEvent], str]", attrgetter("settlement_id")),
    Reversal: identity_of,
}
"""What identifies an event among those of its type, where that is not the event_id."""


class FirstComers:
    """Which events are the first of their identity; the others are repeats, or in doubt until their contents are read.

    `doubts` are pairs of numbers: of the first event, and of a later one of its identity whose bytes may be others.
    """

    def __init__(self) -> None:
        self.duplicates = 0
        self.doubts: list[tuple[int, int]] = []
        self._number_of: dict[Kind, dict[str, int]] = defaultdict(dict)
        self._starts: list[int] = []
        self._marks: list[Int64s | None] = []

    def among(self, chunk: Chunk) -> Iterator[Arrivals]:
        """Yields a chunk's arrivals that are the first of their identity; chunks come in order of their numbers."""
        self._starts.append(chunk.first)
        self._marks.append(chunk.marks)
        self._know_mixed(chunk.arrivals)
        for arrivals in chunk.arrivals:
            yield arrivals.kept(self._are_first(arrivals))

    def _know_mixed(self, given: Sequence[Arrivals]) -> None:
        """Takes note of what came as columns and as objects, by number: the lesser is the first."""
        for kind, count in Counter(arrivals.kind for arrivals in given).items():
            if count > 1:
                of_kind = (zip(one.numbers, one.identities, strict=True) for one in given if one.kind is kind)
                for number, name in sorted(chain.from_iterable(of_kind)):
                    self._number_of[kind].setdefault(name, number)

    def _are_first(self, arrivals: Arrivals) -> list[bool]:
        known = self._number_of[arrivals.kind].setdefault
        first = [known(name, number) for name, number in zip(arrivals.identities, arrivals.numbers, strict=True)]
        are_first = list(map(eq, first, arrivals.numbers))
        if not all(are_first):
            for one, number, is_first in zip(first, arrivals.numbers, are_first, strict=True):
                if not is_first:
                    self._take_repeat(one, number)
        return are_first

    def _take_repeat(self, first: int, number: int) -> None:
        mark = self._mark(first)
        if mark is not None and mark == self._mark(number):
            self.duplicates += 1
        else:
            self.doubts.append((first, number))

    def _mark(self, number: int) -> int | None:
        chunk = bisect_right(self._starts, number) - 1
        marks = self._marks[chunk]
        return None if marks is None else int(marks[number - self._starts[chunk]])


def conflicts_among(
    doubts: Sequence[tuple[int, int]], originals: Callable[[Sequence[int]], Iterator[tuple[int, bytes]]]
) -> list[int]:
    """Returns the numbers of the later events that say something else than the first of their identity.

    Args: `originals` yields number and bytes for numbers that ascend.
    """
    said = {number: _content_of(original) for number, original in originals(sorted(set(chain.from_iterable(doubts))))}
    return [number for first, number in doubts if said[first] != said[number]]


def _content_of(original: bytes) -> bytes:
    event = decode_event(original)
    if isinstance(event, InvalidEvent):
        raise InvariantError("what was an event is none when it is read again: the input has changed")
    return content_digest(event)
