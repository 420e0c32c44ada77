"""The record of who looked at which face, read by those who watch over it."""

from __future__ import annotations

import msgspec
from sqlalchemy import select

from storage.database import Database
from storage.models import FaceViewRow


class FaceView(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody saw a picture or clip with a face: what, who, when and why.

    `note` is what who took a sealed original wrote, empty for everything else.
    """

    view_id: int
    still_id: str
    username: str
    at_ms: int
    reason: str
    note: str


class FaceViews:
    """The record in one database; `Accounts.record_face_view` writes it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def has_seen(self, still_id: str, username: str, reason: str, since_ms: int) -> bool:
        """Returns whether it is on record already that this person saw this since then, for this reason."""
        query = select(FaceViewRow.view_id).where(
            FaceViewRow.username == username,
            FaceViewRow.still_id == still_id,
            FaceViewRow.reason == reason,
            FaceViewRow.at_ms >= since_ms,
        )
        with self._database.read() as session:
            return session.scalar(query.limit(1)) is not None

    def latest(self, limit: int, before: int | None = None, username: str = "") -> list[FaceView]:
        """Returns views, the newest first: those before a view's id where one is given, one person's where named."""
        rows = select(FaceViewRow).order_by(FaceViewRow.view_id.desc()).limit(limit)
        if before is not None:
            rows = rows.where(FaceViewRow.view_id < before)
        if username:
            rows = rows.where(FaceViewRow.username == username)
        with self._database.read() as session:
            return [
                FaceView(
                    view_id=row.view_id,
                    still_id=row.still_id,
                    username=row.username,
                    at_ms=row.at_ms,
                    reason=row.reason,
                    note=row.note or "",
                )
                for row in session.scalars(rows)
            ]
