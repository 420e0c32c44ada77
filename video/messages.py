"""What the product and the camera worker say to each other: MessagePack over one connection."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal

import msgspec

from video.calibration import untrimmed_counts
from video.engine import BoxXYXY

CameraState = Literal["ok", "dark", "covered", "defocused", "moved", "frozen", "clock_drift", "offline"]


class SwipeSeen(msgspec.Struct, frozen=True, kw_only=True, tag="swipe_seen"):
    """A swipe happened at a till; `references` holds the holder's enrolled faces by engine, none if not enrolled.

    `said_by` are cameras that have said their last word of it.
    """

    settlement_id: str
    institution_id: str
    till_id: str
    occurred_at_ms: int
    references: dict[str, list[list[float]]]
    said_by: tuple[str, ...] = ()


class StaffFace(msgspec.Struct, frozen=True, kw_only=True):
    """What one member of an institution's staff looks like, by engine, and what they are there; not who it is."""

    institution_id: str
    role: str
    references: dict[str, list[list[float]]]


class StaffKnown(msgspec.Struct, frozen=True, kw_only=True, tag="staff_known"):
    """The enrolled staff of the institutions that are looked at; it takes the place of what was said before."""

    faces: list[StaffFace]


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


class OriginalCut(msgspec.Struct, frozen=True, kw_only=True, tag="original_cut"):
    """What the camera itself sent around a swipe: its packets in a container, not encoded again.

    `sha256` is that of `video`, hexadecimal. It begins at the key frame before the clip. Times are the till's,
    `first_raw_at_ms` is the camera's. The rest is what a clip of it is made by: its span, a picture every `step_ms`,
    what most pictures were, and where the customer's face was, with boxes in the camera's pixels; None from earlier
    versions.
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
    clip_first_at_ms: int | None = None
    clip_last_at_ms: int | None = None
    step_ms: int | None = None
    camera_state: CameraState | None = None
    customer: tuple[tuple[int, BoxXYXY], ...] = ()


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


Day = Annotated[str, msgspec.Meta(pattern=r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}\Z")]
AtLeastNone = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]


class PairsCounted(msgspec.Struct, frozen=True, kw_only=True, tag="pairs_counted"):
    """How alike the holders are whom a camera recognised: a day's counts so far, as `video.calibration` trims them.

    One of the same camera, engine version, day and `begun_at_ms`, when the worker's memory began, takes its place with
    more pairs. `oldest_day` is the first on which somebody was seen who is in these pairs. Days are those of UTC.
    """

    camera_id: str
    engine_version: str
    day: Day
    begun_at_ms: int
    oldest_day: Day
    people: AtLeastNone
    spread: Annotated[float, msgspec.Meta(ge=1)]
    first: AtLeastNone
    counts: tuple[AtLeastNone, ...]

    def __post_init__(self) -> None:
        untrimmed_counts(self.first, self.counts)
        date.fromisoformat(self.day)
        date.fromisoformat(self.oldest_day)


class VisitorAsked(msgspec.Struct, frozen=True, kw_only=True, tag="visitor_asked"):
    """Which visitor is this? Embeddings of one face at a store; they go no further than to who remembers visitors."""

    number: int
    institution_id: str
    embeddings: list[list[float]]
    at_ms: int


class WorkerFailed(msgspec.Struct, frozen=True, tag="worker_failed"):
    """The worker cannot work and ends; starting it again helps only once the reason is gone."""

    reason: str


ToWorker = SwipeSeen | StaffKnown | VisitorNamed | Stop
FromCameras = Observed | OriginalCut | CameraStateChanged | ClockOffsetEstimated | PairsCounted
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
