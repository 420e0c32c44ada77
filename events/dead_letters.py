"""Bad input as a value: what was set aside, where it came from and why."""

from __future__ import annotations

import base64
import hashlib
from typing import Literal

import msgspec

Reason = Literal[
    "not_json",
    "missing_field",
    "wrong_type",
    "unknown_type",
    "unknown_value",
    "out_of_range",
    "empty_id",
    "bad_date",
    "bad_hour",
    "unknown_time_zone",
    "time_out_of_range",
    "future",
    "too_late",
    "conflicting_duplicate",
    "reversal_mismatch",
]
Stage = Literal["decode", "reception", "identity", "reversal"]


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the bytes came from: a file's line, a request's event or a topic's offset. Lines count from 1."""

    file: str | None = None
    line: int | None = None
    sender: str | None = None
    index: int | None = None
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None


class InvalidEvent(msgspec.Struct, frozen=True):
    """Why bytes are not an acceptable event. Never holds the offending value of a personal field."""

    reason: Reason
    detail: str
    stage: Stage = "decode"


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """Original bytes that were set aside, with place, stage and reason. Nothing of them is lost."""

    original: bytes
    place: Place
    stage: Stage
    reason: Reason
    detail: str


def letter_key(letter: DeadLetter) -> str:
    """Returns what is the same of a letter that is set aside again: same bytes, place, stage and reason."""
    what = msgspec.msgpack.encode((letter.place, letter.stage, letter.reason, letter.original))
    return hashlib.sha256(what).hexdigest()


def dead_letter_json(letter: DeadLetter) -> bytes:
    """Returns one JSON line's bytes; `original` is text, or `original_base64` where the bytes are not UTF-8."""
    try:
        original = {"original": letter.original.decode("utf-8")}
    except UnicodeDecodeError:
        original = {"original_base64": base64.b64encode(letter.original).decode("ascii")}
    body = {
        "reason": letter.reason,
        "stage": letter.stage,
        "place": letter.place,
        "detail": letter.detail,
        **original,
    }
    return msgspec.json.encode(body)
