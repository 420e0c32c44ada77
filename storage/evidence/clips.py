"""Clips around swipes: the copies that are shown, as sealed files beside the database."""

from __future__ import annotations

from pathlib import Path

import msgspec
from sqlalchemy import select

from storage.database import Database
from storage.errors import UnknownClip
from storage.evidence.kept_files import FileState, KeptFiles, Kind, film_id
from storage.models import ClipRow
from storage.sealing.crypto import Keyring

CLIP = Kind(
    name="clip",
    table=ClipRow,
    id_column="clip_id",
    time_column="swipe_at_ms",
    unknown=UnknownClip,
)


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
    """What is known of a kept clip; `sha256` (hex) and `size_bytes` are of its plain bytes.

    `removed_at_ms` is when the film was deleted, None while it is kept.
    """

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
    removed_at_ms: int | None
    state: FileState


class ClipStore:
    """Keeps clips under a folder and gives back exactly the bytes that were kept."""

    def __init__(self, database: Database, directory: Path, keyring: Keyring) -> None:
        self._database = database
        self.kept = KeptFiles(database, directory, keyring, CLIP)

    def keep(self, clip: Clip) -> str:
        """Returns the clip's id; it is on the disk, sealed, and named by a row.

        A swipe has one clip of each camera, the first: one that comes again, from a worker that was started anew, may
        show less and changes nothing.

        Raises: TransientError if the disk does not take it; DatabaseUnavailable if the database does not.
        """
        clip_id = clip_id_of(clip.settlement_id, clip.camera_id)
        columns = {name: getattr(clip, name) for name in Clip.__struct_fields__ if name != "webm"}
        self.kept.keep(clip_id, clip.webm, columns)
        return clip_id

    def read(self, clip_id: str) -> bytes:
        """Returns the clip's WebM bytes, checked against the sha256 in its row.

        Raises: UnknownClip; EvidenceMissing if the file is gone; AlteredData if it is not what was kept; WrongKey.
        """
        return self.kept.read(clip_id)

    def for_settlement(self, settlement_id: str) -> list[KeptClip]:
        """Returns the clips of a swipe, in the order of their cameras' ids; those that were deleted say when."""
        query = select(ClipRow).where(ClipRow.settlement_id == settlement_id).order_by(ClipRow.camera_id)
        with self._database.read() as session:
            return [self._kept(row) for row in session.scalars(query)]

    def path_of(self, clip_id: str) -> Path:
        """Returns where the clip's sealed file lies."""
        return self.kept.files.path_of(clip_id)

    def _kept(self, row: ClipRow) -> KeptClip:
        columns = {name: getattr(row, name) for name in KeptClip.__struct_fields__ if name != "state"}
        return KeptClip(**columns, state=self.kept.state_of(row.clip_id, row.removed_at_ms))


def clip_id_of(settlement_id: str, camera_id: str) -> str:
    """Returns the id that the clip of a swipe and a camera has, made or not."""
    return film_id(settlement_id, camera_id)
