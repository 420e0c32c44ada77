"""Where institutions lie, as they reported it, read from the accepted log as it grows."""

from __future__ import annotations

import threading

import msgspec
from sqlalchemy import ColumnElement, literal_column, select

from storage.database import Database
from storage.models import AcceptedEvent

# Written out, for only so does SQLite know that its index of institutions holds all that is asked for.
_INSTITUTION: ColumnElement[str] = literal_column("'institution'")


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What the log says of an institution from a moment on; without a position it is on no map."""

    institution_id: str
    event_id: str
    effective_from_ms: int
    kind: str
    name: str
    latitude: float | None = None
    longitude: float | None = None


class InstitutionPlaces:
    """Safe to use from several threads; each event is read once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._read_to_seq = 0
        self._versions: dict[str, list[Place]] = {}

    def now(self, now_ms: int) -> list[Place]:
        """Returns the institutions that have a position in force now, by their ids."""
        with self._lock:
            self._read_on()
            in_force = [
                max(begun, key=lambda one: (one.effective_from_ms, one.event_id))
                for _, versions in sorted(self._versions.items())
                if (begun := [one for one in versions if one.effective_from_ms <= now_ms])
            ]
        return [one for one in in_force if one.latitude is not None and one.longitude is not None]

    def _read_on(self) -> None:
        query = (
            select(AcceptedEvent.seq, AcceptedEvent.original)
            .where(AcceptedEvent.type == _INSTITUTION, AcceptedEvent.seq > self._read_to_seq)
            .order_by(AcceptedEvent.seq)
        )
        with self._database.read() as session:
            for seq, original in session.execute(query):
                version = msgspec.json.decode(original, type=Place)
                self._versions.setdefault(version.institution_id, []).append(version)
                self._read_to_seq = seq
