"""Sealed originals: what a camera sent around a swipe, not re-encoded, as sealed files beside the database."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import msgspec
from sqlalchemy import select

from storage.database import Database
from storage.errors import AlteredData, UnknownOriginal
from storage.evidence.kept_files import FileState, KeptFiles, Kind, film_id
from storage.evidence.owed_clips import TRIED_AGAIN
from storage.models import OriginalRow
from storage.sealing.crypto import Keyring

Sight = tuple[int, tuple[float, float, float, float]]
"""Where the customer's face was, and when, till time: left, top, right and bottom in pixels of the camera's picture."""

ORIGINAL = Kind(
    name="original",
    table=OriginalRow,
    id_column="original_id",
    time_column="swipe_at_ms",
    unknown=UnknownOriginal,
)


class Original(msgspec.Struct, frozen=True, kw_only=True):
    """The packets of one camera around a swipe, from a key frame on, in a container.

    `swipe_at_ms`, `first_at_ms` and `last_at_ms` (the first and the last packet) are times of the till's clock,
    `first_raw_at_ms` is the first packet's by the camera's own; that plus `clock_offset_ms` is the till's.
    `sha256` (hex) is of `video`, as whoever cut it says. The rest is what a clip of it is made by: its span in till
    time, a picture every `step_ms`, what most pictures were, and the customer; None where nobody wrote it down.
    """

    settlement_id: str
    camera_id: str
    container: Literal["matroska"]
    video: bytes
    sha256: str
    swipe_at_ms: int
    first_at_ms: int
    last_at_ms: int
    first_raw_at_ms: int
    clock_offset_ms: int
    clip_first_at_ms: int | None = None
    clip_last_at_ms: int | None = None
    step_ms: int | None = None
    camera_state: str | None = None
    customer: tuple[Sight, ...] = ()


class KeptOriginal(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a kept original; `sha256` (hex) and `size_bytes` are of its plain bytes.

    `removed_at_ms` is when it was deleted, None while it is kept. A clip is owed since `clip_owed_since_ms`, None
    where nobody wants one or there is one; `clip_failure` is why none could be made (`storage.evidence.owed_clips`).
    """

    original_id: str
    settlement_id: str
    camera_id: str
    container: str
    swipe_at_ms: int
    first_at_ms: int
    last_at_ms: int
    first_raw_at_ms: int
    clock_offset_ms: int
    clip_first_at_ms: int | None
    clip_last_at_ms: int | None
    step_ms: int | None
    camera_state: str | None
    customer: tuple[Sight, ...] | None
    clip_owed_since_ms: int | None
    clip_failure: str | None
    sha256: str
    size_bytes: int
    removed_at_ms: int | None
    state: FileState

    @property
    def may_become_clip(self) -> bool:
        """Whether a clip can be expected: it may be tried, and has not failed but for a file that is there again."""
        return self.may_be_tried and self.clip_failure in (None, "missing")

    @property
    def may_be_tried(self) -> bool:
        """Whether a clip is made if somebody asks: the file is there, what the clip shows is known, nothing forbids."""
        return (
            self.state == "kept"
            and self.clip_first_at_ms is not None
            and (self.clip_failure is None or self.clip_failure in TRIED_AGAIN)
        )


class OriginalStore:
    """Keeps originals under a folder and gives back exactly the bytes that were cut."""

    def __init__(self, database: Database, directory: Path, keyring: Keyring) -> None:
        self._database = database
        self.kept = KeptFiles(database, directory, keyring, ORIGINAL)

    def keep(self, original: Original) -> str:
        """Returns the original's id; it is on the disk, sealed, and named by a row, unless its holder was erased since.

        A swipe has one of each camera, the first.

        Raises: AlteredData if the bytes are not those that were cut; TransientError if the disk does not take them;
        DatabaseUnavailable if the database does not.
        """
        if hashlib.sha256(original.video).hexdigest() != original.sha256:
            raise AlteredData(f"the original of camera {original.camera_id} is not what was cut: its sha256 differs")
        original_id = film_id(original.settlement_id, original.camera_id, ORIGINAL.name)
        columns = {name: getattr(original, name) for name in Original.__struct_fields__ if name != "video"}
        self.kept.keep_unless_erased(original_id, original.video, columns)
        return original_id

    def read(self, original_id: str) -> bytes:
        """Returns the original's bytes, checked against the sha256 in its row.

        Raises: UnknownOriginal; EvidenceMissing if the file is gone; AlteredData if it is not what was kept; WrongKey.
        """
        return self.kept.read(original_id)

    def of(self, original_id: str) -> KeptOriginal:
        """Returns what is known of an original. Raises: UnknownOriginal."""
        with self._database.read() as session:
            row = session.get(OriginalRow, original_id)
            if row is None:
                raise UnknownOriginal(original_id)
            return self._kept(row)

    def for_settlement(self, settlement_id: str) -> list[KeptOriginal]:
        """Returns the originals of a swipe, in the order of their cameras' ids; those that were deleted say when."""
        query = select(OriginalRow).where(OriginalRow.settlement_id == settlement_id).order_by(OriginalRow.camera_id)
        with self._database.read() as session:
            return [self._kept(row) for row in session.scalars(query)]

    def _kept(self, row: OriginalRow) -> KeptOriginal:
        columns = {name: getattr(row, name) for name in KeptOriginal.__struct_fields__ if name != "state"}
        state = self.kept.state_of(row.original_id, row.removed_at_ms)
        return msgspec.convert({**columns, "state": state}, KeptOriginal)  # boxes come out of JSON as lists
