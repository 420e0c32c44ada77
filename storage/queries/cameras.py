"""Cameras as they are now: their state, and the newest picture of each."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import select

from storage.database import Database
from storage.models import CameraStateRow
from storage.queries.evidence import LoggedEvent, Still, events_of, newest_still, still_of


class CameraState(msgspec.Struct, frozen=True, kw_only=True):
    """How a camera is: `ok`, or the name of what is wrong."""

    camera_id: str
    state: str
    detail: str
    since_ms: int


class CameraQueries:
    """How cameras are. Safe to call from any thread; each call sees one moment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def states(self) -> dict[str, CameraState]:
        """Returns the latest known state of each camera by its id."""
        with self._database.read() as session:
            return {
                row.camera_id: CameraState(
                    camera_id=row.camera_id, state=row.state, detail=row.detail, since_ms=row.since_ms
                )
                for row in session.scalars(select(CameraStateRow))
            }

    def newest_stills(self, camera_ids: Collection[str]) -> dict[str, tuple[Still, LoggedEvent | None]]:
        """Returns the newest picture of each camera that has any, with the observation it shows."""
        with self._database.read() as session:
            rows = [row for camera_id in camera_ids if (row := newest_still(session, camera_id)) is not None]
            observed = {one.identity: one for one in events_of(session, {row.observation_id for row in rows})}
        return {row.camera_id: (still_of(row), observed.get(row.observation_id)) for row in rows}
