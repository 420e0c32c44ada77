"""How alike the holders are whom each camera recognised, and the versions of its calibration made of that."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

import msgspec
from sqlalchemy import Update, delete, func, select, update

from storage.access.changes import By, note_change
from storage.database import Database
from storage.models import CameraCalibrationRow, CameraPairsRow

KEPT_DAYS = 400
"""Pairs of a day are kept so long; the versions made of them stay."""


class CameraPairs(msgspec.Struct, frozen=True, kw_only=True):
    """A day's pairs of one camera and one memory of a worker; `counts` are steps of similarity from `first` on."""

    camera_id: str
    engine_version: str
    day: str
    begun_at_ms: int
    oldest_day: str
    people: int
    spread: float
    first: int
    counts: tuple[int, ...]


class PairTotals(msgspec.Struct, frozen=True, kw_only=True):
    """How many pairs a camera has of its newest engine version, and the most people that one day's are made of."""

    engine_version: str
    pairs: int
    people: int


class CalibrationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a camera's calibration as it is kept; `batches` are the days that it is made of."""

    camera_id: str
    number: int
    made_at_ms: int
    batches: tuple[str, ...]
    engine_version: str
    people: int
    spread: float
    first: int
    counts: tuple[int, ...]
    is_in_force: bool


class CameraCalibrations:
    """Keeps counts and versions; what they mean is for others to say. Safe to use from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put_pairs(self, pairs: CameraPairs) -> None:
        """Afterwards the day's pairs are at least these; those of the camera that are too old are gone."""
        key = (pairs.camera_id, pairs.engine_version, pairs.day, pairs.begun_at_ms)
        oldest = (date.fromisoformat(pairs.day) - timedelta(days=KEPT_DAYS)).isoformat()
        count = sum(pairs.counts)
        with self._database.session() as session:
            known = session.get(CameraPairsRow, key)
            if known is None or known.pairs < count:
                told = msgspec.structs.asdict(pairs) | {"counts": list(pairs.counts)}
                session.merge(CameraPairsRow(**told, pairs=count))
            is_old = CameraPairsRow.camera_id == pairs.camera_id, CameraPairsRow.day < oldest
            session.execute(delete(CameraPairsRow).where(*is_old))

    def totals(self, camera_ids: Collection[str]) -> dict[str, PairTotals]:
        """Returns what each camera has gathered; those without any pair are not named."""
        row = CameraPairsRow
        newest = func.max(row.begun_at_ms)
        wanted = (
            select(row.camera_id, row.engine_version, func.sum(row.pairs), func.max(row.people))
            .where(row.camera_id.in_(camera_ids))
            .group_by(row.camera_id, row.engine_version)
            .order_by(newest)
        )
        with self._database.read() as session:
            return {
                camera_id: PairTotals(engine_version=version, pairs=int(pairs), people=people)
                for camera_id, version, pairs, people in session.execute(wanted)
            }

    def pairs_of(self, camera_id: str) -> list[CameraPairs]:
        """Returns all pairs of a camera, those last whose worker began last."""
        row = CameraPairsRow
        wanted = select(row).where(row.camera_id == camera_id).order_by(row.begun_at_ms, row.day)
        with self._database.read() as session:
            return [msgspec.convert(row, CameraPairs, from_attributes=True) for row in session.scalars(wanted)]

    def camera_ids(self) -> list[str]:
        """Returns every camera that has pairs or versions."""
        with self._database.read() as session:
            gathered = session.scalars(select(CameraPairsRow.camera_id).distinct()).all()
            made = session.scalars(select(CameraCalibrationRow.camera_id).distinct()).all()
        return sorted({*gathered, *made})

    def versions_of(self, camera_id: str) -> list[CalibrationRecord]:
        """Returns every version of a camera's calibration, by number."""
        row = CameraCalibrationRow
        with self._database.read() as session:
            found = session.scalars(select(row).where(row.camera_id == camera_id).order_by(row.number))
            return [msgspec.convert(one, CalibrationRecord, from_attributes=True) for one in found]

    def in_force(self, camera_ids: Collection[str]) -> dict[str, CalibrationRecord]:
        """Returns the version in force of each camera that has one."""
        row = CameraCalibrationRow
        wanted = select(row).where(row.camera_id.in_(camera_ids), row.is_in_force)
        with self._database.read() as session:
            found = [msgspec.convert(one, CalibrationRecord, from_attributes=True) for one in session.scalars(wanted)]
        return {one.camera_id: one for one in found}

    def put_version(self, made: CalibrationRecord, by: By) -> None:
        """Afterwards the version is kept and no other of the camera is in force; the change is on record, once."""
        told = msgspec.structs.asdict(made) | {"batches": list(made.batches), "counts": list(made.counts)}
        with self._database.session() as session:
            if session.get(CameraCalibrationRow, (made.camera_id, made.number)) is not None:
                return  # another process has just made it
            session.execute(_none_in_force(made.camera_id))
            session.add(CameraCalibrationRow(**told))
            note_change(session, by, "camera", "calibrated", made.camera_id, str(made.number))

    def put_in_force(self, camera_id: str, number: int | None, by: By) -> None:
        """Afterwards that version counts, or with None no version; the change is on record."""
        row = CameraCalibrationRow
        with self._database.session() as session:
            session.execute(_none_in_force(camera_id))
            chosen = row.camera_id == camera_id, row.number == number
            session.execute(update(row).where(*chosen).values(is_in_force=True))
            told = "" if number is None else str(number)
            note_change(session, by, "camera", "calibration_rolled_back", camera_id, told)


def _none_in_force(camera_id: str) -> Update:
    return update(CameraCalibrationRow).where(CameraCalibrationRow.camera_id == camera_id).values(is_in_force=False)
