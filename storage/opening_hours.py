"""The opening hours that institutions reported, read from the accepted log as it grows."""

from __future__ import annotations

import msgspec
from sqlalchemy import ColumnElement, literal_column, select

from alerts.dark_terminals import Hours
from storage.database import Database
from storage.models import AcceptedEvent

DEFAULT_TIME_ZONE = "Asia/Shanghai"
# Written out, for only so does SQLite know that its index of institutions holds all that is asked for.
_INSTITUTION: ColumnElement[str] = literal_column("'institution'")


class _Version(msgspec.Struct, frozen=True, kw_only=True):
    """What the log says of one institution from a moment on."""

    institution_id: str
    event_id: str
    effective_from_ms: int
    opens_at: str | None = None
    closes_at: str | None = None
    time_zone: str | None = None


class OpeningHours:
    """Not safe to share between threads: its owner asks it now and then."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read_to_seq = 0
        self._versions: dict[str, list[_Version]] = {}

    def read_on(self) -> None:
        """Afterwards all that was accepted so far is known."""
        query = (
            select(AcceptedEvent.seq, AcceptedEvent.original)
            .where(AcceptedEvent.type == _INSTITUTION, AcceptedEvent.seq > self._read_to_seq)
            .order_by(AcceptedEvent.seq)
        )
        with self._database.read() as session:
            for seq, original in session.execute(query):
                version = msgspec.json.decode(original, type=_Version)
                self._versions.setdefault(version.institution_id, []).append(version)
                self._read_to_seq = seq

    def of(self, institution_id: str, at_ms: int) -> Hours | None:
        """Returns the hours in force then, None when they are not known."""
        begun = [one for one in self._versions.get(institution_id, ()) if one.effective_from_ms <= at_ms]
        version = max(begun, key=lambda one: (one.effective_from_ms, one.event_id), default=None)
        if version is None or version.opens_at is None or version.closes_at is None:
            return None
        return Hours(
            opens_minute=_minutes(version.opens_at),
            closes_minute=_minutes(version.closes_at),
            time_zone=version.time_zone or DEFAULT_TIME_ZONE,
        )


def _minutes(hour: str) -> int:
    hours, _, minutes = hour.partition(":")
    return int(hours) * 60 + int(minutes)
