"""What accepted observations and corrections say of visitors and staff, kept so that it is found again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal, Protocol

import msgspec
from sqlalchemy.orm import Session

from events.types import AnyEvent, FaceObserved, Id, VisitorCorrection
from storage.models import StaffHourRow, VisitorCorrectionRow, VisitorSightingRow
from storage.upsert import add_up, insert_new

HOUR_MS: Final = 3_600_000
ActKind = Literal["not_this_person", "same_person", "undone", "other"]


class Logged(Protocol):
    """An event as it is accepted; `storage.log.Record`."""

    @property
    def event(self) -> AnyEvent:
        """What it says."""

    @property
    def original(self) -> bytes:
        """As it came."""

    @property
    def sender(self) -> str:
        """Who sent it."""


class Correcting(msgspec.Struct, frozen=True, kw_only=True):
    """What our own corrections say beyond the contract; of others' nothing is known but who sent them."""

    act_id: Id | None = None
    act: ActKind = "other"
    was_visitor_id: Id | None = None
    settlement_id: Id | None = None

    def is_whole(self, visitor_id: str | None) -> bool:
        """Returns whether all is there that an act of this kind says of a face that becomes a visitor's or nobody's."""
        if self.act_id is None:
            return False
        match self.act:
            case "not_this_person":
                return self.was_visitor_id is not None and visitor_id is None
            case "same_person":
                return self.was_visitor_id is not None and visitor_id is not None
            case "undone":
                return visitor_id is not None
            case "other":
                return False


class _Face(msgspec.Struct, frozen=True, kw_only=True):
    staff_role: str | None = None


class _Looked(msgspec.Struct, frozen=True, kw_only=True):
    """Which staff an observation's camera knew, and saw."""

    staff_sought: tuple[str, ...] = ()
    faces: tuple[_Face, ...] = ()


_LOOKED = msgspec.json.Decoder(_Looked)
_CORRECTING = msgspec.json.Decoder(Correcting)


def keep_seen_faces(session: Session, records: Iterable[Logged]) -> None:
    """Afterwards the faces, corrections and staff among the records are found; each record is to be given once."""
    sightings: list[dict[str, object]] = []
    corrections: list[dict[str, object]] = []
    hours: dict[tuple[str, str, int], list[int]] = {}
    for record in records:
        event = record.event
        if isinstance(event, FaceObserved):
            sightings += _sightings_of(event)
            _count_staff(hours, event, record.original)
        elif isinstance(event, VisitorCorrection):
            corrections.append(_correction_of(event, record))
    insert_new(session, VisitorSightingRow, sightings, "observation_id", "face_no")
    insert_new(session, VisitorCorrectionRow, corrections, "correction_id")
    rows: list[dict[str, object]] = [
        {"institution_id": institution_id, "role": role, "hour_ms": hour_ms, "looks": looks, "seen": seen}
        for (institution_id, role, hour_ms), (looks, seen) in sorted(hours.items())
    ]
    add_up(session, StaffHourRow, rows, "institution_id", "role", "hour_ms")


def _sightings_of(event: FaceObserved) -> Iterator[dict[str, object]]:
    """Yields the faces that a visitor rule may count."""
    for number, face in enumerate(event.faces):
        if face.visitor_id is not None and face.staff is not True:
            yield {
                "observation_id": event.event_id,
                "face_no": number,
                "visitor_id": face.visitor_id,
                "settlement_id": face.settlement_id,
                "institution_id": event.institution_id,
                "till_id": event.till_id,
                "at_ms": event.occurred_at_ms,
                "verdict": face.verdict,
            }


def _count_staff(hours: dict[tuple[str, str, int], list[int]], event: FaceObserved, original: bytes) -> None:
    """A look that can tell nothing counts for nothing."""
    if not event.healthy or b'"staff_sought"' not in original:
        return
    try:
        looked = _LOOKED.decode(original)
    except msgspec.MsgspecError:
        return  # another sender's field of that name
    hour_ms = event.occurred_at_ms - event.occurred_at_ms % HOUR_MS
    seen = {face.staff_role for face in looked.faces}
    for role in set(looked.staff_sought):
        sums = hours.setdefault((event.institution_id, role, hour_ms), [0, 0])
        sums[0] += 1
        sums[1] += role in seen


def _correction_of(event: VisitorCorrection, record: Logged) -> dict[str, object]:
    try:
        said = _CORRECTING.decode(record.original)
    except msgspec.MsgspecError:
        said = Correcting()
    if not said.is_whole(event.visitor_id):
        said = Correcting()
    return {
        "correction_id": event.event_id,
        "act_id": said.act_id or event.event_id,
        "act": said.act,
        "observation_id": event.observation_id,
        "face_no": event.face_no,
        "visitor_id": event.visitor_id,
        "was_visitor_id": said.was_visitor_id,
        "settlement_id": said.settlement_id,
        "at_ms": event.occurred_at_ms,
        "by": record.sender,
    }
