"""A camera's own calibration: grown from what it counts, made anew without a bad day, rolled back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from app.calibrations import Calibrations
from app.commands import commands
from events.errors import ConfigError
from storage.access.changes import AccessChanges
from storage.database import Database, default_url
from video.calibration import count_similarities, trim_counts
from video.calibration_file import GENERAL, read_calibration
from video.messages import PairsCounted

CAMERA = "c-1"
FIRST_DAY = date(2026, 3, 2)
VERSION = read_calibration(GENERAL / "sface.yaml").engine_version


class Clock:
    """A time of day that stands until it is moved."""

    def __init__(self) -> None:
        self.day = 0

    def __call__(self) -> int:
        at = datetime.combine(FIRST_DAY + timedelta(days=self.day), datetime.min.time(), UTC) + timedelta(hours=20)
        return int(at.timestamp() * 1000)


@pytest.fixture
def database(tmp_path):
    opened = Database.open(default_url(tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def calibrations(database, clock):
    return Calibrations(database, clock)


def _day(number: int) -> str:
    return (FIRST_DAY + timedelta(days=number)).isoformat()


def _counted(
    day: int, pairs: int, people: int = 60, *, since: int | None = None, begun: int = 0, version: str = VERSION
) -> PairsCounted:
    alike = np.random.default_rng(day).normal(0.12, 0.1, pairs)
    first, counts = trim_counts(count_similarities(alike))
    return PairsCounted(
        camera_id=CAMERA,
        engine_version=version,
        day=_day(day),
        begun_at_ms=begun,
        oldest_day=_day(day if since is None else since),
        people=people,
        spread=1.5,
        first=first,
        counts=counts,
    )


def _gather(calibrations: Calibrations, clock: Clock, days: range, pairs: int = 1_000) -> None:
    for clock.day in days:
        calibrations.count(_counted(clock.day, pairs))


def _basis(calibrations: Calibrations) -> str:
    said = calibrations.false_match(CAMERA, "sface", VERSION, 0.4)
    assert said is not None
    return f"{said.basis} {said.pairs}"


def test_a_camera_is_judged_by_its_own_pairs_as_soon_as_they_are_enough(calibrations, clock):
    _gather(calibrations, clock, range(2))
    assert _basis(calibrations).startswith("general")
    assert calibrations.standing([CAMERA])[CAMERA].gathered_pairs == 2_000
    calibrations.count(_counted(2, 1_000))
    assert _basis(calibrations) == "camera 3000"
    standing = calibrations.standing([CAMERA, "c-2"])
    assert (standing[CAMERA].pairs, standing[CAMERA].people, standing[CAMERA].since_ms) == (3_000, 60, clock())
    assert standing["c-2"].since_ms is None


def test_many_pairs_of_few_people_are_never_enough(calibrations):
    for day in range(5):
        calibrations.count(_counted(day, 2_000, people=49))
    assert _basis(calibrations).startswith("general")


def test_it_is_made_anew_each_time_the_pairs_have_doubled(calibrations, clock):
    _gather(calibrations, clock, range(12))
    history = calibrations.history(CAMERA)
    assert [one.calibration.pairs for one in history.versions] == [3_000, 6_000, 12_000]
    assert history.current == history.versions[-1]


def test_what_is_sent_again_or_came_late_counts_once(calibrations, clock):
    _gather(calibrations, clock, range(3))
    calibrations.count(_counted(2, 1_000))
    calibrations.count(_counted(2, 400))
    assert calibrations.standing([CAMERA])[CAMERA].gathered_pairs == 3_000
    calibrations.count(_counted(2, 400, begun=7))  # another worker's memory, after a restart
    assert calibrations.standing([CAMERA])[CAMERA].gathered_pairs == 3_400


def test_a_day_that_is_left_out_goes_with_whom_it_brought_and_stays_out(calibrations, clock):
    _gather(calibrations, clock, range(4))
    clock.day = 4
    calibrations.count(_counted(4, 1_000, since=3))
    made = calibrations.rebuild(CAMERA, [_day(3)])
    assert made.batches == (_day(0), _day(1), _day(2))
    _gather(calibrations, clock, range(5, 8))
    current = calibrations.history(CAMERA).current
    assert current is not None
    assert current.batches == (*made.batches, _day(5), _day(6), _day(7))


def test_a_version_that_was_rolled_back_stays_until_somebody_makes_it_anew(calibrations, clock, database):
    _gather(calibrations, clock, range(6))
    calibrations.roll_back(CAMERA, 1)
    _gather(calibrations, clock, range(6, 14))
    assert _basis(calibrations) == "camera 3000"
    calibrations.roll_back(CAMERA, None)
    assert _basis(calibrations).startswith("general")
    assert calibrations.rebuild(CAMERA).number == 3
    assert _basis(calibrations) == "camera 14000"
    noted = [f"{one.action} {one.detail}".strip() for one in AccessChanges(database).latest(10)]
    assert noted == [
        "calibrated 3",
        "calibration_rolled_back",
        "calibration_rolled_back 1",
        "calibrated 2",
        "calibrated 1",
    ]


def test_another_engine_version_begins_anew_and_the_old_one_does_not_count(calibrations, clock):
    _gather(calibrations, clock, range(4))
    clock.day = 9
    calibrations.count(_counted(9, 3_000, begun=9, version="newer"))
    assert _basis(calibrations).startswith("general")
    current = calibrations.history(CAMERA).current
    assert current is not None
    assert (current.calibration.engine_version, current.batches) == ("newer", (_day(9),))
    assert calibrations.false_match(CAMERA, "sface", "newer", 0.4) is None
    calibrations.count(_counted(4, 1_000))  # what was still on its way
    assert calibrations.history(CAMERA).current == current


def test_the_commands_show_make_anew_and_roll_back(tmp_path: Path, calibrations, clock):
    _gather(calibrations, clock, range(3))

    def said(*arguments: str) -> str:
        answer = CliRunner().invoke(commands, ["faces", "calibration", *arguments, "--data", str(tmp_path)])
        if answer.exception is not None and not isinstance(answer.exception, SystemExit):
            raise answer.exception
        return answer.output

    assert f"{CAMERA}: its own calibration; gathered 3,000 pairs of 60 people or more" in said("list")
    assert "general calibration counts until there are more" in said("rebuild", CAMERA, "--without", _day(1))
    assert f"{CAMERA}: general calibration" in said("list")
    assert said("rollback", CAMERA, "--to", "1") == "version 1 is in force\n"
    listed = said("list").splitlines()
    assert [line.endswith(", in force") for line in listed] == [False, True, False]
    assert said("rollback", CAMERA) == "the general calibration counts\n"
    for wrong in (
        ("rollback", CAMERA, "--to", "9"),
        ("rebuild", "no-camera"),
        ("rebuild", CAMERA, "--without", "monday"),
    ):
        with pytest.raises(ConfigError):
            said(*wrong)
