"""Dead letters, as their page lists them."""

from __future__ import annotations

import msgspec
from sqlalchemy import func, select

from storage.database import Database
from storage.models import DeadLetterRow


class SetAside(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter."""

    letter_id: int
    at_ms: int
    place: dict[str, object]
    stage: str
    reason: str
    detail: str
    original: bytes


class LetterQueries:
    """What was set aside. Safe to call from any thread; each call sees one moment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def dead_letters(self, limit: int, before: int | None = None) -> list[SetAside]:
        """Returns the newest dead letters first; `before` is the letter_id of the last one already shown."""
        statement = select(DeadLetterRow).order_by(DeadLetterRow.letter_id.desc()).limit(limit)
        if before is not None:
            statement = statement.where(DeadLetterRow.letter_id < before)
        with self._database.read() as session:
            return [_set_aside(row) for row in session.scalars(statement)]

    def dead_letter_count(self) -> int:
        """Returns how many dead letters there are."""
        with self._database.read() as session:
            return session.scalar(select(func.count()).select_from(DeadLetterRow)) or 0


def _set_aside(row: DeadLetterRow) -> SetAside:
    return SetAside(
        letter_id=row.letter_id,
        at_ms=row.at_ms,
        place=row.place,
        stage=row.stage,
        reason=row.reason,
        detail=row.detail,
        original=row.original,
    )
