"""Reference faces of enrolled card holders: sealed embeddings, one person at a time, never a gallery to search."""

from __future__ import annotations

import hashlib

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import CursorResult, delete, func, select

from storage.crypto import Keyring
from storage.database import Database
from storage.errors import AlteredData
from storage.models import ReferenceFaceRow
from storage.upsert import upsert

Embedding = NDArray[np.float32]


class ReferenceFaces:
    """What each enrolled person looks like to each engine."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    def enrol(  # noqa: PLR0917 - a reference has as many sides as the table has columns
        self,
        person_id: str,
        engine: str,
        engine_version: str,
        embedding: Embedding,
        quality: float,
        consent_basis: str,
        now_ms: int,
    ) -> str:
        """Returns the reference's id; several photographs of a person stand side by side, the same one counts once.

        Args:
            person_id: the card holder.
            engine: name of the engine that made the embedding.
            engine_version: its version; other versions' embeddings cannot be compared.
            embedding: float32[n], finite.
            quality: 0..1, the engine's word on the photograph.
            consent_basis: why the face may be kept.
            now_ms: UTC milliseconds.

        Raises: ValueError if the embedding is not a row of finite numbers.
        """
        plain = _bytes_of(embedding)
        reference_id = hashlib.sha256(msgspec.msgpack.encode((person_id, engine, plain))).hexdigest()[:32]
        row: dict[str, object] = {
            "reference_id": reference_id,
            "person_id": person_id,
            "engine": engine,
            "engine_version": engine_version,
            "embedding": self._keyring.seal(plain, reference_context(reference_id, person_id, engine, engine_version)),
            "quality": quality,
            "consent_basis": consent_basis,
            "enrolled_at_ms": now_ms,
        }
        with self._database.session() as session:
            upsert(session, ReferenceFaceRow, [row], "reference_id")
        return reference_id

    def of(self, person_id: str) -> dict[str, list[Embedding]]:
        """Returns the person's embeddings by engine, the earliest enrolled first; empty for who is not enrolled.

        Raises: AlteredData if a row was changed or moved to another person or engine; WrongKey.
        """
        query = (
            select(ReferenceFaceRow)
            .where(ReferenceFaceRow.person_id == person_id)
            .order_by(ReferenceFaceRow.enrolled_at_ms, ReferenceFaceRow.reference_id)
        )
        found: dict[str, list[Embedding]] = {}
        with self._database.read() as session:
            for row in session.scalars(query):
                found.setdefault(row.engine, []).append(self._embedding_of(row))
        return found

    def remove(self, person_id: str) -> int:
        """Returns how many references of the person were there; none is left."""
        with self._database.session() as session:
            result = session.execute(delete(ReferenceFaceRow).where(ReferenceFaceRow.person_id == person_id))
            return result.rowcount if isinstance(result, CursorResult) else 0

    def enrolled(self) -> dict[str, int]:
        """Returns how many references each enrolled person has, by person id."""
        query = select(ReferenceFaceRow.person_id, func.count()).group_by(ReferenceFaceRow.person_id)
        with self._database.read() as session:
            return dict(session.execute(query.order_by(ReferenceFaceRow.person_id)).all())

    def _embedding_of(self, row: ReferenceFaceRow) -> Embedding:
        context = reference_context(row.reference_id, row.person_id, row.engine, row.engine_version)
        try:
            plain = self._keyring.unseal(row.embedding, context)
        except AlteredData as error:
            raise AlteredData(f"reference {row.reference_id}: {error}") from None
        return np.frombuffer(plain, dtype="<f4").astype(np.float32)


def reference_context(reference_id: str, person_id: str, engine: str, engine_version: str) -> str:
    """Returns what a reference's sealed embedding is bound to."""
    return msgspec.json.encode(["reference", reference_id, person_id, engine, engine_version]).decode()


def _bytes_of(embedding: Embedding) -> bytes:
    if embedding.ndim != 1 or not embedding.size or not np.isfinite(embedding).all():
        raise ValueError("an embedding is a row of finite numbers")
    return np.ascontiguousarray(embedding, dtype="<f4").tobytes()
