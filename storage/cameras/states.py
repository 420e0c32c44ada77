"""What state each camera is in, as its worker reported it, what it was before, and the swipes that it could not see."""

from __future__ import annotations

import msgspec
from sqlalchemy import select, update

from storage.cameras.clocks import CameraClock
from storage.database import Database
from storage.models import BlindSwipeRow, CameraClockRow, CameraSpanRow, CameraStateRow
from storage.upsert import insert_new, upsert

STATE_PICTURE = "camera-state-"
"""Begins the observation id of a picture that shows how a camera is; nobody can be recognised in such a picture."""


class BlindSwipe(msgspec.Struct, frozen=True, kw_only=True):
    """A swipe of which a camera's pictures tell nothing, and what the camera was."""

    settlement_id: str
    camera_id: str
    institution_id: str
    state: str
    at_ms: int


class CameraStates:
    """Writes what cameras report; the read sides are `storage.queries.cameras` and `storage.cameras.health`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, camera_id: str, state: str, detail: str, since_ms: int, still_id: str | None = None) -> None:
        """Afterwards the camera is known to be in this state since then; the state before ended then.

        The same report again changes nothing; a state that is said anew goes on since it began. Args: still_id is the
        picture that shows the state, if any was kept.
        """
        row: dict[str, object] = {"camera_id": camera_id, "state": state, "detail": detail, "since_ms": since_ms}
        standing = CameraSpanRow.camera_id == camera_id, CameraSpanRow.ended_at_ms.is_(None)
        with self._database.session() as session:
            told = session.get(CameraSpanRow, (camera_id, since_ms))
            if told is not None and told.state == state:
                return
            if session.scalar(select(CameraSpanRow.state).where(*standing)) == state:
                is_camera = CameraStateRow.camera_id == camera_id
                session.execute(update(CameraStateRow).where(is_camera).values(detail=detail))
                return
            upsert(session, CameraStateRow, [row], "camera_id")
            session.execute(update(CameraSpanRow).where(*standing).values(ended_at_ms=since_ms))
            session.merge(CameraSpanRow(**row, ended_at_ms=None, still_id=still_id))

    def put_clock(self, camera_id: str, clock: CameraClock) -> None:
        """Afterwards the camera's clock is known to stand so; one older than the known is dropped."""
        row: dict[str, object] = {"camera_id": camera_id, **msgspec.structs.asdict(clock)}
        with self._database.session() as session:
            known = session.get(CameraClockRow, camera_id)
            if known is None or known.at_ms < clock.at_ms:
                upsert(session, CameraClockRow, [row], "camera_id")

    def keep_blind(self, swipe: BlindSwipe) -> None:
        """Afterwards the swipe is counted as one that this camera could not see; once, however often it is kept."""
        with self._database.session() as session:
            insert_new(session, BlindSwipeRow, [msgspec.structs.asdict(swipe)], "settlement_id", "camera_id")
