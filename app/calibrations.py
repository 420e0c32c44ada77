"""What a similarity is worth at each camera: the general calibration, and the camera's own as it grows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime

import msgspec

from app.clock import now_ms
from storage.access.changes import MACHINE, By
from storage.cameras.calibrations import CalibrationRecord, CameraCalibrations, CameraPairs
from storage.database import Database
from video.calibration import (
    Calibration,
    FalseMatch,
    false_match,
    merge_calibrations,
    no_counts,
    trim_counts,
    untrimmed_counts,
)
from video.calibration_file import general_calibration
from video.calibration_history import CalibrationHistory, CalibrationVersion
from video.messages import PairsCounted
from web.ports import CalibrationStanding

GROWN = 2
"""A camera's calibration is made anew by itself once its pairs are so many times those of the version in force."""


class Calibrations:
    """Keeps what cameras count, makes their calibrations of it, and says what a similarity is worth.

    A calibration is made by itself as soon as the pairs are enough, and again each time they have doubled. Whoever
    rolls one back stops that, until somebody makes it anew; days that were left out stay left out.
    """

    def __init__(self, database: Database, clock_ms: Callable[[], int] = now_ms) -> None:
        self._kept, self._clock_ms = CameraCalibrations(database), clock_ms

    def count(self, pairs: PairsCounted) -> None:
        """Afterwards the pairs are kept, and the camera's calibration is made of them if it is time."""
        self._kept.put_pairs(CameraPairs(**msgspec.structs.asdict(pairs)))
        history = self.history(pairs.camera_id)
        if history.versions and history.current != history.versions[-1]:
            return
        total = self._kept.totals([pairs.camera_id]).get(pairs.camera_id)
        if total is None:
            return
        before = history.current
        if before is not None and before.calibration.engine_version != total.engine_version:
            before = None
        least = 0 if before is None else GROWN * before.calibration.pairs
        if total.pairs < least:
            return
        batches = self._batches(pairs.camera_id)
        if before is not None:
            batches = _still_wanted(batches, before)
        merged = merge_calibrations(list(batches.values())) if batches else None
        if merged is not None and merged.is_enough and merged.pairs >= least:
            self._make(pairs.camera_id, history, batches)

    def false_match(
        self, camera_id: str | None, engine: str, engine_version: str, similarity: float
    ) -> FalseMatch | None:
        """Returns what a similarity is worth, at a camera or (None) anywhere; None without a general calibration."""
        general = general_calibration(engine, engine_version)
        if general is None:
            return None
        own = None if camera_id is None else self._kept.in_force([camera_id]).get(camera_id)
        return false_match(similarity, general, None if own is None else _calibration_of(own))

    def standing(self, camera_ids: Collection[str]) -> dict[str, CalibrationStanding]:
        """Returns how it stands with each of these cameras."""
        totals, in_force = self._kept.totals(camera_ids), self._kept.in_force(camera_ids)
        standing = {}
        for camera_id in camera_ids:
            total, own = totals.get(camera_id), in_force.get(camera_id)
            counts = own is not None and _calibration_of(own).is_enough
            standing[camera_id] = CalibrationStanding(
                gathered_pairs=0 if total is None else total.pairs,
                gathered_people=0 if total is None else total.people,
                pairs=sum(own.counts) if own is not None and counts else 0,
                people=own.people if own is not None and counts else 0,
                since_ms=own.made_at_ms if own is not None and counts else None,
            )
        return standing

    def camera_ids(self) -> list[str]:
        """Returns every camera that has counted pairs, or had a calibration of its own."""
        return self._kept.camera_ids()

    def history(self, camera_id: str) -> CalibrationHistory:
        """Returns the versions of a camera's calibration."""
        records = self._kept.versions_of(camera_id)
        return CalibrationHistory(
            versions=tuple(
                CalibrationVersion(
                    number=one.number,
                    made_at_ms=one.made_at_ms,
                    batches=one.batches,
                    calibration=_calibration_of(one),
                )
                for one in records
            ),
            current_number=next((one.number for one in records if one.is_in_force), None),
        )

    def rebuild(self, camera_id: str, without: Collection[str] = ()) -> CalibrationVersion:
        """Returns a new version, which is in force, of all days but those on which somebody of a left-out day counts.

        Raises: ValueError where no day is left.
        """
        return self._make(camera_id, self.history(camera_id), self._batches(camera_id, without))

    def roll_back(self, camera_id: str, number: int | None) -> None:
        """Afterwards an earlier version is in force, or (None) the general calibration, until somebody rebuilds.

        Raises: ValueError for a version that there is not.
        """
        self.history(camera_id).rolled_back(number)
        self._kept.put_in_force(camera_id, number, By(MACHINE, self._clock_ms()))

    def _make(
        self, camera_id: str, history: CalibrationHistory, batches: Mapping[str, Calibration]
    ) -> CalibrationVersion:
        if not batches:
            raise ValueError(f"no pairs of {camera_id}")
        made = history.rebuilt(batches, self._clock_ms()).versions[-1]
        first, counts = trim_counts(made.calibration.strangers)
        record = CalibrationRecord(
            camera_id=camera_id,
            number=made.number,
            made_at_ms=made.made_at_ms,
            batches=made.batches,
            engine_version=made.calibration.engine_version,
            people=made.calibration.people,
            spread=made.calibration.spread,
            first=first,
            counts=counts,
            is_in_force=True,
        )
        self._kept.put_version(record, By(MACHINE, made.made_at_ms))
        return made

    def _batches(self, camera_id: str, without: Collection[str] = ()) -> dict[str, Calibration]:
        """Returns the newest engine version's pairs by day, but those with somebody who was seen on a left-out day."""
        kept = self._kept.pairs_of(camera_id)
        by_day: dict[str, list[CameraPairs]] = defaultdict(list)
        for one in kept:
            if one.engine_version == kept[-1].engine_version:
                by_day[one.day].append(one)
        return {
            day: merge_calibrations([_calibration_of(one) for one in some])
            for day, some in by_day.items()
            if not any(one.oldest_day <= left_out <= day for one in some for left_out in without)
        }


def _still_wanted(batches: Mapping[str, Calibration], current: CalibrationVersion) -> dict[str, Calibration]:
    """Returns the days of the version in force and those that came after it was made."""
    made_on = datetime.fromtimestamp(current.made_at_ms / 1000, UTC).date().isoformat()
    return {day: one for day, one in batches.items() if day in current.batches or day > made_on}


def _calibration_of(kept: CameraPairs | CalibrationRecord) -> Calibration:
    return Calibration(
        engine_version=kept.engine_version,
        strangers=untrimmed_counts(kept.first, kept.counts),
        own=no_counts(),
        people=kept.people,
        spread=kept.spread,
    )
