"""The last picture that somebody took through each camera to see whether it works; sealed like all pictures."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import select

from storage.database import Database
from storage.errors import UnknownStill
from storage.models import CameraPictureRow
from storage.sealing.crypto import Keyring
from storage.upsert import upsert


class CameraFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about a camera when its picture was taken; `frames_per_s` is None where it does not say."""

    at_ms: int
    width_px: int
    height_px: int
    codec: str
    frames_per_s: float | None


class CameraPictures:
    """One picture a camera, every face in it already unrecognisable; safe to use from several threads."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database, self._keyring = database, keyring

    def keep(self, camera_id: str, jpeg: bytes, facts: CameraFacts) -> None:
        """The picture takes the place of the one before."""
        row: dict[str, object] = {
            "camera_id": camera_id,
            "sealed": self._keyring.seal(jpeg, picture_context(camera_id)),
            **msgspec.structs.asdict(facts),
        }
        with self._database.session() as session:
            upsert(session, CameraPictureRow, [row], "camera_id")

    def facts(self, camera_ids: Collection[str]) -> dict[str, CameraFacts]:
        """Returns when each picture was taken, and of what, for the cameras that have one."""
        columns = [getattr(CameraPictureRow, name) for name in CameraFacts.__struct_fields__]
        wanted = select(CameraPictureRow.camera_id, *columns).where(CameraPictureRow.camera_id.in_(camera_ids))
        with self._database.read() as session:
            return {
                row.camera_id: msgspec.convert(row, CameraFacts, from_attributes=True)
                for row in session.execute(wanted)
            }

    def read(self, camera_id: str) -> bytes:
        """Returns the JPEG. Raises: UnknownStill when there is none; AlteredData; WrongKey."""
        with self._database.read() as session:
            row = session.get(CameraPictureRow, camera_id)
        if row is None:
            raise UnknownStill(f"no picture was taken through camera {camera_id}")
        return self._keyring.unseal(row.sealed, picture_context(camera_id))


def picture_context(camera_id: str) -> str:
    """Returns what a camera's sealed picture is bound to."""
    return f"camera picture {camera_id}"
