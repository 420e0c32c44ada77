"""When terminals were last heard of, and the times in which one was dark."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from alerts.dark_terminals import DarkReason
from storage.database import Database
from storage.models import AlertRow, NoticeRow, TerminalContactRow, TerminalOutageRow
from storage.upsert import upsert


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal that is dark: not heard of since then, and why that concerns the centre."""

    terminal: str
    institution_id: str
    till_id: str | None
    reason: DarkReason
    since_ms: int


class TerminalContacts:
    """Hears terminals in memory, so that hearing costs nothing, and keeps it when told to. Safe from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._heard: dict[str, int] = {}

    def heard(self, terminal: str, at_ms: int) -> None:
        """The terminal has shown that it is there."""
        with self._lock:
            self._heard[terminal] = max(at_ms, self._heard.get(terminal, 0))

    def keep(self) -> None:
        """What was heard is in the database, where every process that serves terminals adds its own.

        Raises: DatabaseUnavailable; what was heard is kept with the next call then.
        """
        with self._lock:
            heard = dict(self._heard)
        if not heard:
            return
        with self._database.session() as session:
            names = sorted(heard)
            known = _kept(session)
            rows = [{"terminal": name, "heard_at_ms": max(heard[name], known.get(name, 0))} for name in names]
            upsert(session, TerminalContactRow, rows, "terminal")
        with self._lock:
            self._heard = {name: at_ms for name, at_ms in self._heard.items() if at_ms > heard.get(name, 0)}

    def last_heard(self) -> dict[str, int]:
        """Returns when each terminal was last heard of, as far as it was kept."""
        with self._database.read() as session:
            return _kept(session)


class TerminalOutages:
    """Safe to use from several threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def standing(self) -> list[Outage]:
        """Returns the terminals that are dark, the longest silent first."""
        query = (
            select(TerminalOutageRow)
            .where(TerminalOutageRow.ended_at_ms.is_(None))
            .order_by(TerminalOutageRow.since_ms, TerminalOutageRow.terminal)
        )
        with self._database.read() as session:
            return [_outage(row) for row in session.scalars(query)]

    def put(self, standing: Sequence[Outage], now_ms: int) -> None:
        """Afterwards exactly these terminals are dark; one that was before goes on, with the reason it began with."""
        names = {outage.terminal for outage in standing}
        with self._database.session() as session:
            is_standing = TerminalOutageRow.ended_at_ms.is_(None)
            known = set(session.scalars(select(TerminalOutageRow.terminal).where(is_standing)))
            for name in known - names:
                session.execute(
                    update(TerminalOutageRow)
                    .where(TerminalOutageRow.terminal == name, is_standing)
                    .values(ended_at_ms=now_ms)
                )
            session.add_all(
                TerminalOutageRow(
                    terminal=outage.terminal,
                    institution_id=outage.institution_id,
                    till_id=outage.till_id,
                    reason=outage.reason,
                    since_ms=outage.since_ms,
                    noticed_at_ms=now_ms,
                )
                for outage in standing
                if outage.terminal not in known
            )

    def unshown(self) -> Mapping[tuple[str, str], int]:
        """Returns by institution and till when the oldest reminder was written that no terminal has shown."""
        query = (
            select(NoticeRow.institution_id, NoticeRow.till_id, func.min(NoticeRow.created_at_ms))
            .join(AlertRow, AlertRow.alert_id == NoticeRow.alert_id)
            .where(AlertRow.state.in_(("open", "delivered")), NoticeRow.kind != "withdrawn")
            .group_by(NoticeRow.institution_id, NoticeRow.till_id)
        )
        with self._database.read() as session:
            return {(institution, till): at_ms for institution, till, at_ms in session.execute(query)}


def _kept(session: Session) -> dict[str, int]:
    rows = session.execute(select(TerminalContactRow.terminal, TerminalContactRow.heard_at_ms))
    return {row.terminal: row.heard_at_ms for row in rows}


def _outage(row: TerminalOutageRow) -> Outage:
    return Outage(
        terminal=row.terminal,
        institution_id=row.institution_id,
        till_id=row.till_id,
        reason=msgspec.convert(row.reason, DarkReason),
        since_ms=row.since_ms,
    )
