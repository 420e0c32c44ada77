"""Tries a camera's address: in a process that is killed when it takes too long, so that no camera holds the web up."""

from __future__ import annotations

import multiprocessing
import threading
import time
from multiprocessing.connection import Connection
from typing import Final

import structlog

from storage.cameras.sources import shown_source
from video.probe import OWN_WORK_WITHIN_S, Looked, LookFailed, ProbeMessage, Working, decode_probe, run
from web.ports import CameraPicture, ProbeFailed

AT_ONCE: Final = 2
"""Each takes a process and some of its processor; a third is told to try again."""

_log = structlog.get_logger()


class ChildProbe:
    """The web's `CameraProbe`; callable from several threads."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def look(self, source: str) -> CameraPicture | ProbeFailed:
        """Returns a picture, or why there is none, within seconds."""
        if not self._places.acquire(blocking=False):
            return ProbeFailed(reason="busy")
        began = time.monotonic()
        try:
            found = self._in_child(source)
        finally:
            self._places.release()
        outcome = found.reason if isinstance(found, ProbeFailed) else "picture"
        took_ms = round((time.monotonic() - began) * 1000)
        _log.info("camera.tried", address=shown_source(source), outcome=outcome, took_ms=took_ms)
        return found

    def _in_child(self, source: str) -> CameraPicture | ProbeFailed:
        ours, theirs = self._context.Pipe(duplex=False)
        child = self._context.Process(target=run, args=(theirs, source), name="camera-probe", daemon=True)
        child.start()
        theirs.close()
        try:
            return _heard(ours)
        finally:
            child.kill()
            child.join()
            ours.close()


def _heard(connection: Connection) -> CameraPicture | ProbeFailed:
    found = _next(connection, OWN_WORK_WITHIN_S)
    while isinstance(found, Working):
        found = _next(connection, found.within_s)
    match found:
        case Looked():
            return CameraPicture(
                jpeg=found.jpeg,
                width_px=found.width_px,
                height_px=found.height_px,
                codec=found.codec,
                frames_per_s=found.frames_per_s,
            )
        case LookFailed():
            return ProbeFailed(reason=found.reason)
        case _:
            return ProbeFailed(reason="too_slow")


def _next(connection: Connection, within_s: float) -> ProbeMessage | None:
    """Returns the child's next message; None when it says nothing in time, or has died."""
    try:
        return decode_probe(connection.recv_bytes()) if connection.poll(within_s) else None
    except (EOFError, OSError):
        _log.error("camera_probe.died")
        return None
