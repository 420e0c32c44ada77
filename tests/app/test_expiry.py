"""The job that deletes evidence: when it is due, by how much, and what it says of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.expiry import EXPIRE_EVERY_MS, Expiry, keeping_times
from config.settings import load_settings
from storage.database import Database, default_url
from storage.evidence.removals import Removals
from tests.alerts.builders import NOON_MS
from tests.storage.shown import CLIP_BYTES, DAY_MS, ORIGINAL_BYTES, STILL_BYTES, Shown
from web.measurements import Measurements
from web.ports import FreeSpace

SWIPE_BYTES = STILL_BYTES + CLIP_BYTES + ORIGINAL_BYTES


@pytest.fixture
def shown(tmp_path):
    database = Database.open(default_url(tmp_path / "data"))
    yield Shown(database, tmp_path / "data")
    database.close()


class Disk:
    """A disk of a size, on which there is nothing but the sealed files."""

    def __init__(self, directory: Path, size_bytes: int, least_bytes: int) -> None:
        self._directory, self._size_bytes, self._least_bytes = directory, size_bytes, least_bytes

    def space(self) -> FreeSpace:
        used_bytes = sum(path.stat().st_size for path in self._directory.rglob("*.enc"))
        return FreeSpace(free_bytes=self._size_bytes - used_bytes, least_bytes=self._least_bytes)


def expiry(shown: Shown, disk: Disk, measurements: Measurements, now_ms: list[int], *, is_mine: bool = True) -> Expiry:
    settings = load_settings(environment={}).settings.evidence
    return Expiry(
        shown.database,
        shown.kept,
        measurements,
        times=keeping_times(settings),
        space=disk.space,
        clock_ms=lambda: now_ms[0],
        is_mine=lambda: is_mine,
    )


def counted(measurements: Measurements) -> dict[str, float]:
    lines = measurements.exposition().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if "evidence" in line[:22]}


def test_by_default_pictures_stay_30_days_and_films_7_and_what_went_is_logged_counted_and_on_record(shown, tmp_path):
    for days in (6, 8, 31):
        shown.swipe(f"S-{days}", NOON_MS - days * DAY_MS)
    measurements = Measurements()
    with capture_logs() as logs:
        expiry(shown, Disk(tmp_path, 10**9, 0), measurements, [NOON_MS]).look()
    assert shown.left() == {"still S-6", "clip S-6", "original S-6", "still S-8"}
    said = {
        (line["kind"], line["file_count"], line["size_bytes"]) for line in logs if line["event"] == "evidence.removed"
    }
    assert said == {("still", 1, STILL_BYTES), ("clip", 2, 2 * CLIP_BYTES), ("original", 2, 2 * ORIGINAL_BYTES)}
    assert {(one.kind, one.file_count, one.size_bytes) for one in Removals(shown.database).latest(10)} == said
    numbers = counted(measurements)
    assert numbers['swipewatch_evidence_files_removed_total{kind="clip",reason="time_up"}'] == 2
    assert numbers['swipewatch_evidence_removed_bytes_total{kind="still",reason="time_up"}'] == STILL_BYTES


def test_it_sweeps_once_an_hour(shown, tmp_path):
    now_ms = [NOON_MS]
    job = expiry(shown, Disk(tmp_path, 10**9, 0), Measurements(), now_ms)
    job.look()
    shown.swipe("S-8", NOON_MS - 31 * DAY_MS)
    now_ms[0] += EXPIRE_EVERY_MS - 1
    job.look()
    assert len(shown.left()) == 3
    now_ms[0] += 1
    job.look()
    assert shown.left() == set()


def test_a_disk_nearly_full_loses_the_least_valuable_at_once_until_there_is_room_and_it_is_said(shown, tmp_path):
    for number in range(4):
        shown.swipe(f"SETTLEMENT-0000000{number}", NOON_MS - number)
    shown.alert("SETTLEMENT-00000003", "low")
    measurements, disk = Measurements(), Disk(tmp_path, 5 * SWIPE_BYTES, 2 * SWIPE_BYTES)
    with capture_logs() as logs:
        expiry(shown, disk, measurements, [NOON_MS]).look()
    assert not disk.space().is_short
    left = shown.left()
    assert {one for one in left if one.startswith("still")} == {f"still SETTLEMENT-0000000{n}" for n in range(4)}
    assert {"clip SETTLEMENT-00000003", "original SETTLEMENT-00000003"} < left
    assert next(line["event"] for line in logs) == "evidence.disk_nearly_full"
    assert {line["reason"] for line in logs if line["event"] == "evidence.removed"} == {"disk_full"}
    assert counted(measurements)["swipewatch_evidence_free_bytes"] == disk.space().free_bytes


def test_a_disk_that_stays_full_with_nothing_left_to_delete_is_an_error_in_the_log(shown, tmp_path):
    with capture_logs() as logs:
        expiry(shown, Disk(tmp_path, 1, 100), Measurements(), [NOON_MS]).look()
    assert ("evidence.disk_full", "error") in {(line["event"], line["log_level"]) for line in logs}


def test_a_process_whose_duty_it_is_not_deletes_nothing(shown, tmp_path):
    shown.swipe("S-31", NOON_MS - 31 * DAY_MS)
    expiry(shown, Disk(tmp_path, 1, 100), Measurements(), [NOON_MS], is_mine=False).look()
    assert len(shown.left()) == 3


def test_a_file_that_cannot_be_deleted_is_said_and_tried_again(shown, tmp_path):
    shown.swipe("S-31", NOON_MS - 31 * DAY_MS)
    (still,) = shown.stills.for_settlement("S-31")
    path = shown.stills.path_of(still.still_id)
    path.unlink()
    path.mkdir()
    now_ms = [NOON_MS]
    job = expiry(shown, Disk(tmp_path, 10**9, 0), Measurements(), now_ms)
    with capture_logs() as logs:
        job.look()
    assert [line["event"] for line in logs] == ["evidence.not_removed"]
    path.rmdir()
    now_ms[0] += 1
    job.look()
    assert shown.left() == set()
