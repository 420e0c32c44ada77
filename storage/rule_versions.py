"""The versions of the rules that the product has had: a list that only grows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec
from sqlalchemy import func, select

from storage.database import Database
from storage.models import RuleVersionRow

Origin = Literal["shipped", "file", "command"]


class StoredVersion(msgspec.Struct, frozen=True, kw_only=True):
    """Rules as they were put into force.

    Fields:
        number: counts from 1 in order of storing; 0 before it is stored.
        version: the hash of what they say.
        content: what was written.
        origin: the rules that ship, the file that the product was started with, or a command.
    """

    number: int = 0
    version: str
    effective_from_ms: int
    content: str
    origin: Origin
    stored_at_ms: int
    stored_by: str
    note: str = ""


class RuleVersions:
    """Safe to use from several threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, versions: Iterable[StoredVersion]) -> None:
        """Afterwards the versions are stored, in this order; all of them or none."""
        with self._database.session() as session:
            for one in versions:
                columns = msgspec.structs.asdict(one)
                del columns["number"]
                session.add(RuleVersionRow(**columns))
                session.flush()

    def latest_number(self) -> int:
        """Returns the number of the version that was stored last, or 0."""
        with self._database.read() as session:
            return session.scalar(select(func.max(RuleVersionRow.number))) or 0

    def stored(self) -> list[StoredVersion]:
        """Returns every version in the order in which they were stored."""
        with self._database.read() as session:
            rows = session.scalars(select(RuleVersionRow).order_by(RuleVersionRow.number))
            return [msgspec.convert(row, StoredVersion, from_attributes=True) for row in rows]


def timeline(stored: Iterable[StoredVersion]) -> list[StoredVersion]:
    """Returns the versions that are, were or will be in force, by time.

    What is stored later holds from its time on: an earlier stored version that would begin then or after never comes.
    """
    kept: list[StoredVersion] = []
    for one in stored:
        kept = [before for before in kept if before.effective_from_ms < one.effective_from_ms]
        kept.append(one)
    return kept
