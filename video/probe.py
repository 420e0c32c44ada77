"""One look through a camera, in a process of its own that may be killed: a picture, or why there is none."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import av.error
import av.logging
import httpx
import msgspec

from video.decoding import decode_key
from video.engine import FaceEngine, Image
from video.settings import CameraSettings
from video.sface_engine import open_sface
from video.sources.address import is_address
from video.sources.opening import open_source
from video.sources.port import Packet, SourceError, wall_clock_ms
from video.still import marked_still, with_margin

LOOK_WITHIN_S: Final = 5.0
OWN_WORK_WITHIN_S: Final = 30.0
SILENT_AFTER_S: Final = 1.4
"""What fails later has waited for an answer; FFmpeg calls that invalid data."""
CONNECT_WITHIN_S: Final = 2.0
RATE_OVER_S: Final = 1.0
"""So long packets are counted to tell how many come in a second."""
FILM_MS: Final = 2_000
PORTS: Final = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}

LookFailure = Literal[
    "absent", "unknown_host", "unreachable", "closed", "refused", "not_found", "no_video", "broken", "too_slow"
]

_ANSWERS: Final[Mapping[int, LookFailure]] = {401: "refused", 403: "refused", 404: "not_found"}


class Looked(msgspec.Struct, frozen=True, kw_only=True, tag="looked"):
    """A picture as a JPEG in which nobody is recognised; `frames_per_s` is None where too few came to tell."""

    jpeg: bytes
    width_px: int
    height_px: int
    codec: str
    frames_per_s: float | None


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A picture as the camera sent it."""

    image: Image
    codec: str
    frames_per_s: float | None


class LookFailed(msgspec.Struct, frozen=True, tag="look_failed"):
    """Why there is no picture."""

    reason: LookFailure


class Working(msgspec.Struct, frozen=True, tag="working"):
    """The process has got one step on: it has started, or something has come. The next takes `within_s` at most."""

    within_s: float


ProbeMessage = Looked | LookFailed | Working
_DECODER: msgspec.msgpack.Decoder[ProbeMessage] = msgspec.msgpack.Decoder(ProbeMessage)


def run(connection: Connection, source: str) -> None:
    """Says Working at each step, then what was found; the target of a spawned process.

    The camera's steps are short; what this machine takes to look for faces is not the camera's fault.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    av.logging.set_level(None)  # FFmpeg's own words would hold the address with its password

    def say(message: ProbeMessage) -> None:
        connection.send_bytes(msgspec.msgpack.encode(message))

    say(Working(LOOK_WITHIN_S))
    taken = take(source, lambda: say(Working(LOOK_WITHIN_S)))
    say(Working(OWN_WORK_WITHIN_S))
    say(taken if isinstance(taken, LookFailed) else shown(taken, open_sface()))


def decode_probe(message: bytes) -> ProbeMessage:
    """Returns what the process said. Raises: msgspec.ValidationError or DecodeError for anything else."""
    return _DECODER.decode(message)


def take(source: str, step: Callable[[], None] = lambda: None) -> Taken | LookFailed:
    """Returns the first picture that the source gives, or why it gives none.

    Args: step is called once something has come.
    """
    away = _why_away(source)
    if away is not None:
        return LookFailed(away)
    began = time.monotonic()
    try:
        packets = _packets(source, step)
    except SourceError as error:
        reason, waited_s = _meaning(error), time.monotonic() - began
        return LookFailed("too_slow" if reason == "no_video" and waited_s > SILENT_AFTER_S else reason)
    image = decode_key(packets[0]) if packets else None
    if image is None:
        return LookFailed("broken")
    return Taken(image=image, codec=packets[0].codec, frames_per_s=_rate(packets))


def shown(taken: Taken, engine: FaceEngine) -> Looked:
    """Returns what people may see of a picture: everything but faces."""
    height, width = taken.image.shape[:2]
    faces = [with_margin(face.box) for face in engine.detect(taken.image)]
    jpeg = marked_still(taken.image, [], None, outside=faces)
    return Looked(jpeg=jpeg, width_px=width, height_px=height, codec=taken.codec, frames_per_s=taken.frames_per_s)


def _why_away(source: str) -> LookFailure | None:
    """Returns why nothing is at the address at all; what reads cameras does not tell one reason from another."""
    if not is_address(source):
        return None if Path(source).is_file() else "absent"
    parts = urlsplit(source)
    try:
        socket.create_connection((parts.hostname or "", parts.port or PORTS[parts.scheme]), CONNECT_WITHIN_S).close()
    except (socket.gaierror, UnicodeError):
        return "unknown_host"
    except ConnectionRefusedError:
        return "closed"
    except OSError:
        return "unreachable"
    return None


def _packets(source: str, step: Callable[[], None]) -> list[Packet]:
    """Returns what comes within a second from the first key picture on. Raises: SourceError when nothing comes."""
    settings = CameraSettings(
        camera_id="tried", institution_id="", till_id="", source=source, epoch_ms=wall_clock_ms() - FILM_MS
    )
    packets: list[Packet] = []
    ends = float("inf")
    try:
        for packet in open_source(settings, history_ms=FILM_MS).packets(threading.Event()):
            if not packets:
                step()
                ends = time.monotonic() + RATE_OVER_S
            packets.append(packet)
            if time.monotonic() > ends or packet.raw_at_ms - packets[0].raw_at_ms >= RATE_OVER_S * 1_000:
                break
    except SourceError:
        if not packets:
            raise
    return packets


def _rate(packets: Sequence[Packet]) -> float | None:
    times = [packet.raw_at_ms for packet in packets]
    span_ms = max(times) - min(times)  # pictures that look back on later ones are sent after those
    if len(packets) < 2 or span_ms <= 0:  # noqa: PLR2004 - between two there is a time
        return None
    return float(round((len(packets) - 1) * 1_000 / span_ms))


def _meaning(error: SourceError) -> LookFailure:
    match error.__cause__:
        case httpx.HTTPStatusError() as answered:
            return _ANSWERS.get(answered.response.status_code, "no_video")
        case av.error.HTTPUnauthorizedError() | av.error.HTTPForbiddenError():
            return "refused"
        case av.error.HTTPNotFoundError():
            return "not_found"
        case av.error.ExitError() | av.error.TimeoutError() | httpx.TimeoutException():
            return "too_slow"
        case _:
            return "no_video"
