"""What a camera worker's process runs in tests of whoever starts it; light, since each process imports it anew."""

from __future__ import annotations

import os
import time
from multiprocessing.connection import Connection

import msgspec

from video.messages import Observed, Stop, SwipeSeen, decode_to_worker, encode_message
from video.settings import VideoSettings

STOPPED = "stopped"
DECIDED = "decided"


def never_listen(_connection: Connection, _settings: VideoSettings) -> None:
    """Hangs."""
    while True:
        time.sleep(60)


def repeat_swipes(connection: Connection, settings: VideoSettings) -> None:
    """Says of each swipe, and of the end, which process of which cameras heard it; the last word of one alone."""
    while True:
        message = decode_to_worker(connection.recv_bytes())
        if isinstance(message, SwipeSeen):
            stage = "final" if message.settlement_id == DECIDED else "provisional"
            original = {"stage": stage, "process": os.getpid(), "said_by": message.said_by}
            connection.send_bytes(encode_message(_observed(message.settlement_id, original, settings)))
        if isinstance(message, Stop):
            connection.send_bytes(encode_message(_observed(STOPPED, {"stage": "presence"}, settings)))
            return


def _observed(settlement_id: str, original: dict[str, object], settings: VideoSettings) -> Observed:
    return Observed(
        original=msgspec.json.encode(original),
        still=None,
        settlement_id=settlement_id,
        camera_id=settings.cameras[0].camera_id,
        captured_at_ms=1,
    )
