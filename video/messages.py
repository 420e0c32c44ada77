"""What the product and the camera worker say to each other: MessagePack over one connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

CameraState = Literal["ok", "dark", "covered", "defocused", "moved", "frozen", "clock_drift", "offline"]


class SwipeSeen(msgspec.Struct, frozen=True, kw_only=True, tag="swipe_seen"):
    """A swipe happened at a till; `references` holds the holder's enrolled faces by engine, none if not enrolled."""

    settlement_id: str
    institution_id: str
    till_id: str
    occurred_at_ms: int
    references: dict[str, list[list[float]]]


class VisitorNamed(msgspec.Struct, frozen=True, kw_only=True, tag="visitor_named"):
    """The answer to the question of this number; None where it is in doubt who it is."""

    number: int
    visitor_id: str | None


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """The worker shall finish what it is writing and end."""


class Observed(msgspec.Struct, frozen=True, kw_only=True, tag="observed"):
    """One face_observed event as JSON, and the marked picture behind it; captured_at_ms is till time."""

    original: bytes
    still: bytes | None
    settlement_id: str | None
    camera_id: str
    captured_at_ms: int


class ClipMade(msgspec.Struct, frozen=True, kw_only=True, tag="clip_made"):
    """The film of a swipe: `pictures` of the camera, one every `step_ms`, those that it did not give left blank.

    Times are the till's, `first_raw_at_ms` is the camera's. `camera_state` is what most of the pictures were.
    """

    webm: bytes
    settlement_id: str
    camera_id: str
    camera_state: CameraState
    swipe_at_ms: int
    first_at_ms: int
    last_at_ms: int
    first_raw_at_ms: int
    clock_offset_ms: int
    pictures: int
    step_ms: int


class OriginalCut(msgspec.Struct, frozen=True, kw_only=True, tag="original_cut"):
    """What the camera itself sent around a swipe: its packets in a container, not encoded again.

    `sha256` is that of `video`, hexadecimal. It begins at the key frame before the clip. Times are the till's,
    `first_raw_at_ms` is the camera's.
    """

    settlement_id: str
    camera_id: str
    container: Literal["matroska"]
    video: bytes
    sha256: str
    swipe_at_ms: int
    first_at_ms: int
    last_at_ms: int
    first_raw_at_ms: int
    clock_offset_ms: int


class ClockOffsetEstimated(msgspec.Struct, frozen=True, kw_only=True, tag="clock_offset_estimated"):
    """What `swipes` swipes say must be added to a camera's clock to give the till's, ± `error_ms`."""

    camera_id: str
    offset_ms: int
    error_ms: int
    swipes: int
    at_ms: int


class CameraStateChanged(msgspec.Struct, frozen=True, kw_only=True, tag="camera_state_changed"):
    """A camera is well again (`ok`), or what is wrong with it; `detail` is a sentence for the operator.

    `picture` is the JPEG that shows it, in which nobody can be recognised; None where there is none to show.
    """

    camera_id: str
    state: CameraState
    detail: str
    at_ms: int
    picture: bytes | None = None


class VisitorAsked(msgspec.Struct, frozen=True, kw_only=True, tag="visitor_asked"):
    """Which visitor is this? Embeddings of one face; they go no further than to the process that started this one."""

    number: int
    embeddings: list[list[float]]
    at_ms: int


class WorkerFailed(msgspec.Struct, frozen=True, tag="worker_failed"):
    """The worker cannot work and ends; starting it again helps only once the reason is gone."""

    reason: str


ToWorker = SwipeSeen | VisitorNamed | Stop
FromCameras = Observed | ClipMade | OriginalCut | CameraStateChanged | ClockOffsetEstimated
"""What is said of swipes and cameras, whichever process or machine says it."""
FromWorker = FromCameras | VisitorAsked | WorkerFailed

_ENCODER = msgspec.msgpack.Encoder()
_TO_WORKER: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
_FROM_CAMERAS: msgspec.msgpack.Decoder[FromCameras] = msgspec.msgpack.Decoder(FromCameras)
_SOME_FROM_CAMERAS: msgspec.msgpack.Decoder[list[FromCameras]] = msgspec.msgpack.Decoder(list[FromCameras])
_FROM_WORKER: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


def encode_message(message: ToWorker | FromWorker) -> bytes:
    """Returns the message's bytes for `Connection.send_bytes`."""
    return _ENCODER.encode(message)


def decode_to_worker(message: bytes) -> ToWorker:
    """Returns what the product said. Raises: msgspec.ValidationError or DecodeError for anything else."""
    return _TO_WORKER.decode(message)


def decode_from_cameras(message: bytes) -> FromCameras:
    """Returns what was said of a camera. Raises: msgspec.ValidationError or DecodeError for anything else."""
    return _FROM_CAMERAS.decode(message)


def encode_some(messages: Sequence[bytes]) -> bytes:
    """Returns several encoded messages as one array."""
    return _ENCODER.encode([msgspec.Raw(message) for message in messages])


def decode_some_from_cameras(messages: bytes) -> list[FromCameras]:
    """Returns what `encode_some` was given. Raises: msgspec.ValidationError or DecodeError for anything else."""
    return _SOME_FROM_CAMERAS.decode(messages)


def decode_from_worker(message: bytes) -> FromWorker:
    """Returns what the worker said. Raises: msgspec.ValidationError or DecodeError for anything else."""
    return _FROM_WORKER.decode(message)
