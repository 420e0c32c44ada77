"""How far the accepted log has been decided, for those who wait for it from outside."""

from __future__ import annotations

import msgspec
from sqlalchemy import func, select

from storage.database import Database
from storage.models import AcceptedEvent, ProgressRow
from storage.upsert import upsert

PART = "pipeline"


class Undecided(msgspec.Struct, frozen=True, kw_only=True):
    """What is not decided yet: so many accepted events, and what waits until a time (UTC ms) has passed."""

    events: int
    waiting_until_ms: int | None


class Progress:
    """Written by the pipeline after each turn that changed it, read by anybody."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._written: tuple[int, int | None] | None = None

    def put(self, applied_seq: int, waiting_until_ms: int | None) -> None:
        """Afterwards the log is known to be decided up to `applied_seq`, save what waits."""
        if self._written == (applied_seq, waiting_until_ms):
            return
        row: dict[str, object] = {"part": PART, "applied_seq": applied_seq, "waiting_until_ms": waiting_until_ms}
        with self._database.session() as session:
            upsert(session, ProgressRow, [row], "part")
        self._written = (applied_seq, waiting_until_ms)

    def undecided(self) -> Undecided | None:
        """Returns what is not decided yet, or None when everything that was accepted is."""
        with self._database.read() as session:
            row = session.get(ProgressRow, PART)
            applied_seq = 0 if row is None else row.applied_seq
            waiting_until_ms = None if row is None else row.waiting_until_ms
            query = select(func.count()).select_from(AcceptedEvent).where(AcceptedEvent.seq > applied_seq)
            events = session.scalar(query) or 0
        if events == 0 and waiting_until_ms is None:
            return None
        return Undecided(events=events, waiting_until_ms=waiting_until_ms)
