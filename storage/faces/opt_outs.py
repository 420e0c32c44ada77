"""Who wants no comparison of faces: kept so that nobody enrols them again by mistake."""

from __future__ import annotations

import msgspec
from sqlalchemy import func, select

from storage.access.changes import By, ChangedKind, note_change
from storage.database import Database
from storage.faces.references import is_staff
from storage.models import FaceOptOutRow
from storage.upsert import upsert


class OptOut(msgspec.Struct, frozen=True, kw_only=True):
    """A person opted out on `since_day` (ISO date), on that basis in words; `noted_by` wrote it down."""

    person_id: str
    basis: str
    since_day: str
    noted_at_ms: int
    noted_by: str


class OptOuts:
    """The list of one database; safe to call from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, person_id: str, basis: str, since_day: str, by: By) -> None:
        """Afterwards the person has opted out; once more only changes why and since when."""
        row: dict[str, object] = {
            "person_id": person_id,
            "basis": basis,
            "since_day": since_day,
            "noted_at_ms": by.at_ms,
            "noted_by": by.actor,
        }
        with self._database.session() as session:
            upsert(session, FaceOptOutRow, [row], "person_id")
            note_change(session, by, kind_of(person_id), "opted_out", person_id, since_day)

    def withdraw(self, person_id: str, by: By) -> bool:
        """Returns whether the person had opted out; now they may be enrolled, and nothing of before comes back."""
        with self._database.session() as session:
            row = session.get(FaceOptOutRow, person_id)
            if row is None:
                return False
            session.delete(row)
            note_change(session, by, kind_of(person_id), "opt_out_withdrawn", person_id)
            return True

    def of(self, person_id: str) -> OptOut | None:
        """Returns the person's opt-out, or None."""
        with self._database.read() as session:
            row = session.get(FaceOptOutRow, person_id)
            return None if row is None else OptOut(**{name: getattr(row, name) for name in OptOut.__struct_fields__})

    def count(self) -> int:
        """Returns how many people have opted out."""
        with self._database.read() as session:
            return session.scalar(select(func.count()).select_from(FaceOptOutRow)) or 0


def kind_of(subject_id: str) -> ChangedKind:
    """Returns as what a change of somebody's enrolment is put on record."""
    return "staff" if is_staff(subject_id) else "enrolment"
