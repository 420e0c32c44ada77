"""What an observation says beyond the contract: boxes, engines and the second opinion, where the camera sent them."""

from __future__ import annotations

import msgspec


class ObservedFace(msgspec.Struct, frozen=True, kw_only=True):
    """One face: what the first engine made of it, and the second one's opinion."""

    quality: float = 0.0
    verdict: str | None = None
    similarity: float | None = None
    second_similarity: float | None = None
    second_verdict: str | None = None
    second_engine_version: str | None = None
    visitor_id: str | None = None
    staff: bool | None = None
    settlement_id: str | None = None
    frames: int | None = None
    problems: tuple[str, ...] = ()


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One look of one camera; boxes are [x1, y1, x2, y2] in pixels of a frame of `frame_size` (width, height)."""

    event_id: str
    institution_id: str
    till_id: str
    camera_id: str
    occurred_at_ms: int
    healthy: bool
    people: int
    faces: tuple[ObservedFace, ...]
    engine: str | None = None
    engine_version: str | None = None
    second_engine: str | None = None
    vote: str = "first"
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    frame_size: tuple[int, int] | None = None
    clock_offset_ms: float | None = None
    camera_state: str | None = None


_DECODER = msgspec.json.Decoder(Observation)


def observation_of(original: bytes) -> Observation | None:
    """Returns what the event's bytes say, or None when its extra fields are of another sender's making."""
    try:
        return _DECODER.decode(original)
    except msgspec.DecodeError:
        return None
