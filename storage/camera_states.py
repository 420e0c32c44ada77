"""The latest state of each camera, as its worker reported it."""

from __future__ import annotations

from storage.database import Database
from storage.models import CameraStateRow
from storage.upsert import upsert


class CameraStates:
    """Writes what cameras report; the read side is `storage.queries`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, camera_id: str, state: str, detail: str, since_ms: int) -> None:
        """Afterwards the camera is known to be in this state since then."""
        row: dict[str, object] = {"camera_id": camera_id, "state": state, "detail": detail, "since_ms": since_ms}
        with self._database.session() as session:
            upsert(session, CameraStateRow, [row], "camera_id")
