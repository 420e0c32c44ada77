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
from video.staff import NOBODY, StaffSeen
from video.verdict import Voting
from video.watch import Compared, Stage

SIMILARITY_DIGITS = 4


class ObservedFace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One face of the event; what the contract does not name (problems, frames, second_…) rides along."""

    quality: float
    visitor_id: str | None = None
    staff: bool | None = None
    staff_role: str | None = None
    settlement_id: str | None = None
    similarity: float | None = None
    verdict: str | None = None
    second_similarity: float | None = None
    second_verdict: str | None = None
    second_engine_version: str | None = None
    frames: int | None = None
    problems: tuple[str, ...] = ()


class Observation(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="face_observed"):
    """The event with its provenance; boxes are [left, top, right, bottom] in pixels of a picture of frame_size.

    `staff_sought` are the roles of whom the store has enrolled: without one, nobody can tell who is of its staff.
    """

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
    vote: Voting = "first"
    boxes: tuple[tuple[float, ...], ...] = ()
    frame_size: tuple[int, int] | None = None
    staff_sought: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Which engines looked, and who of them decides; part of every observation."""

    engine: str
    engine_version: str
    second_engine: str | None
    vote: Voting = "first"

    @property
    def judges(self) -> str:
        """Differs wherever the same pictures may get another verdict."""
        return (
            self.engine_version if self.vote == "first" else f"{self.engine_version} {self.vote} {self.second_engine}"
        )


@dataclass(frozen=True, kw_only=True)
class SecondLook:
    """What the second engine says, of the best picture alone where it has no vote; its scale is its own."""

    similarity: float
    verdict: Verdict
    engine_version: str


@dataclass(frozen=True, kw_only=True)
class CustomerFace:
    """What is known of the compared face beyond the picture."""

    compared: Compared
    settlement_id: str
    visitor_id: str | None
    second: SecondLook | None


def observation_id(camera_id: str, raw_at_ms: int, purpose: str, judges: str) -> str:
    """Returns the id that this picture, looked at for this purpose by these engines, has for ever."""
    decision = msgspec.json.encode([camera_id, raw_at_ms, purpose, judges])
    return f"fo-{hashlib.sha256(decision).hexdigest()[:32]}"


def observe(
    camera: CameraSettings,
    reading: Reading,
    provenance: Provenance,
    *,
    purpose: str,
    stage: Stage,
    customer: CustomerFace | None = None,
    staff: StaffSeen = NOBODY,
) -> Observation:
    """Returns the event that says what one picture shows; where nobody can tell, it is unhealthy and names nobody."""
    sample = reading.sample
    roles = {id(seen): role for seen, role in staff.faces}
    told = reading.people is not None
    return Observation(
        event_id=observation_id(camera.camera_id, sample.raw_at_ms, purpose, provenance.judges),
        occurred_at_ms=sample.at_ms,
        institution_id=camera.institution_id,
        till_id=camera.till_id,
        camera_id=camera.camera_id,
        healthy=told,
        people=reading.people or 0,
        faces=tuple(_face_of(seen, customer, roles.get(id(seen))) for seen in reading.faces),
        stage=stage,
        camera_state=reading.state if told or reading.state != "ok" else "starting",
        raw_at_ms=sample.raw_at_ms,
        clock_offset_ms=camera.clock_offset_ms,
        engine=provenance.engine,
        engine_version=provenance.engine_version,
        second_engine=provenance.second_engine,
        vote=provenance.vote,
        boxes=tuple(rounded_box(seen.face.box) for seen in reading.faces),
        frame_size=sample.size,
        staff_sought=staff.sought,
    )


def observe_nothing(
    camera: CameraSettings, at_ms: int, provenance: Provenance, *, purpose: str, state: str
) -> Observation:
    """Returns the event that says a camera delivered no picture at a moment of till time."""
    raw_at_ms = at_ms - camera.clock_offset_ms
    return Observation(
        event_id=observation_id(camera.camera_id, raw_at_ms, purpose, provenance.judges),
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


def _face_of(seen: SeenFace, customer: CustomerFace | None, role: str | None) -> ObservedFace:
    """A bystander's face is neither compared nor remembered; one of the staff carries its role."""
    problems, is_staff = tuple(seen.quality.problems), None if role is None else True
    if customer is None or seen is not customer.compared.sight.seen:
        return ObservedFace(quality=seen.quality.score, staff=is_staff, staff_role=role, problems=problems)
    vote, second = customer.compared.vote, customer.second
    similarity = None if vote is None or vote.similarity is None else round(vote.similarity, SIMILARITY_DIGITS)
    return ObservedFace(
        quality=seen.quality.score,
        visitor_id=customer.visitor_id,
        staff=is_staff,
        staff_role=role,
        settlement_id=customer.settlement_id,
        similarity=similarity,
        verdict=None if vote is None else vote.verdict,
        second_similarity=None if second is None else round(second.similarity, SIMILARITY_DIGITS),
        second_verdict=None if second is None else second.verdict,
        second_engine_version=None if second is None else second.engine_version,
        frames=None if vote is None else vote.frames,
        problems=problems,
    )
