"""What was deleted of the evidence: when, why, how much; the record that the centre reads."""

from __future__ import annotations

from typing import Literal

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.database import Database
from storage.evidence.kept_files import KindName
from storage.models import EvidenceRemovalRow

Reason = Literal["time_up", "disk_full", "unnamed", "erased"]
"""Its time was up; the disk was nearly full; no row named the file; its swipe's holder was erased."""


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """Files of one kind that one sweep deleted; `oldest_ms` and `newest_ms` are when what they showed was.

    `size_bytes` is of the plain bytes, of files that no row named of the sealed ones.
    """

    at_ms: int
    kind: KindName
    reason: Reason
    file_count: int
    size_bytes: int
    oldest_ms: int | None
    newest_ms: int | None


class Removals:
    """Reads the record."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def latest(self, sweeps: int, before_ms: int | None = None) -> list[Removal]:
        """Returns what the newest sweeps deleted, the newest first: of those before a moment where one is given."""
        times = select(EvidenceRemovalRow.at_ms).distinct().order_by(EvidenceRemovalRow.at_ms.desc()).limit(sweeps)
        if before_ms is not None:
            times = times.where(EvidenceRemovalRow.at_ms < before_ms)
        rows = select(EvidenceRemovalRow).where(EvidenceRemovalRow.at_ms.in_(times))
        in_order = (EvidenceRemovalRow.at_ms.desc(), EvidenceRemovalRow.kind, EvidenceRemovalRow.reason)
        with self._database.read() as session:
            return [_removal(row) for row in session.scalars(rows.order_by(*in_order))]

    def of(self, at_ms: int) -> list[Removal]:
        """Returns what the sweep of that moment deleted."""
        rows = select(EvidenceRemovalRow).where(EvidenceRemovalRow.at_ms == at_ms)
        with self._database.read() as session:
            return [
                _removal(row)
                for row in session.scalars(rows.order_by(EvidenceRemovalRow.kind, EvidenceRemovalRow.reason))
            ]

    def since(self, at_ms: int, reason: Reason) -> list[Removal]:
        """Returns what was deleted since then for this reason, the oldest first."""
        rows = select(EvidenceRemovalRow).where(EvidenceRemovalRow.at_ms >= at_ms, EvidenceRemovalRow.reason == reason)
        with self._database.read() as session:
            return [_removal(row) for row in session.scalars(rows.order_by(EvidenceRemovalRow.at_ms))]


def note_removal(session: Session, some: Removal) -> None:
    """Afterwards the files are on record, added to what the same sweep has deleted before."""
    key = {"at_ms": some.at_ms, "kind": some.kind, "reason": some.reason}
    row = session.get(EvidenceRemovalRow, key)
    if row is None:
        session.add(EvidenceRemovalRow(**msgspec.structs.asdict(some)))
        return
    row.file_count += some.file_count
    row.size_bytes += some.size_bytes
    row.oldest_ms = min((one for one in (row.oldest_ms, some.oldest_ms) if one is not None), default=None)
    row.newest_ms = max((one for one in (row.newest_ms, some.newest_ms) if one is not None), default=None)


def _removal(row: EvidenceRemovalRow) -> Removal:
    return msgspec.convert({name: getattr(row, name) for name in Removal.__struct_fields__}, Removal)
