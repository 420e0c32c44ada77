"""The wall clock of whole columns is the one of the zone, to the millisecond, on days of clock changes too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from detectors.local_time import DAY_MS, MINUTE_MS, date_numbers, local_ms

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CHANGES = [  # moments at which clocks change, in UTC
    ("America/New_York", "2024-03-10T07:00"),
    ("America/New_York", "2024-11-03T06:00"),
    ("Europe/London", "2024-10-27T01:00"),
    ("Australia/Lord_Howe", "2024-04-06T15:00"),
    ("Asia/Kathmandu", "2024-12-31T18:15"),
    ("Asia/Pyongyang", "2018-05-04T15:00"),
    ("Pacific/Apia", "2011-12-30T10:00"),
    ("America/Havana", "2024-03-10T05:00"),
    ("Africa/Casablanca", "2008-06-01T00:00"),  # at midnight in UTC
]


def ms_of(moment: str) -> int:
    return int(datetime.fromisoformat(f"{moment}+00:00").timestamp()) * 1000


def wall_clock_ms(at_ms: int, zone: str) -> int:
    local = (EPOCH + timedelta(milliseconds=at_ms)).astimezone(ZoneInfo(zone))
    return (local.replace(tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_every_edge_of_a_change_a_minute_and_a_day_is_exact(zone, change):
    at_ms = ms_of(change)
    midnight = at_ms - at_ms % DAY_MS
    cuts = [at_ms, at_ms - MINUTE_MS, at_ms + MINUTE_MS, *(midnight + day * DAY_MS for day in range(-1, 3))]
    times = sorted(cut + beside for cut in cuts for beside in (-1, 0, 1, 30_000))
    expected = [wall_clock_ms(time_ms, zone) for time_ms in times]
    assert local_ms(np.array(times), zone).tolist() == expected
    assert local_ms(np.array(times[::-1]), zone).tolist() == expected[::-1]
    for time_ms, local in zip(times, expected, strict=True):  # alone, so that no neighbour helps
        assert local_ms(np.array([time_ms]), zone).tolist() == [local]


@pytest.mark.parametrize("date", ["2024-02-29", "2024-03-01", "2023-12-31", "2000-01-01", "2099-12-31"])
def test_a_date_is_its_number_from_its_first_to_its_last_millisecond(date):
    start_ms, number = ms_of(f"{date}T00:00"), int(date.replace("-", ""))
    edges = np.array([start_ms - 1, start_ms, start_ms + DAY_MS - 1, start_ms + DAY_MS])
    found = date_numbers(edges).tolist()
    assert found[1:3] == [number, number]
    assert found[0] < number < found[3]


def test_times_of_no_column_are_no_times():
    assert local_ms(np.array([], dtype=np.int64), "Asia/Shanghai").tolist() == []
