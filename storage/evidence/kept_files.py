"""Sealed files that rows name: what pictures, clips and originals have in common, from keeping to deleting."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import structlog
from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.elements import KeyedColumnElement

from storage.database import Database
from storage.errors import AlteredData, EvidenceMissing
from storage.evidence.erasures import was_erased_since
from storage.log import chunks
from storage.models import Table
from storage.sealing.crypto import Keyring
from storage.sealing.files import SealedFiles
from storage.upsert import insert_new

KindName = Literal["still", "clip", "original"]
FileState = Literal["kept", "removed", "missing"]
"""Missing: a row names the file, and it is not there."""

_log = structlog.get_logger()


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of evidence: its rows, which of their columns is the file's id and which is when what it shows was.

    `unknown` is what an id that no row has raises. All kinds' rows have settlement_id, sha256, size_bytes and
    removed_at_ms.
    """

    name: KindName
    table: type[Table]
    id_column: str
    time_column: str
    unknown: type[LookupError]

    @property
    def columns(self) -> ReadOnlyColumnCollection[str, KeyedColumnElement[Any]]:
        """The columns of its rows."""
        return self.table.__table__.columns

    @property
    def file_id(self) -> ColumnElement[str]:
        """The file's id."""
        return self.columns[self.id_column]

    @property
    def shown_at_ms(self) -> ColumnElement[int]:
        """When what it shows was, till time."""
        return self.columns[self.time_column]


class KeptFiles:
    """The files of one kind under a folder: each comes back byte for byte, or it is said why not.

    The file comes before its row and goes before it: a crash leaves a file that no row names, which a later `keep`
    takes over, or a row whose file is gone, which the next sweep takes.
    """

    def __init__(self, database: Database, directory: Path, keyring: Keyring, kind: Kind) -> None:
        self.kind = kind
        self.files = SealedFiles(directory, keyring, kind.name)
        self._database = database
        self._turn = threading.Lock()

    def keep(self, file_id: str, plain: bytes, columns: Mapping[str, object]) -> None:
        """Afterwards the file is on the disk, sealed, and named by a row; one that is kept already stays as it is.

        Raises: TransientError if the disk does not take it; DatabaseUnavailable if the database does not.
        """
        with self._turn:
            if self._is_kept(file_id):
                return
            self.files.write(file_id, plain)
            own: dict[str, object] = {
                self.kind.id_column: file_id,
                "sha256": hashlib.sha256(plain).hexdigest(),
                "size_bytes": len(plain),
            }
            with self._database.session() as session:
                # The file of one that stood is gone: this one stands now.
                session.execute(delete(self.kind.table).where(self.kind.file_id == file_id))
                insert_new(session, self.kind.table, [{**columns, **own}], self.kind.id_column)

    def keep_unless_erased(self, file_id: str, plain: bytes, columns: Mapping[str, object]) -> None:
        """As `keep`, but for a swipe whose holder was erased since: nothing of it comes back, which is said.

        What was kept before the erasure, and an alert cites, stays.
        """
        if self._is_kept(file_id):
            return
        if not self._is_erased(columns):
            self.keep(file_id, plain, columns)
            if not self._is_erased(columns):  # meanwhile: whoever erased may have looked before this row stood
                return
            self.discard(file_id)
        _log.info("evidence.refused", kind=self.kind.name, reason="erased")

    def discard(self, file_id: str) -> None:
        """Afterwards there is no such file, and no row names it.

        Raises: TransientError if the disk or the database does not let it go.
        """
        self.files.remove(file_id)
        with self._database.session() as session:
            self.forget(session, [file_id], (), 0)

    def read(self, file_id: str) -> bytes:
        """Returns the plain bytes, checked against the sha256 in their row.

        Raises: the kind's LookupError; EvidenceMissing if the file is gone; AlteredData if it is not what was kept;
        WrongKey.
        """
        with self._database.read() as session:
            query = select(self.kind.columns.sha256, self.kind.columns.removed_at_ms).where(
                self.kind.file_id == file_id
            )
            row = session.execute(query).one_or_none()
        if row is None:
            raise self.kind.unknown(file_id)
        sha256, removed_at_ms = row
        if removed_at_ms is not None:
            raise EvidenceMissing(f"the {self.kind.name} {file_id} is no longer kept")
        plain = self.files.read(file_id)
        if hashlib.sha256(plain).hexdigest() != sha256:
            raise AlteredData(f"{self.kind.name} {file_id} is not what its row describes")
        return plain

    def state_of(self, file_id: str, removed_at_ms: int | None) -> FileState:
        """Returns whether a file that a row names can be read."""
        if removed_at_ms is not None:
            return "removed"
        return "kept" if self.is_there(file_id) else "missing"

    def is_there(self, file_id: str) -> bool:
        """Returns whether the file lies where it should."""
        return self.files.path_of(file_id).exists()

    def forget(self, session: Session, file_ids: Collection[str], cited: Collection[str], now_ms: int) -> None:
        """Afterwards no row names the files, which are gone; the rows of those that alerts cite say since when."""
        for some in chunks(set(file_ids) - set(cited)):
            session.execute(delete(self.kind.table).where(self.kind.file_id.in_(some)))
        for some in chunks(set(file_ids) & set(cited)):
            marked = update(self.kind.table).where(self.kind.file_id.in_(some))
            session.execute(marked.values(removed_at_ms=now_ms))

    def named(self, file_ids: Collection[str]) -> set[str]:
        """Returns those of the ids whose file a row names."""
        found: set[str] = set()
        with self._database.read() as session:
            for some in chunks(file_ids):
                query = select(self.kind.file_id).where(
                    self.kind.file_id.in_(some), self.kind.columns.removed_at_ms.is_(None)
                )
                found.update(session.scalars(query))
        return found

    def _is_kept(self, file_id: str) -> bool:
        return file_id in self.named([file_id]) and self.is_there(file_id)

    def _is_erased(self, columns: Mapping[str, object]) -> bool:
        settlement_id = columns["settlement_id"]
        with self._database.read() as session:
            return isinstance(settlement_id, str) and was_erased_since(session, settlement_id)


def film_id(*of: str) -> str:
    """Returns the id of the one film of its kind that a swipe has of a camera."""
    return hashlib.sha256(msgspec.json.encode(of)).hexdigest()[:32]
