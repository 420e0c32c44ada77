"""Enrolling card holders and staff, and what undoes it: opting out and being erased, with a report of what went."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy import func, select

from storage.access.changes import By, ChangeAction, note_change
from storage.alerts.terms import person_term, swipe_words
from storage.database import Database
from storage.evidence.kept_files import KindName
from storage.evidence.retention import EvidenceRetention
from storage.faces.duplicates import Duplicates
from storage.faces.opt_outs import OptOut, OptOuts, kind_of
from storage.faces.references import Face, Grounds, KeptReference, ReferenceFaces
from storage.faces.staff import Staff, StaffMember
from storage.faces.visitors import VisitorRecord
from storage.models import AlertTermRow, ClipRow, OriginalRow, StillRow

MUST_BE_FILED_FROM: Final = 100_000
"""So many people's faces have to be filed with the authority. Source: the face rules in force since 2025-06-01."""
LOOKED_AT_ONCE: Final = 500


def must_be_filed(people: int) -> bool:
    """Returns whether so many enrolled people have to be filed with the authority."""
    return people >= MUST_BE_FILED_FROM


class Enrolled(msgspec.Struct, frozen=True, kw_only=True):
    """So many references were kept; `people` are enrolled now."""

    references: int
    people: int

    @property
    def must_be_filed(self) -> bool:
        """Whether so many people are enrolled that the authority has to be told."""
        return must_be_filed(self.people)


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """What went of a person and what stays.

    Fields:
        references, duplicates: how many went.
        removed: files of evidence that went, by kind.
        visitors: pseudonymous visitors of the person's swipes, who are forgotten.
        cited: files of evidence that stay because an alert cites them, by kind.
        swipes: of the person that evidence was kept of.
        alerts: about the person; they stay, with their findings and the accepted events.
        is_opted_out: whether the person's opt-out stays, so that nobody enrols them again.
    """

    references: int
    duplicates: int
    removed: Mapping[KindName, int]
    cited: Mapping[KindName, int]
    swipes: int
    visitors: int
    alerts: int
    is_opted_out: bool


class HolderStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a holder's face, without what it looks like; `opt_out` is None for who has not opted out."""

    person_id: str
    references: tuple[KeptReference, ...]
    opt_out: OptOut | None


def subject_of(whom: str | StaffMember) -> str:
    """Returns the id under which somebody's references stand."""
    return whom.subject_id if isinstance(whom, StaffMember) else whom


class Enrolment:
    """All that is done to enrolled faces; every change is on record. Safe to call from any thread.

    What is said of a person by id holds for a member of staff by theirs (`StaffMember.subject_id`).
    """

    def __init__(self, database: Database, references: ReferenceFaces, evidence: EvidenceRetention) -> None:
        self._database, self._references, self._evidence = database, references, evidence
        self._opt_outs = OptOuts(database)
        self.duplicates = Duplicates(database, references)
        self.staff = Staff(database, references)
        self._visitors = VisitorRecord(database)

    def enrol(self, whom: str | StaffMember, faces: Sequence[Face], grounds: Grounds, at_ms: int) -> Enrolled:
        """Returns what was kept; who looks like another enrolled holder is told to a supervisor alone.

        Of staff nobody looks for doubles: who works at a store is insured, too, and may work at another one.

        Args: whom is an insured person's id, or a member of staff.
        Raises: OptedOut, and nothing is kept; ValueError for an embedding that is none.
        """
        by, subject_id = By(grounds.by, at_ms), subject_of(whom)
        kept = {self._references.enrol(subject_id, face, grounds, at_ms) for face in faces}
        said = f"{grounds.basis} {grounds.day}"
        if isinstance(whom, StaffMember):
            self.staff.put(whom)
            self._note(by, "enrolled", subject_id, f"{whom.role} {said}")
        else:
            self._note(by, "enrolled", subject_id, said)
            self.duplicates.look_for(subject_id, faces, by)
        return Enrolled(references=len(kept), people=self._references.people_count())

    def is_opted_out(self, person_id: str) -> bool:
        """Returns whether the person wants no comparison."""
        return self._opt_outs.of(person_id) is not None

    def opt_out(self, person_id: str, basis: str, since_day: str, by: By) -> int:
        """Returns how many references went: none is left, and none may come before the opt-out is withdrawn.

        Args: basis says in words who asked how; since_day is an ISO date.
        """
        self._opt_outs.put(person_id, basis, since_day, by)  # first: who enrols meanwhile sees it, or is removed here
        self.duplicates.forget(person_id)
        return self._references.remove(person_id)

    def withdraw_opt_out(self, person_id: str, by: By) -> bool:
        """Returns whether the person had opted out; now they may be enrolled anew."""
        return self._opt_outs.withdraw(person_id, by)

    def erase(self, person_id: str, by: By) -> Erased:
        """Returns what went: references, pairs, visitors, and of the person's swipes whatever no alert cites.

        An opt-out stays: it is what keeps somebody from enrolling the person again.

        Raises: TransientError when the disk or the database does not let go; again goes on from there.
        """
        references = self._references.remove(person_id)
        self.staff.remove(person_id)
        duplicates = self.duplicates.forget(person_id)
        # Before the evidence is looked for: what of it comes meanwhile is found, or refused because of this note.
        self._note(by, "erased", person_id, str(references))
        swipes = list(self._swipes_with_evidence(person_id))
        swept = self._evidence.remove_of_swipes(swipes, by.at_ms)
        visitors = self._visitors.erase(person_id, by.at_ms)
        return Erased(
            references=references,
            duplicates=duplicates,
            removed=swept.removed,
            cited=swept.cited,
            swipes=len(swipes),
            visitors=visitors,
            alerts=self._alert_count(person_id),
            is_opted_out=self.is_opted_out(person_id),
        )

    def status(self, person_id: str) -> HolderStatus:
        """Returns what is kept of the person."""
        references = tuple(self._references.kept(person_id))
        return HolderStatus(person_id=person_id, references=references, opt_out=self._opt_outs.of(person_id))

    def people(self, after: str = "", limit: int | None = None) -> dict[str, int]:
        """Returns how many references each enrolled person has, by person id; those behind one where it is given."""
        return self._references.enrolled(after, limit)

    def people_count(self) -> int:
        """Returns how many people are enrolled."""
        return self._references.people_count()

    def opt_out_count(self) -> int:
        """Returns how many people have opted out."""
        return self._opt_outs.count()

    def _swipes_with_evidence(self, person_id: str) -> Iterator[str]:
        """Yields the person's swipes of which anything is kept. Cost: each swipe with evidence is read once."""
        for settlement_ids in self._settlements():
            with self._database.read() as session:
                words = swipe_words(session, settlement_ids)
            yield from (one for one, word in words.items() if word.person_id == person_id)

    def _settlements(self) -> Iterator[list[str]]:
        after = ""
        while True:
            some = set[str]()
            with self._database.read() as session:
                for table in (StillRow, ClipRow, OriginalRow):
                    query = select(table.settlement_id).where(
                        table.settlement_id > after, table.removed_at_ms.is_(None)
                    )
                    ordered = query.distinct().order_by(table.settlement_id).limit(LOOKED_AT_ONCE)
                    some.update(one for one in session.scalars(ordered) if one is not None)
            page = sorted(some)[:LOOKED_AT_ONCE]
            if not page:
                return
            yield page
            after = page[-1]

    def _alert_count(self, person_id: str) -> int:
        query = select(func.count(func.distinct(AlertTermRow.alert_id))).where(
            AlertTermRow.term == person_term(person_id)
        )
        with self._database.read() as session:
            return session.scalar(query) or 0

    def _note(self, by: By, action: ChangeAction, person_id: str, detail: str) -> None:
        with self._database.session() as session:
            note_change(session, by, kind_of(person_id), action, person_id, detail)
