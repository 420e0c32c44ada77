"""Turns what was seen into face_observed events; the same pictures give the same event, bit for bit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec

from events.types import Verdict
from video.engine import BoxXYXY
from video.messages import CameraState
from video.reading import Reading, SeenFace
from video.settings import CameraSettings
from video.watch import Compared, Stage

SIMILARITY_DIGITS = 4


class ObservedFace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One face of the event; what the contract does not name (problems, frames, second_similarity) rides along."""

    quality: float
    visitor_id: str | None = None
    settlement_id: str | None = None
    similarity: float | None = None
    verdict: str | None = None
    second_similarity: float | None = None
    second_verdict: str | None = None
    frames: int | None = None
    problems: tuple[str, ...] = ()


class Observation(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="face_observed"):
    """The event with its provenance; boxes are [left, top, right, bottom] in pixels of a picture of frame_size."""

    event_id: str
    occurred_at_ms: int
    institution_id: str
    till_id: str
    camera_id: str
    healthy: bool
    people: int
    faces: tuple[ObservedFace, ...]
    stage: Stage
    camera_state: CameraState | str
    raw_at_ms: int
    clock_offset_ms: int
    engine: str
    engine_version: str
    second_engine: str | None = None
    boxes: tuple[tuple[float, ...], ...] = ()
    frame_size: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Which engines looked; part of every observation."""

    engine: str
    engine_version: str
    second_engine: str | None


@dataclass(frozen=True, kw_only=True)
class SecondLook:
    """What the second engine says of the best picture alone; its similarities have a scale of their own."""

    similarity: float
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class CustomerFace:
    """What is known of the compared face beyond the picture."""

    compared: Compared
    settlement_id: str
    visitor_id: str | None
    second: SecondLook | None


def observation_id(camera_id: str, raw_at_ms: int, purpose: str, engine_version: str) -> str:
    """Returns the id that this picture, looked at for this purpose by this engine, has for ever."""
    decision = msgspec.json.encode([camera_id, raw_at_ms, purpose, engine_version])
    return f"fo-{hashlib.sha256(decision).hexdigest()[:32]}"


def observe(
    camera: CameraSettings,
    reading: Reading,
    provenance: Provenance,
    *,
    purpose: str,
    stage: Stage,
    customer: CustomerFace | None = None,
) -> Observation:
    """Returns the event that says what one picture shows; where nobody can tell, it is unhealthy and names nobody."""
    sample = reading.sample
    told = reading.people is not None
    return Observation(
        event_id=observation_id(camera.camera_id, sample.raw_at_ms, purpose, provenance.engine_version),
        occurred_at_ms=sample.at_ms,
        institution_id=camera.institution_id,
        till_id=camera.till_id,
        camera_id=camera.camera_id,
        healthy=told,
        people=reading.people or 0,
        faces=tuple(_face_of(seen, customer) for seen in reading.faces),
        stage=stage,
        camera_state=reading.state if told or reading.state != "ok" else "starting",
        raw_at_ms=sample.raw_at_ms,
        clock_offset_ms=camera.clock_offset_ms,
        engine=provenance.engine,
        engine_version=provenance.engine_version,
        second_engine=provenance.second_engine,
        boxes=tuple(rounded_box(seen.face.box) for seen in reading.faces),
        frame_size=sample.size,
    )


def observe_nothing(
    camera: CameraSettings, at_ms: int, provenance: Provenance, *, purpose: str, state: str
) -> Observation:
    """Returns the event that says a camera delivered no picture at a moment of till time."""
    raw_at_ms = at_ms - camera.clock_offset_ms
    return Observation(
        event_id=observation_id(camera.camera_id, raw_at_ms, purpose, provenance.engine_version),
        occurred_at_ms=at_ms,
        institution_id=camera.institution_id,
        till_id=camera.till_id,
        camera_id=camera.camera_id,
        healthy=False,
        people=0,
        faces=(),
        stage="final",
        camera_state=state,
        raw_at_ms=raw_at_ms,
        clock_offset_ms=camera.clock_offset_ms,
        engine=provenance.engine,
        engine_version=provenance.engine_version,
    )


def rounded_box(box: BoxXYXY) -> tuple[float, ...]:
    """Returns the box to a tenth of a pixel."""
    return tuple(round(value, 1) for value in box)


def _face_of(seen: SeenFace, customer: CustomerFace | None) -> ObservedFace:
    """A bystander's face carries its quality alone: neither compared nor remembered."""
    problems = tuple(seen.quality.problems)
    if customer is None or seen is not customer.compared.sight.seen:
        return ObservedFace(quality=seen.quality.score, problems=problems)
    vote, second = customer.compared.vote, customer.second
    similarity = None if vote is None or vote.similarity is None else round(vote.similarity, SIMILARITY_DIGITS)
    return ObservedFace(
        quality=seen.quality.score,
        visitor_id=customer.visitor_id,
        settlement_id=customer.settlement_id,
        similarity=similarity,
        verdict=None if vote is None else vote.verdict,
        second_similarity=None if second is None else round(second.similarity, SIMILARITY_DIGITS),
        second_verdict=None if second is None else second.verdict,
        frames=None if vote is None else vote.frames,
        problems=problems,
    )
