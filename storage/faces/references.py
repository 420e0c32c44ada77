"""Reference faces of enrolled card holders and staff: sealed embeddings, one person at a time, never a gallery."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy import CursorResult, delete, func, select

from storage.database import Database
from storage.errors import AlteredData, WrongKey
from storage.models import FaceOptOutRow, ReferenceFaceRow
from storage.sealing.crypto import Keyring
from storage.upsert import upsert

Embedding = NDArray[np.float32]
Basis = Literal["consent", "statutory_duty", "other"]
"""Why a face may be kept: the person agreed, separately; a duty that a law names; another ground of the law."""
READ_AT_ONCE: Final = 1_000
STAFF_PREFIX: Final = "staff:"
"""What the id begins with under which a member of staff is enrolled; no insured person's does."""

_OF_STAFF = ReferenceFaceRow.person_id.startswith(STAFF_PREFIX)

_log = structlog.get_logger()


class OptedOut(ValueError):
    """The person wants no comparison of faces: nothing of the face may be kept."""


@dataclass(frozen=True, kw_only=True)
class Face:
    """What a photograph gives of a person: an embedding (float32[n], finite) by one engine, and its quality 0..1."""

    engine: str
    engine_version: str
    embedding: Embedding
    quality: float


class Grounds(msgspec.Struct, frozen=True, kw_only=True):
    """Why a face may be kept, since which day (ISO date), what proves it in words, and who enrolled it."""

    basis: Basis
    day: str
    proof: str
    by: str


class KeptReference(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a reference, without what the face looks like."""

    engine: str
    engine_version: str
    quality: float
    grounds: Grounds
    enrolled_at_ms: int


class ReferenceFaces:
    """What each enrolled person looks like to each engine."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    def enrol(self, person_id: str, face: Face, grounds: Grounds, now_ms: int) -> str:
        """Returns the reference's id; several photographs of a person stand side by side, the same one counts once.

        Raises: ValueError if the embedding is not a row of finite numbers; OptedOut, and nothing is kept.
        """
        if self._is_opted_out(person_id):
            raise OptedOut(person_id)
        plain = _bytes_of(face.embedding)
        reference_id = hashlib.sha256(msgspec.msgpack.encode((person_id, face.engine, plain))).hexdigest()[:32]
        context = reference_context(reference_id, person_id, face.engine, face.engine_version)
        row: dict[str, object] = {
            "reference_id": reference_id,
            "person_id": person_id,
            "engine": face.engine,
            "engine_version": face.engine_version,
            "embedding": self._keyring.seal(plain, context),
            "quality": face.quality,
            "basis": grounds.basis,
            "basis_day": grounds.day,
            "consent_basis": grounds.proof,
            "enrolled_at_ms": now_ms,
            "enrolled_by": grounds.by,
        }
        with self._database.session() as session:
            upsert(session, ReferenceFaceRow, [row], "reference_id")
        if self._is_opted_out(person_id):  # meanwhile: whoever noted it may have looked before this row stood
            self.remove(person_id)
            raise OptedOut(person_id)
        return reference_id

    def of(self, person_id: str) -> dict[str, list[Embedding]]:
        """Returns the person's embeddings by engine, the earliest enrolled first.

        Empty for who is not enrolled, or has opted out.

        Raises: AlteredData if a row was changed or moved to another person or engine; WrongKey.
        """
        query = (
            select(ReferenceFaceRow)
            .where(
                ReferenceFaceRow.person_id == person_id,
                ~select(FaceOptOutRow.person_id).where(FaceOptOutRow.person_id == person_id).exists(),
            )
            .order_by(ReferenceFaceRow.enrolled_at_ms, ReferenceFaceRow.reference_id)
        )
        found: dict[str, list[Embedding]] = {}
        with self._database.read() as session:
            for row in session.scalars(query):
                found.setdefault(row.engine, []).append(self._embedding_of(row))
        return found

    def of_others(
        self, person_id: str, engine: str, engine_version: str
    ) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
        """Yields all other persons' references that can be compared with one engine's: whose, and rows of embeddings.

        Staff are left out: who works at a store is an insured person, too. One that does not open is said and left out.
        """
        after = ""
        while True:
            query = select(ReferenceFaceRow).where(
                ReferenceFaceRow.reference_id > after,
                ReferenceFaceRow.person_id != person_id,
                ~_OF_STAFF,
                ReferenceFaceRow.engine == engine,
                ReferenceFaceRow.engine_version == engine_version,
            )
            with self._database.read() as session:
                rows = list(session.scalars(query.order_by(ReferenceFaceRow.reference_id).limit(READ_AT_ONCE)))
            opened = list(self._opened(rows))
            if opened:
                yield [whose for whose, _ in opened], np.stack([embedding for _, embedding in opened])
            if len(rows) < READ_AT_ONCE:
                return
            after = rows[-1].reference_id

    def kept(self, person_id: str) -> list[KeptReference]:
        """Returns what is known of the person's references, the earliest enrolled first."""
        query = select(ReferenceFaceRow).where(ReferenceFaceRow.person_id == person_id)
        in_order = query.order_by(ReferenceFaceRow.enrolled_at_ms, ReferenceFaceRow.reference_id)
        with self._database.read() as session:
            return [_kept(row) for row in session.scalars(in_order)]

    def remove(self, person_id: str) -> int:
        """Returns how many references of the person were there; none is left."""
        with self._database.session() as session:
            result = session.execute(delete(ReferenceFaceRow).where(ReferenceFaceRow.person_id == person_id))
            return result.rowcount if isinstance(result, CursorResult) else 0

    def enrolled(self, after: str = "", limit: int | None = None) -> dict[str, int]:
        """Returns how many references each enrolled holder has, by person id; those behind one where it is given."""
        query = select(ReferenceFaceRow.person_id, func.count()).where(~_OF_STAFF).group_by(ReferenceFaceRow.person_id)
        behind = query.where(ReferenceFaceRow.person_id > after).order_by(ReferenceFaceRow.person_id).limit(limit)
        with self._database.read() as session:
            return dict(session.execute(behind).all())

    def people_count(self) -> int:
        """Returns how many people are enrolled, holders and staff."""
        with self._database.read() as session:
            return session.scalar(select(func.count(func.distinct(ReferenceFaceRow.person_id)))) or 0

    def _is_opted_out(self, person_id: str) -> bool:
        with self._database.read() as session:
            return session.get(FaceOptOutRow, person_id) is not None

    def _opened(self, rows: Sequence[ReferenceFaceRow]) -> Iterator[tuple[str, Embedding]]:
        for row in rows:
            try:
                yield row.person_id, self._embedding_of(row)
            except (AlteredData, WrongKey) as error:
                _log.error("reference.unusable", error=str(error))

    def _embedding_of(self, row: ReferenceFaceRow) -> Embedding:
        context = reference_context(row.reference_id, row.person_id, row.engine, row.engine_version)
        try:
            plain = self._keyring.unseal(row.embedding, context)
        except AlteredData as error:
            raise AlteredData(f"reference {row.reference_id}: {error}") from None
        return np.frombuffer(plain, dtype="<f4").astype(np.float32)


def is_staff(subject_id: str) -> bool:
    """Returns whether an id is that of a member of staff (`storage.faces.staff`), and not of an insured person."""
    return subject_id.startswith(STAFF_PREFIX)


def reference_context(reference_id: str, person_id: str, engine: str, engine_version: str) -> str:
    """Returns what a reference's sealed embedding is bound to."""
    return msgspec.json.encode(["reference", reference_id, person_id, engine, engine_version]).decode()


def _kept(row: ReferenceFaceRow) -> KeptReference:
    return KeptReference(
        engine=row.engine,
        engine_version=row.engine_version,
        quality=row.quality,
        grounds=Grounds(
            basis=msgspec.convert(row.basis, Basis), day=row.basis_day, proof=row.consent_basis, by=row.enrolled_by
        ),
        enrolled_at_ms=row.enrolled_at_ms,
    )


def _bytes_of(embedding: Embedding) -> bytes:
    if embedding.ndim != 1 or not embedding.size or not np.isfinite(embedding).all():
        raise ValueError("an embedding is a row of finite numbers")
    return np.ascontiguousarray(embedding, dtype="<f4").tobytes()
