"""The same face under two persons: looked for when somebody is enrolled, told to a supervisor, never merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec
import numpy as np
from sqlalchemy import func, or_, select

from storage.access.changes import By
from storage.database import Database
from storage.faces.references import Face, ReferenceFaces
from storage.models import FaceDuplicateRow, ReferenceFaceRow
from storage.upsert import insert_new

Outcome = Literal["same_person", "different_people"]
ALIKE_FROM: Final[Mapping[str, float]] = {"sface": 0.55, "dlib": 0.96}
"""Cosine similarity from which two persons' references look like one face, by engine; others are not looked through."""


class Duplicate(msgspec.Struct, frozen=True, kw_only=True):
    """Two persons whose references are as alike as that (cosine); `outcome` is None until somebody has settled it.

    `engine_version` is that of the references which stand now, None where none does.
    """

    duplicate_id: int
    person_id: str
    other_person_id: str
    engine: str
    engine_version: str | None
    similarity: float
    found_at_ms: int
    found_by: str
    outcome: Outcome | None
    settled_at_ms: int | None
    settled_by: str | None


class Duplicates:
    """Searches all references for one new face, keeps what was found, and nothing else of the search."""

    def __init__(self, database: Database, references: ReferenceFaces) -> None:
        self._database, self._references = database, references

    def look_for(self, person_id: str, faces: Sequence[Face], by: By) -> int:
        """Returns how many other persons look like this one that nobody has been told of; a supervisor is, now.

        Cost: every reference of the engine is opened, some 40 µs each.
        """
        alike: dict[str, tuple[float, str]] = {}
        for face in faces:
            for other_id, similarity in self._alike(person_id, face):
                alike[other_id] = max(alike.get(other_id, (0.0, "")), (similarity, face.engine))
        if not alike:
            return 0
        rows: list[dict[str, object]] = []
        for other_id, (similarity, engine) in sorted(alike.items()):
            first, second = sorted((person_id, other_id))
            rows.append(
                {
                    "person_id": first,
                    "other_person_id": second,
                    "engine": engine,
                    "similarity": similarity,
                    "found_at_ms": by.at_ms,
                    "found_by": by.actor,
                }
            )
        with self._database.session() as session:
            before = session.scalar(select(func.count()).select_from(FaceDuplicateRow)) or 0
            insert_new(session, FaceDuplicateRow, rows, "person_id", "other_person_id")
            return (session.scalar(select(func.count()).select_from(FaceDuplicateRow)) or 0) - before

    def found(self, limit: int = 200) -> list[Duplicate]:
        """Returns what was found: what waits for somebody first, then the newest."""
        theirs = ReferenceFaceRow.person_id == FaceDuplicateRow.person_id
        of_engine = ReferenceFaceRow.engine == FaceDuplicateRow.engine
        version = select(func.max(ReferenceFaceRow.engine_version)).where(theirs, of_engine).scalar_subquery()
        query = select(FaceDuplicateRow, version).order_by(
            FaceDuplicateRow.outcome.is_not(None), FaceDuplicateRow.duplicate_id.desc()
        )
        with self._database.read() as session:
            return [_duplicate(row, version) for row, version in session.execute(query.limit(limit))]

    def waiting_count(self) -> int:
        """Returns how many wait for somebody."""
        query = select(func.count()).select_from(FaceDuplicateRow).where(FaceDuplicateRow.outcome.is_(None))
        with self._database.read() as session:
            return session.scalar(query) or 0

    def settle(self, duplicate_id: int, outcome: Outcome, by: By) -> bool:
        """Returns whether there is such a pair; somebody has looked at it. Nothing is merged and nobody removed."""
        with self._database.session() as session:
            row = session.get(FaceDuplicateRow, duplicate_id)
            if row is None:
                return False
            row.outcome, row.settled_at_ms, row.settled_by = outcome, by.at_ms, by.actor
            return True

    def forget(self, person_id: str) -> int:
        """Returns how many pairs named the person; none is left."""
        named = or_(FaceDuplicateRow.person_id == person_id, FaceDuplicateRow.other_person_id == person_id)
        with self._database.session() as session:
            rows = list(session.scalars(select(FaceDuplicateRow).where(named)))
            for row in rows:
                session.delete(row)
            return len(rows)

    def _alike(self, person_id: str, face: Face) -> list[tuple[str, float]]:
        least = ALIKE_FROM.get(face.engine)
        if least is None:
            return []
        found = []
        for whose, embeddings in self._references.of_others(person_id, face.engine, face.engine_version):
            scores = embeddings @ face.embedding
            found += [(whose[place], float(scores[place])) for place in np.flatnonzero(scores >= least)]
        return found


def _duplicate(row: FaceDuplicateRow, engine_version: str | None) -> Duplicate:
    told = {name: getattr(row, name) for name in Duplicate.__struct_fields__ if name != "engine_version"}
    return msgspec.convert(told | {"engine_version": engine_version}, Duplicate)
