"""Evidence pictures: encrypted files beside the database, each named by a row with the sha256 of its plain bytes."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import msgspec
from sqlalchemy import select

from storage.crypto import Keyring
from storage.database import Database
from storage.errors import AlteredData, UnknownStill
from storage.models import StillRow
from storage.sealed_files import SealedFiles
from storage.upsert import insert_new


class Still(msgspec.Struct, frozen=True, kw_only=True):
    """One picture of a counter, as a JPEG, with the observation and, where known, the swipe it belongs to."""

    observation_id: str
    settlement_id: str | None
    camera_id: str
    captured_at_ms: int
    jpeg: bytes


class KeptStill(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a kept picture; `sha256` (hex) and `size_bytes` are of its plain bytes."""

    still_id: str
    observation_id: str
    settlement_id: str | None
    camera_id: str
    captured_at_ms: int
    sha256: str
    size_bytes: int


class EvidenceStore:
    """Keeps pictures under a folder and gives back exactly the bytes that were kept, or says why not."""

    def __init__(self, database: Database, directory: Path, keyring: Keyring) -> None:
        self._database = database
        self._files = SealedFiles(directory, keyring, "still")
        self._turn = threading.Lock()

    def keep(self, still: Still) -> str:
        """Returns the picture's id; it is on the disk, sealed, and named by a row. Keeping it again changes nothing.

        The file comes first: a crash leaves at most a file that no row names, which a later `keep` takes over.

        Raises: TransientError if the disk does not take it; DatabaseUnavailable if the database does not.
        """
        sha256 = hashlib.sha256(still.jpeg).hexdigest()
        still_id = _still_id(still.observation_id, sha256)
        with self._turn:
            if self._is_kept(still_id):
                return still_id
            self._files.write(still_id, still.jpeg)
            self._write_row(still_id, sha256, still)
        return still_id

    def read(self, still_id: str) -> bytes:
        """Returns the picture's JPEG bytes, checked against the sha256 in its row.

        Raises: UnknownStill; EvidenceMissing if the file is gone; AlteredData if it is not what was kept; WrongKey.
        """
        with self._database.read() as session:
            sha256 = session.scalar(select(StillRow.sha256).where(StillRow.still_id == still_id))
        if sha256 is None:
            raise UnknownStill(still_id)
        jpeg = self._files.read(still_id)
        if hashlib.sha256(jpeg).hexdigest() != sha256:
            raise AlteredData(f"still {still_id} is not the picture that its row describes")
        return jpeg

    def for_settlement(self, settlement_id: str) -> list[KeptStill]:
        """Returns the pictures that belong to a swipe, the earliest first."""
        query = (
            select(StillRow)
            .where(StillRow.settlement_id == settlement_id)
            .order_by(StillRow.captured_at_ms, StillRow.still_id)
        )
        with self._database.read() as session:
            return [_kept(row) for row in session.scalars(query)]

    def path_of(self, still_id: str) -> Path:
        """Returns where the picture's sealed file lies."""
        return self._files.path_of(still_id)

    def _is_kept(self, still_id: str) -> bool:
        with self._database.read() as session:
            row = session.scalar(select(StillRow.still_id).where(StillRow.still_id == still_id))
        return row is not None and self.path_of(still_id).exists()

    def _write_row(self, still_id: str, sha256: str, still: Still) -> None:
        row: dict[str, object] = {
            "still_id": still_id,
            "observation_id": still.observation_id,
            "settlement_id": still.settlement_id,
            "camera_id": still.camera_id,
            "captured_at_ms": still.captured_at_ms,
            "sha256": sha256,
            "size_bytes": len(still.jpeg),
        }
        with self._database.session() as session:
            insert_new(session, StillRow, [row], "still_id")


def _still_id(observation_id: str, sha256: str) -> str:
    return hashlib.sha256(msgspec.json.encode([observation_id, sha256])).hexdigest()[:32]


def _kept(row: StillRow) -> KeptStill:
    return KeptStill(
        still_id=row.still_id,
        observation_id=row.observation_id,
        settlement_id=row.settlement_id,
        camera_id=row.camera_id,
        captured_at_ms=row.captured_at_ms,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
    )
