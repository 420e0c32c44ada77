"""What camera workers are told of the staff of institutions: what they look like, and nothing of who they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

from storage.faces.staff import StaffFaces
from video.messages import StaffFace, StaffKnown

NO_STAFF = StaffKnown(faces=[])


class StaffRecord(Protocol):
    """The enrolled staff; `storage.faces.staff.Staff`. What it asks may raise TransientError."""

    def revision(self) -> int:
        """Returns a number that grows with each change."""
        ...

    def faces(self, institution_ids: Collection[str]) -> Iterable[StaffFaces]:
        """Returns what the staff of these institutions look like."""
        ...


def known_staff(staff: StaffRecord, institution_ids: Collection[str]) -> StaffKnown:
    """Returns the staff of these institutions. Raises: TransientError."""
    return StaffKnown(
        faces=[
            StaffFace(
                institution_id=one.institution_id,
                role=one.role,
                references={
                    engine: [embedding.tolist() for embedding in some] for engine, some in one.references.items()
                },
            )
            for one in staff.faces(institution_ids)
        ]
    )


def staff_at(known: StaffKnown, institution_ids: Collection[str]) -> StaffKnown:
    """Returns those of these institutions alone."""
    return StaffKnown(faces=[one for one in known.faces if one.institution_id in institution_ids])
