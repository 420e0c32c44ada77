"""Clips around swipes: sealed files beside the database, kept for as long as a setting says."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import msgspec
from sqlalchemy import delete, or_, select

from storage.crypto import Keyring
from storage.database import Database
from storage.errors import AlteredData, UnknownClip
from storage.models import AlertFindingRow, AlertRow, ClipRow, FindingRow
from storage.sealed_files import SealedFiles
from storage.upsert import insert_new

REMOVED_AT_ONCE = 500


class Clip(msgspec.Struct, frozen=True, kw_only=True):
    """One film of a counter around a swipe, as WebM; one picture every `step_ms`.

    `swipe_at_ms`, `first_at_ms` and `last_at_ms` (the first and the last picture) are times of the till's clock,
    `first_raw_at_ms` is the first picture's by the camera's own; that plus `clock_offset_ms` is the till's.
    `camera_state` is what most of its pictures were; `pictures` is how many the camera gave, gaps not counted.
    """

    settlement_id: str
    camera_id: str
    camera_state: str
    swipe_at_ms: int
    first_at_ms: int
    last_at_ms: int
    first_raw_at_ms: int
    clock_offset_ms: int
    pictures: int
    step_ms: int
    webm: bytes


class KeptClip(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a kept clip; `sha256` (hex) and `size_bytes` are of its plain bytes."""

    clip_id: str
    settlement_id: str
    camera_id: str
    camera_state: str
    swipe_at_ms: int
    first_at_ms: int
    last_at_ms: int
    first_raw_at_ms: int
    clock_offset_ms: int
    pictures: int
    step_ms: int
    sha256: str
    size_bytes: int


class ClipStore:
    """Keeps clips under a folder, gives back exactly the bytes that were kept, and removes them in time."""

    def __init__(self, database: Database, directory: Path, keyring: Keyring) -> None:
        self._database = database
        self._files = SealedFiles(directory, keyring, "clip")
        self._turn = threading.Lock()

    def keep(self, clip: Clip) -> str:
        """Returns the clip's id; it is on the disk, sealed, and named by a row.

        A swipe has one clip of each camera, the first: one that comes again, from a worker that was started anew, may
        show less and changes nothing.

        Raises: TransientError if the disk does not take it; DatabaseUnavailable if the database does not.
        """
        clip_id = hashlib.sha256(msgspec.json.encode([clip.settlement_id, clip.camera_id])).hexdigest()[:32]
        with self._turn:
            if self._is_kept(clip_id):
                return clip_id
            self._files.write(clip_id, clip.webm)
            self._write_row(clip_id, clip)
        return clip_id

    def read(self, clip_id: str) -> bytes:
        """Returns the clip's WebM bytes, checked against the sha256 in its row.

        Raises: UnknownClip; EvidenceMissing if the file is gone; AlteredData if it is not what was kept; WrongKey.
        """
        with self._database.read() as session:
            sha256 = session.scalar(select(ClipRow.sha256).where(ClipRow.clip_id == clip_id))
        if sha256 is None:
            raise UnknownClip(clip_id)
        webm = self._files.read(clip_id)
        if hashlib.sha256(webm).hexdigest() != sha256:
            raise AlteredData(f"clip {clip_id} is not the film that its row describes")
        return webm

    def for_settlement(self, settlement_id: str) -> list[KeptClip]:
        """Returns the clips of a swipe, in the order of their cameras' ids."""
        query = select(ClipRow).where(ClipRow.settlement_id == settlement_id).order_by(ClipRow.camera_id)
        with self._database.read() as session:
            return [_kept(row) for row in session.scalars(query)]

    def path_of(self, clip_id: str) -> Path:
        """Returns where the clip's sealed file lies."""
        return self._files.path_of(clip_id)

    def remove_expired(self, before_ms: int, alerted_before_ms: int) -> int:
        """Returns how many clips were removed: of swipes before `before_ms`, with an alert before `alerted_before_ms`.

        The file goes first: after a crash the row stands, and the next call removes it.

        Raises: TransientError if the disk or the database does not let them go.
        """
        alerted = ClipRow.settlement_id.in_(select(AlertRow.settlement_id)) | ClipRow.settlement_id.in_(
            select(FindingRow.settlement_id).join(AlertFindingRow, AlertFindingRow.finding_id == FindingRow.finding_id)
        )
        over = or_(ClipRow.swipe_at_ms < alerted_before_ms, (ClipRow.swipe_at_ms < before_ms) & ~alerted)
        query = select(ClipRow.clip_id).where(over).limit(REMOVED_AT_ONCE)
        removed = 0
        while True:
            with self._database.read() as session:
                ids = list(session.scalars(query))
            for clip_id in ids:
                self._files.remove(clip_id)
            with self._database.session() as session:
                session.execute(delete(ClipRow).where(ClipRow.clip_id.in_(ids)))
            removed += len(ids)
            if len(ids) < REMOVED_AT_ONCE:
                return removed

    def _is_kept(self, clip_id: str) -> bool:
        with self._database.read() as session:
            row = session.scalar(select(ClipRow.clip_id).where(ClipRow.clip_id == clip_id))
        return row is not None and self._files.path_of(clip_id).exists()

    def _write_row(self, clip_id: str, clip: Clip) -> None:
        row = {name: getattr(clip, name) for name in Clip.__struct_fields__ if name != "webm"}
        row |= {"clip_id": clip_id, "sha256": hashlib.sha256(clip.webm).hexdigest(), "size_bytes": len(clip.webm)}
        with self._database.session() as session:
            session.execute(delete(ClipRow).where(ClipRow.clip_id == clip_id))  # its file is gone: this one stands now
            insert_new(session, ClipRow, [row], "clip_id")


def _kept(row: ClipRow) -> KeptClip:
    return KeptClip(**{name: getattr(row, name) for name in KeptClip.__struct_fields__})
