"""Sealed columns of the database: which there are, and how they come under another key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from sqlalchemy import func, literal, select, update

from storage.cameras.pictures import picture_context
from storage.cameras.registry import source_context
from storage.database import Database
from storage.faces.references import reference_context
from storage.models import (
    CameraPictureRow,
    ClipRow,
    OriginalRow,
    ReferenceFaceRow,
    RegisteredCameraRow,
    StillRow,
    Table,
)
from storage.sealing.crypto import Keyring


class SealedColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column that holds sealed bytes; `context` says of a row what they are bound to."""

    name: str
    table: type[Table]
    id_column: str
    sealed_column: str
    context: Callable[[Any], str]


SEALED_COLUMNS = (
    SealedColumn(
        name="reference",
        table=ReferenceFaceRow,
        id_column="reference_id",
        sealed_column="embedding",
        context=lambda row: reference_context(row.reference_id, row.person_id, row.engine, row.engine_version),
    ),
    SealedColumn(
        name="camera source",
        table=RegisteredCameraRow,
        id_column="camera_id",
        sealed_column="sealed_source",
        context=lambda row: source_context(row.camera_id),
    ),
    SealedColumn(
        name="camera picture",
        table=CameraPictureRow,
        id_column="camera_id",
        sealed_column="sealed",
        context=lambda row: picture_context(row.camera_id),
    ),
)


class SealedRows:
    """The rows of one sealed column."""

    def __init__(self, database: Database, keyring: Keyring, column: SealedColumn) -> None:
        self._database, self._keyring, self.column = database, keyring, column
        self._id = column.table.__table__.columns[column.id_column]
        self._sealed = column.table.__table__.columns[column.sealed_column]

    def count(self) -> int:
        """Returns how many rows have something sealed."""
        with self._database.read() as session:
            return session.scalar(select(func.count()).where(self._sealed.is_not(None))) or 0

    def ids(self) -> Iterator[str]:
        """Yields the ids of rows that have something sealed."""
        with self._database.read() as session:
            yield from list(session.scalars(select(self._id).where(self._sealed.is_not(None)).order_by(self._id)))

    def reseal(self, row_id: str) -> bool:
        """Returns whether the row was sealed under an earlier key; now it is under the one in force, or it is gone.

        A row that somebody writes meanwhile is left to them.

        Raises: AlteredData, WrongKey: it does not open and stays as it is; DatabaseUnavailable.
        """
        with self._database.session() as session:
            row = session.scalar(select(self.column.table).where(self._id == row_id))
            sealed = None if row is None else getattr(row, self.column.sealed_column)
            if sealed is None or self._keyring.is_current(sealed):
                return False
            context = self.column.context(row)
            anew = self._keyring.seal(self._keyring.unseal(sealed, context), context)
            written = update(self.column.table).where(self._id == row_id, self._sealed == sealed)
            session.execute(written.values({self.column.sealed_column: anew}))
            return True


def has_sealed_data(database: Database) -> bool:
    """Returns whether the database holds or names anything that only its key can open."""
    sealed = [column.table.__table__.columns[column.sealed_column].is_not(None) for column in SEALED_COLUMNS]
    queries = [select(literal(1)).where(one).limit(1) for one in sealed]
    queries += [select(literal(1)).select_from(table).limit(1) for table in (StillRow, ClipRow, OriginalRow)]
    with database.read() as session:
        return any(session.scalar(query) is not None for query in queries)
