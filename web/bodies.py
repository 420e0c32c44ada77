"""A request's body as the original bytes of each event, and which institutions the events name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from storage.access.accounts import Token

NDJSON_TYPES = frozenset({"application/x-ndjson", "application/jsonl", "application/x-jsonlines"})
# These types name no institution: what they say holds for everybody, so only a sender for all may say it.
UNADDRESSED_TYPES = frozenset({"person", "drug", "account_injection", "cross_region_filing", "visitor_correction"})

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


class _Address(msgspec.Struct, frozen=True, gc=False):
    """The two fields that say whom an event speaks for, of whatever type they are."""

    type: object = None
    institution_id: object = None


_ADDRESS = msgspec.json.Decoder(_Address)


def split_body(body: bytes, content_type: str) -> list[bytes]:
    """Returns each event's original bytes, in order.

    JSON Lines are split at line feeds (a carriage return before it belongs to the line's end, blank lines are none);
    an array by its elements; anything else, also what is no JSON at all, is one event, so that it is set aside whole
    and answered like any other.
    """
    if content_type.partition(";")[0].strip().lower() in NDJSON_TYPES:
        return [line.removesuffix(b"\r") for line in body.split(b"\n") if line.strip()]
    if not body.lstrip().startswith(b"["):
        return [body.strip() or body]
    try:
        return [bytes(raw) for raw in _ARRAY.decode(body)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [body]


def foreign_institutions(originals: Sequence[bytes], sender: Token) -> set[str]:
    """Returns what the sender may not speak for among the events: institutions, or types that need `*`."""
    if sender.speaks_for_all:
        return set()
    return set(_not_allowed(originals, sender))


def _not_allowed(originals: Sequence[bytes], sender: Token) -> Iterator[str]:
    for original in originals:
        address = _address_of(original)
        if address is None:
            continue
        if isinstance(address.type, str) and address.type in UNADDRESSED_TYPES:
            yield f"any {address.type}"
        elif isinstance(address.institution_id, str) and not sender.speaks_for(address.institution_id):
            yield address.institution_id


def _address_of(original: bytes) -> _Address | None:
    try:
        return _ADDRESS.decode(original)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # it will be set aside, so it speaks for nobody
