"""Processes in the place of the one that makes clips, which do at once what the real one may do; they import little."""

from __future__ import annotations

import os
import time
from multiprocessing.connection import Connection

import msgspec

BREAKS = b"breaks the decoder"
NOTHING = b"no film"
LATE = b"takes long"


def breakable(connection: Connection, _models_directory: str | None) -> None:
    """Dies at an original that holds `BREAKS`, decodes nothing of `NOTHING`, and has a film of any other.

    Of one that holds `LATE` it says so only when it is asked the next.
    """
    while True:
        try:
            original = msgspec.msgpack.decode(connection.recv_bytes())
        except EOFError:
            return
        if BREAKS in original["video"]:
            os.abort()
        if LATE in original["video"]:
            connection.poll(None)
        answer = {"type": "nothing_decoded"} if NOTHING in original["video"] else _made_of(original)
        connection.send_bytes(msgspec.msgpack.encode(answer))


def never_done(connection: Connection, _models_directory: str | None) -> None:
    """Takes an original, and then does nothing for ever."""
    connection.recv_bytes()
    time.sleep(3_600)


def _made_of(original: dict[str, object]) -> dict[str, object]:
    same = ("settlement_id", "camera_id", "camera_state", "swipe_at_ms", "first_at_ms", "last_at_ms", "step_ms")
    times = {"first_raw_at_ms": original["first_raw_at_ms"], "clock_offset_ms": original["clock_offset_ms"]}
    told = {"type": "clip_made", "webm": b"webm", "pictures": 1, "cpu_ms": 1}
    return {**told, **times, **{name: original[name] for name in same}}
