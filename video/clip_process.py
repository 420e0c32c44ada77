"""The process that makes clips: what cameras sent is decoded here, so that what breaks a decoder ends nothing else."""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import av.logging
import cv2
import msgspec

from events.errors import ConfigError
from video.clip import ClipMade, make_clip
from video.messages import OriginalCut, decode_from_cameras
from video.sface_engine import SFaceEngine

NICENESS: Final = 10
CONFIG_EXIT: Final = 2


class NothingDecoded(msgspec.Struct, frozen=True, tag="nothing_decoded"):
    """There is no picture in the original."""


class CannotMake(msgspec.Struct, frozen=True, tag="cannot_make"):
    """The process cannot make any clip and ends, whatever the original; `reason` is a sentence for the operator."""

    reason: str


ClipAnswer = ClipMade | NothingDecoded | CannotMake
_ANSWER: msgspec.msgpack.Decoder[ClipAnswer] = msgspec.msgpack.Decoder(ClipAnswer)


def run(connection: Connection, models_directory: str | None) -> None:
    """Answers each original with its clip, at low priority, until the other end hangs up; of a spawned process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the product ends this process
    os.nice(NICENESS)
    av.logging.set_level(None)
    cv2.setNumThreads(1)
    try:
        detect = SFaceEngine(Path(models_directory) if models_directory else None).detect
    except ConfigError as error:
        connection.send_bytes(msgspec.msgpack.encode(CannotMake(str(error))))
        raise SystemExit(CONFIG_EXIT) from error
    while True:
        try:
            original = decode_from_cameras(connection.recv_bytes())
            if isinstance(original, OriginalCut):
                connection.send_bytes(msgspec.msgpack.encode(make_clip(original, detect) or NothingDecoded()))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return


def decode_answer(message: bytes) -> ClipAnswer:
    """Returns what the process said. Raises: msgspec.ValidationError or DecodeError for anything else."""
    return _ANSWER.decode(message)
