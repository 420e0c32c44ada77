"""An institution's staff as far as they are enrolled: where, as what, and under which id their references stand."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Literal, get_args

import msgspec
import structlog
from sqlalchemy import func, select

from storage.database import Database
from storage.errors import AlteredData, WrongKey
from storage.faces.references import STAFF_PREFIX, Embedding, ReferenceFaces
from storage.log import chunks
from storage.models import AccessChangeRow, FaceOptOutRow, ReferenceFaceRow, StaffRow
from storage.upsert import upsert

StaffRole = Literal["pharmacist", "physician", "clerk", "other"]
STAFF_ROLES: tuple[StaffRole, ...] = get_args(StaffRole)

_HAS_REFERENCE = select(ReferenceFaceRow.reference_id).where(ReferenceFaceRow.person_id == StaffRow.subject_id).exists()
_OPTED_OUT = select(FaceOptOutRow.person_id).where(FaceOptOutRow.person_id == StaffRow.subject_id).exists()

_log = structlog.get_logger()


class StaffMember(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Somebody who works at an institution; `staff_id` is the institution's own word for them, and not a name."""

    institution_id: str
    staff_id: str
    role: StaffRole

    @property
    def subject_id(self) -> str:
        """The id under which references, an opt-out and changes stand."""
        return f"{STAFF_PREFIX}{self.institution_id}/{self.staff_id}"


class StaffFaces(msgspec.Struct, frozen=True, kw_only=True):
    """What one member of staff looks like, by engine."""

    institution_id: str
    role: StaffRole
    references: Mapping[str, list[Embedding]]


class Staff:
    """The staff of one database; safe to call from any thread."""

    def __init__(self, database: Database, references: ReferenceFaces) -> None:
        self._database, self._references = database, references

    def put(self, member: StaffMember) -> None:
        """Afterwards the member is known, as what is said now."""
        row: dict[str, object] = {"subject_id": member.subject_id, **msgspec.structs.asdict(member)}
        with self._database.session() as session:
            upsert(session, StaffRow, [row], "subject_id")

    def remove(self, subject_id: str) -> None:
        """Afterwards nobody is known under this id."""
        with self._database.session() as session:
            row = session.get(StaffRow, subject_id)
            if row is not None:
                session.delete(row)

    def enrolled(self, institution_ids: Collection[str] | None = None) -> list[StaffMember]:
        """Returns those who have a reference and have not opted out, of some institutions or of all, by institution."""
        query = select(StaffRow).where(_HAS_REFERENCE, ~_OPTED_OUT).order_by(StaffRow.institution_id, StaffRow.staff_id)
        queries = [query]
        if institution_ids is not None:
            queries = [query.where(StaffRow.institution_id.in_(some)) for some in chunks(sorted(institution_ids))]
        with self._database.read() as session:
            return [
                msgspec.convert(row, StaffMember, from_attributes=True)
                for one in queries
                for row in session.scalars(one)
            ]

    def revision(self) -> int:
        """Returns a number that grows with each change of any member. Raises: TransientError."""
        query = select(func.max(AccessChangeRow.change_id)).where(AccessChangeRow.kind == "staff")
        with self._database.read() as session:
            return session.scalar(query) or 0

    def faces(self, institution_ids: Collection[str]) -> Iterator[StaffFaces]:
        """Yields what the enrolled staff of these institutions look like; who cannot be opened is said and left out.

        Raises: TransientError.
        """
        for member in self.enrolled(institution_ids):
            try:
                references = self._references.of(member.subject_id)
            except (AlteredData, WrongKey) as error:
                _log.error("reference.unusable", error=str(error))
                continue
            yield StaffFaces(institution_id=member.institution_id, role=member.role, references=references)
