"""Evidence pictures: sealed files beside the database, each named by a row with the sha256 of its plain bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
from sqlalchemy import select

from storage.database import Database
from storage.errors import UnknownStill
from storage.evidence.kept_files import KeptFiles, Kind
from storage.models import StillRow
from storage.sealing.crypto import Keyring

STILL = Kind(
    name="still",
    table=StillRow,
    id_column="still_id",
    time_column="captured_at_ms",
    unknown=UnknownStill,
)


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
        self.kept = KeptFiles(database, directory, keyring, STILL)

    def keep(self, still: Still) -> str:
        """Returns the picture's id; it is on the disk, sealed, and named by a row, unless its holder was erased since.

        Keeping it again changes nothing.

        Raises: TransientError if the disk does not take it; DatabaseUnavailable if the database does not.
        """
        still_id = _still_id(still.observation_id, hashlib.sha256(still.jpeg).hexdigest())
        columns = {name: getattr(still, name) for name in Still.__struct_fields__ if name != "jpeg"}
        self.kept.keep_unless_erased(still_id, still.jpeg, columns)
        return still_id

    def read(self, still_id: str) -> bytes:
        """Returns the picture's JPEG bytes, checked against the sha256 in its row.

        Raises: UnknownStill; EvidenceMissing if the file is gone; AlteredData if it is not what was kept; WrongKey.
        """
        return self.kept.read(still_id)

    def is_there(self, still_id: str) -> bool:
        """Returns whether the picture's file lies where it should."""
        return self.kept.is_there(still_id)

    def for_settlement(self, settlement_id: str) -> list[KeptStill]:
        """Returns the pictures that belong to a swipe, the earliest first."""
        query = (
            select(StillRow)
            .where(StillRow.settlement_id == settlement_id, StillRow.removed_at_ms.is_(None))
            .order_by(StillRow.captured_at_ms, StillRow.still_id)
        )
        with self._database.read() as session:
            return [_kept(row) for row in session.scalars(query)]

    def path_of(self, still_id: str) -> Path:
        """Returns where the picture's sealed file lies."""
        return self.kept.files.path_of(still_id)


def _still_id(observation_id: str, sha256: str) -> str:
    return hashlib.sha256(msgspec.json.encode([observation_id, sha256])).hexdigest()[:32]


def _kept(row: StillRow) -> KeptStill:
    return KeptStill(**{name: getattr(row, name) for name in KeptStill.__struct_fields__})
