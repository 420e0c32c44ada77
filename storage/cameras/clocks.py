"""How far each camera's clock is from its till's, as the swipes before it say."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import select

from storage.database import Database
from storage.models import CameraClockRow


class CameraClock(msgspec.Struct, frozen=True, kw_only=True):
    """What `swipes` swipes say must be added to a camera's clock to give the till's, ± `error_ms`, and when."""

    offset_ms: int
    error_ms: int
    swipes: int
    at_ms: int


class CameraClocks:
    """The read side; `storage.cameras.states` writes what workers report."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, camera_ids: Collection[str]) -> dict[str, CameraClock]:
        """Returns the newest estimate of each camera that has one."""
        wanted = select(CameraClockRow).where(CameraClockRow.camera_id.in_(camera_ids))
        with self._database.read() as session:
            return {
                row.camera_id: msgspec.convert(row, CameraClock, from_attributes=True)
                for row in session.scalars(wanted)
            }
