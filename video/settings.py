"""What the camera worker is told at its start; plain values that cross a process border."""

from __future__ import annotations

import msgspec

from video.verdict import Voting

DAY_MS = 86_400_000


class SecretBytes(bytes):
    """Bytes that never show themselves in a log or a traceback."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} secret bytes>"


class CameraSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One camera at one till. Its clock plus `clock_offset_ms` is the till's.

    `source` is a file's path, or an address that begins with rtsp://, rtsps://, http:// or https://; it may carry a
    password, so of an address only the host is ever said. `epoch_ms` is the camera time of a file's first picture: with
    it, what the camera shows at a moment is settled, also after a restart; without it the file starts when the worker
    does. `zone` is the part of the picture where a customer stands, as corners (x, y) in 0..1 of width and height; None
    is all of it. `at_store`: it is looked through at the store, and not at the centre.
    """

    camera_id: str
    institution_id: str
    till_id: str
    source: str
    loop: bool = True
    epoch_ms: int | None = None
    zone: tuple[tuple[float, float], ...] | None = None
    clock_offset_ms: int = 0
    at_store: bool = False


class VideoSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the workers need to know; thresholds that are None are the engine's own.

    `processes` is how many share the cameras at most, None one a core. `ring_bytes` bounds the memory of each camera.
    """

    cameras: tuple[CameraSettings, ...]
    processes: int | None = None
    engine: str = "sface"
    second_engine: str | None = "dlib"
    vote: Voting = "first"
    models_directory: str | None = None
    match_similarity: float | None = None
    mismatch_similarity: float | None = None
    min_face_px: float = 40.0
    presence_interval_ms: int = 20_000
    clock_drift_limit_ms: int = 20_000
    samples_per_s: int = 5
    ring_ms: int = 180_000
    ring_bytes: int = 64 * 1024 * 1024
    look_before_ms: int = 2_000
    look_after_ms: int = 4_000
    look_every_ms: int = 600
    most_watches: int = 64
    still_bytes: int = 60_000
    clip_before_ms: int = 10_000
    clip_after_ms: int = 10_000
    visitor_ttl_ms: int = 7 * DAY_MS


class VisitorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How visitors are told apart, for how long, and where that survives the process: sealed, in a folder of its own.

    `similarity` is the least cosine of one visitor, `capacity` the most looks.
    """

    similarity: float = 0.50
    ttl_ms: int = 7 * DAY_MS
    capacity: int = 100_000
    folder: str | None = None
    key: SecretBytes | None = None
