"""What happens to the memory of visitors, as values: what the journal keeps and the index is made of again.

Each may be applied again to what it has already led to, and changes nothing: a snapshot is made while things go on.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Emptied(msgspec.Struct, frozen=True, tag="emptied"):
    """Everything before counts no more: what follows is all there is."""


class Salted(msgspec.Struct, frozen=True, kw_only=True, tag="salted"):
    """The salt of a week."""

    week: int
    salt: bytes


class Visitor(msgspec.Struct, frozen=True, kw_only=True, tag="visitor"):
    """A visitor: a random key, the week of the id's salt, the last sight, and looks as float32, little-endian."""

    key: bytes
    week: int
    institution_id: str
    seen_ms: int
    looks: list[bytes]


class LookAdded(msgspec.Struct, frozen=True, kw_only=True, tag="look_added"):
    """A visitor has one look more."""

    key: bytes
    look: bytes


class Seen(msgspec.Struct, frozen=True, kw_only=True, tag="seen"):
    """A visitor was seen again."""

    key: bytes
    institution_id: str
    seen_ms: int


class Renamed(msgspec.Struct, frozen=True, kw_only=True, tag="renamed"):
    """A visitor whose salt has ended has an id under another week's."""

    key: bytes
    week: int


class Forgotten(msgspec.Struct, frozen=True, kw_only=True, tag="forgotten"):
    """A visitor is no more."""

    key: bytes


class Joined(msgspec.Struct, frozen=True, kw_only=True, tag="joined"):
    """Two were one: `kept` has the looks of `gone`, which is no more, and its last sight."""

    kept: bytes
    gone: bytes
    institution_id: str
    seen_ms: int
    looks: list[bytes]


Record = Emptied | Salted | Visitor | LookAdded | Seen | Renamed | Forgotten | Joined

_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[list[Record]] = msgspec.msgpack.Decoder(list[Record])


def encode_records(records: Sequence[Record]) -> bytes:
    """Returns the records as one piece, which is kept as a whole or not at all."""
    return _ENCODER.encode(records)


def decode_records(content: bytes) -> list[Record]:
    """Returns what `encode_records` was given. Raises: msgspec.ValidationError or DecodeError for anything else."""
    return _DECODER.decode(content)
