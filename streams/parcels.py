"""What partitions send each other: the items of every stage that a step of one has for another, in one parcel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final, Literal

import msgspec
from msgspec import Struct

from events.types import (
    AccountInjection,
    AgentRegistration,
    CrossRegionFiling,
    Drug,
    FaceObserved,
    Institution,
    Person,
    StockMovement,
    VisitorCorrection,
)
from streams.acceptance import Incoming
from streams.rows import SwipeRow
from streams.store.meetings import Pair

PersonFact = Person | AccountInjection | CrossRegionFiling
PlaceFact = AgentRegistration | StockMovement

FORMAT: Final = 1
"""Of a parcel's bytes. Whoever changes what a parcel holds counts on, and still reads the format before."""
LARGEST_BYTES: Final = 2**20


class CausedRow(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A row, and the identity of the event that it comes from."""

    row: SwipeRow
    cause: str


class Observation(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """An observation with all corrections known of it, and the identity of the event that it comes from."""

    observed: FaceObserved
    corrections: tuple[VisitorCorrection, ...]
    cause: str


class Met(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A meeting with the rows of its two swipes."""

    pair: Pair
    one: SwipeRow
    other: SwipeRow
    cause: str


class Sighted(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A sighting with the row of its swipe."""

    visitor_id: str
    swipe: SwipeRow
    observations: tuple[Observation, ...]
    cause: str


class Parcel(Struct, kw_only=True, array_like=True):
    """Items for one partition, by what takes them: stage 0, the person stage, the institution stage, the last stages.

    They may come in any order and again.
    """

    offered: list[Incoming] = []
    references: list[Institution | Drug] = []
    joined: list[CausedRow] = []
    of_persons: list[PersonFact] = []
    placed: list[CausedRow] = []
    of_places: list[PlaceFact] = []
    seen: list[Observation] = []
    coded: list[CausedRow] = []
    met: list[Met] = []
    sighted: list[Sighted] = []

    def items(self) -> int:
        """Returns how many items it holds."""
        return sum(len(getattr(self, name)) for name in self.__struct_fields__)


Stage = Literal["references", "joined", "of_persons", "placed", "of_places", "seen", "coded", "met", "sighted"]


def together(parcels: Iterable[Parcel]) -> Parcel:
    """Returns one parcel with the items of all."""
    whole = Parcel()
    for parcel in parcels:
        for name in Parcel.__struct_fields__:
            getattr(whole, name).extend(getattr(parcel, name))
    return whole


class Post:
    """One step's items on their way to the partitions."""

    def __init__(self) -> None:
        self._parcels: dict[int, Parcel] = defaultdict(Parcel)

    def bring(self, number: int, parcel: Parcel) -> None:
        """What came from elsewhere for a partition is on its way too."""
        self._parcels[number] = together([self._parcels[number], parcel])

    def put(self, number: int, stage: Stage, items: Iterable[object]) -> None:
        """The items are on their way to a stage of that partition."""
        getattr(self._parcels[number], stage).extend(items)

    def of(self, number: int) -> Parcel:
        """Returns what has come for a partition so far."""
        return self._parcels[number]

    def left(self, held: Iterable[int]) -> dict[int, Parcel]:
        """Returns what is for partitions other than these."""
        return {number: parcel for number, parcel in self._parcels.items() if number not in held and parcel.items()}


_DECODER = msgspec.msgpack.Decoder(Parcel)


def packed(parcel: Parcel) -> bytes:
    """Returns the parcel's bytes, the first of them their format."""
    return bytes([FORMAT]) + msgspec.msgpack.encode(parcel)


def packed_in_pieces(parcel: Parcel, largest_bytes: int = LARGEST_BYTES) -> Iterator[bytes]:
    """Yields the bytes of parcels that hold the same items together, none much longer than that unless of one item."""
    body = packed(parcel)
    if len(body) <= largest_bytes or parcel.items() <= 1:
        yield body
        return
    for half in _halves(parcel):
        yield from packed_in_pieces(half, largest_bytes)


def _halves(parcel: Parcel) -> tuple[Parcel, Parcel]:
    one, other, left = Parcel(), Parcel(), parcel.items() // 2
    for name in Parcel.__struct_fields__:
        items = getattr(parcel, name)
        getattr(one, name).extend(items[:left])
        getattr(other, name).extend(items[left:])
        left = max(0, left - len(items))
    return one, other


def unpacked(body: bytes) -> Parcel:
    """Returns the parcel of `packed` bytes. Raises: ValueError for bytes that are none of a format known here."""
    if body[:1] != bytes([FORMAT]):
        raise ValueError(f"a parcel of format {body[0] if body else 'none'}, and this version reads {FORMAT}")
    try:
        return _DECODER.decode(memoryview(body)[1:])
    except msgspec.DecodeError as error:
        raise ValueError(f"no parcel: {error}") from error
