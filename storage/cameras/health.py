"""How cameras were: what each was when, the times in which one was an alert, and swipes that one could not see."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import func, select, update

from storage.database import Database
from storage.models import BlindSwipeRow, CameraOutageRow, CameraSpanRow


class CameraIllness(msgspec.Struct, frozen=True, kw_only=True):
    """A camera that is not well: what is wrong now, since when it was not well, and the picture that shows it."""

    camera_id: str
    state: str
    detail: str
    since_ms: int
    still_id: str | None


class CameraOutage(msgspec.Struct, frozen=True, kw_only=True):
    """A camera that is an alert: which till it stands at, and its illness."""

    institution_id: str
    till_id: str
    illness: CameraIllness


class CameraSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which a camera was in one state; `ended_at_ms` is None for what it is in now."""

    camera_id: str
    state: str
    detail: str
    since_ms: int
    ended_at_ms: int | None
    still_id: str | None


class CameraHealthRecord:
    """Safe to use from several threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ill(self) -> dict[str, CameraIllness]:
        """Returns the cameras that are not well; from one fault to another a camera stays ill since the first."""
        now = select(CameraSpanRow).where(CameraSpanRow.ended_at_ms.is_(None), CameraSpanRow.state != "ok")
        well = (
            select(CameraSpanRow.camera_id, func.max(CameraSpanRow.ended_at_ms).label("at_ms"))
            .where(CameraSpanRow.state == "ok")
            .group_by(CameraSpanRow.camera_id)
        )
        first = select(CameraSpanRow.camera_id, func.min(CameraSpanRow.since_ms).label("at_ms")).group_by(
            CameraSpanRow.camera_id
        )
        with self._database.read() as session:
            standing = session.scalars(now).all()
            if not standing:
                return {}
            since = {row.camera_id: row.at_ms for row in session.execute(first)}
            since.update({row.camera_id: row.at_ms for row in session.execute(well) if row.at_ms is not None})
        return {
            row.camera_id: CameraIllness(
                camera_id=row.camera_id,
                state=row.state,
                detail=row.detail,
                since_ms=since[row.camera_id],
                still_id=row.still_id,
            )
            for row in standing
        }

    def spans(self, camera_id: str, most: int) -> list[CameraSpan]:
        """Returns what the camera was, the newest first."""
        query = (
            select(CameraSpanRow)
            .where(CameraSpanRow.camera_id == camera_id)
            .order_by(CameraSpanRow.since_ms.desc())
            .limit(most)
        )
        with self._database.read() as session:
            return [msgspec.convert(row, CameraSpan, from_attributes=True) for row in session.scalars(query)]

    def put_outages(self, standing: Sequence[CameraOutage], now_ms: int) -> None:
        """Afterwards exactly these cameras are alerts; one that was before goes on."""
        ill = {outage.illness.camera_id for outage in standing}
        is_standing = CameraOutageRow.ended_at_ms.is_(None)
        with self._database.session() as session:
            known = set(session.scalars(select(CameraOutageRow.camera_id).where(is_standing)))
            for camera_id in sorted(known - ill):
                session.execute(
                    update(CameraOutageRow)
                    .where(CameraOutageRow.camera_id == camera_id, is_standing)
                    .values(ended_at_ms=now_ms)
                )
            session.add_all(
                CameraOutageRow(
                    camera_id=outage.illness.camera_id,
                    institution_id=outage.institution_id,
                    till_id=outage.till_id,
                    since_ms=outage.illness.since_ms,
                    noticed_at_ms=now_ms,
                )
                for outage in standing
                if outage.illness.camera_id not in known
            )

    def outages(self) -> list[CameraOutage]:
        """Returns the cameras that are alerts, the longest unwell first, with what is wrong with each now."""
        query = (
            select(CameraOutageRow)
            .where(CameraOutageRow.ended_at_ms.is_(None))
            .order_by(CameraOutageRow.since_ms, CameraOutageRow.camera_id)
        )
        with self._database.read() as session:
            rows = session.scalars(query).all()
        ill = self.ill() if rows else {}
        return [
            CameraOutage(institution_id=row.institution_id, till_id=row.till_id, illness=ill[row.camera_id])
            for row in rows
            if row.camera_id in ill
        ]

    def blind_by_institution(self, since_ms: int) -> dict[str, int]:
        """Returns how many swipes since then a camera of each institution could not see; each swipe counts once."""
        query = (
            select(BlindSwipeRow.institution_id, func.count(BlindSwipeRow.settlement_id.distinct()).label("swipes"))
            .where(BlindSwipeRow.at_ms >= since_ms)
            .group_by(BlindSwipeRow.institution_id)
        )
        with self._database.read() as session:
            return {row.institution_id: row.swipes for row in session.execute(query)}
