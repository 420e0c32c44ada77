"""Records of the topics as a worker reads and writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

from events.dead_letters import DeadLetter, letter_key
from events.topics import DEAD_LETTERS, FLOW, INPUT
from streams.parcels import Parcel, packed_in_pieces

Way = Literal["input", "flow"]
WAYS: Final[tuple[Way, ...]] = ("input", "flow")
TOPIC_OF: Final[Mapping[Way, str]] = {"input": INPUT.name, "flow": FLOW.name}
WAY_OF: Final[Mapping[str, Way]] = {INPUT.name: "input", FLOW.name: "flow"}


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """A record of the input or the flow. `appended_at_ms` is the broker's clock when it took it."""

    way: Way
    partition: int
    offset: int
    appended_at_ms: int
    body: bytes
    sender: str


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A record to be written."""

    topic: str
    partition: int
    body: bytes
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()


def parcel_records(parcels: Mapping[int, Parcel]) -> Iterator[Written]:
    """Yields the records of the flow that carry these parcels to their partitions."""
    for number, parcel in parcels.items():
        for body in packed_in_pieces(parcel):
            yield Written(topic=FLOW.name, partition=number, body=body)


def letter_records(letters: Iterable[DeadLetter]) -> Iterator[Written]:
    """Yields a record for each dead letter: the original bytes, with place, stage, reason and detail beside them.

    A letter that is written again has the same key.
    """
    for letter in letters:
        yield Written(
            topic=DEAD_LETTERS.name,
            partition=0,
            body=letter.original,
            key=letter_key(letter).encode(),
            headers=(
                ("place", msgspec.json.encode(letter.place)),
                ("stage", letter.stage.encode()),
                ("reason", letter.reason.encode()),
                ("detail", letter.detail.encode()),
            ),
        )
