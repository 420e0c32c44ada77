from __future__ import annotations

import msgspec

from storage.access.changes import By
from storage.cameras.calibrations import CalibrationRecord, CameraCalibrations, CameraPairs, PairTotals

BY = By("swipewatch", 1)
PAIRS = CameraPairs(
    camera_id="c-1",
    engine_version="old",
    day="2026-03-02",
    begun_at_ms=1,
    oldest_day="2026-03-01",
    people=4,
    spread=1.25,
    first=210,
    counts=(1, 2, 3),
)
VERSION = CalibrationRecord(
    camera_id="c-1",
    number=1,
    made_at_ms=1_772_400_000_000,
    batches=("2026-03-02",),
    engine_version="old",
    people=4,
    spread=1.25,
    first=210,
    counts=(1, 2, 3),
    is_in_force=True,
)
replace = msgspec.structs.replace


def test_pairs_of_the_newest_engine_version_add_up_and_the_oldest_days_go(database):
    kept = CameraCalibrations(database)
    later = replace(PAIRS, engine_version="new", begun_at_ms=2, people=7)
    for one in (PAIRS, later, replace(later, counts=(1,)), replace(later, day="2026-03-03", people=5)):
        kept.put_pairs(one)
    kept.put_pairs(replace(PAIRS, camera_id="c-2"))
    assert kept.totals(["c-1"]) == {"c-1": PairTotals(engine_version="new", pairs=12, people=7)}
    assert [one.day for one in kept.pairs_of("c-1")] == ["2026-03-02", "2026-03-02", "2026-03-03"]
    assert kept.pairs_of("c-2") == [replace(PAIRS, camera_id="c-2")]
    kept.put_pairs(replace(later, day="2027-04-07"))
    assert [one.day for one in kept.pairs_of("c-1")] == ["2026-03-03", "2027-04-07"]


def test_one_version_of_a_camera_is_in_force_and_none_comes_twice(database):
    kept = CameraCalibrations(database)
    kept.put_version(VERSION, BY)
    kept.put_version(replace(VERSION, number=2), BY)
    kept.put_version(replace(VERSION, number=2, people=9), BY)
    assert kept.versions_of("c-1") == [replace(VERSION, is_in_force=False), replace(VERSION, number=2)]
    kept.put_in_force("c-1", 1, BY)
    assert kept.in_force(["c-1", "c-2"]) == {"c-1": VERSION}
    kept.put_in_force("c-1", None, BY)
    assert kept.in_force(["c-1"]) == {}
    assert kept.camera_ids() == ["c-1"]
