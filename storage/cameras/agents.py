"""When stores' camera agents were last heard of, what they said of themselves, and which of them are silent."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import msgspec
from sqlalchemy import select, update

from storage.database import Database
from storage.models import CameraAgentRow
from storage.upsert import upsert


class AgentReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent says of itself.

    Fields:
        version: of its program.
        cameras: how many it looks through.
        waiting: messages that the centre does not have yet, with their size in bytes.
        oldest_at_ms: when the oldest of those was written; null without any.
        dropped: messages that will never come, by kind, since the agent's data folder was made: there was no room for
            them, or the centre refused them.
    """

    version: str
    cameras: int
    waiting: int
    waiting_bytes: int
    oldest_at_ms: int | None = None
    dropped: dict[str, int] = {}

    @property
    def dropped_count(self) -> int:
        """How many messages will never come."""
        return sum(self.dropped.values())


class AgentContact(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that was heard of; `silent_since_ms` is when it had been missed for too long, null while it is there."""

    agent: str
    heard_at_ms: int
    report: AgentReport
    silent_since_ms: int | None


class AgentContacts:
    """Hears agents in memory, so that hearing costs nothing, and keeps it when told to. Safe from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._heard: dict[str, tuple[int, AgentReport]] = {}

    def heard(self, agent: str, report: AgentReport, at_ms: int) -> None:
        """The agent has said how it is."""
        with self._lock:
            self._heard[agent] = (at_ms, report)

    def keep(self) -> None:
        """What was heard is in the database, where every process that serves agents adds its own.

        Raises: DatabaseUnavailable; what was heard is kept with the next call then.
        """
        with self._lock:
            heard, self._heard = self._heard, {}
        if not heard:
            return
        rows: list[dict[str, object]] = [
            {"agent": agent, "heard_at_ms": at_ms, "report": msgspec.to_builtins(report)}
            for agent, (at_ms, report) in sorted(heard.items())
        ]
        try:
            with self._database.session() as session:
                upsert(session, CameraAgentRow, rows, "agent")
        except BaseException:
            with self._lock:
                self._heard = heard | self._heard
            raise

    def mark(self, agent: str, silent_since_ms: int | None) -> None:
        """The agent is on record as silent since then, or as there again."""
        with self._database.session() as session:
            session.execute(
                update(CameraAgentRow).where(CameraAgentRow.agent == agent).values(silent_since_ms=silent_since_ms)
            )

    def known(self) -> Mapping[str, AgentContact]:
        """Returns every agent that was ever heard of, as far as it was kept, by its name."""
        with self._database.read() as session:
            return {row.agent: _contact(row) for row in session.scalars(select(CameraAgentRow))}


def _contact(row: CameraAgentRow) -> AgentContact:
    return AgentContact(
        agent=row.agent,
        heard_at_ms=row.heard_at_ms,
        report=msgspec.convert(row.report, AgentReport),
        silent_since_ms=row.silent_since_ms,
    )
