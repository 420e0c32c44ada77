"""impossible_travel: distance and speed between two swipes of one person."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from detectors.geodesy import great_circle_km
from tests.brute_force.stories import MINUTE, SECOND, Row, reversal, store, swipe
from tests.product import changes_by, fired, found_by

HERE = store("A", latitude=31.0, longitude=120.0)
THERE = store("B", latitude=31.0, longitude=121.0)
DISTANCE_KM = float(
    great_circle_km(np.array([31.0]), np.array([120.0]), np.array([31.0]), np.array([121.0]))[0]
)  # 95.3 km


def journey(gap: int, **fields: Any) -> list[Row]:
    return [HERE, THERE, swipe("a"), swipe("b", gap, store="B", **fields)]


def speed_kmh(gap_ms: float) -> float:
    return DISTANCE_KM / (gap_ms / 3_600_000)


def test_it_says_how_far_and_how_fast():
    (finding,) = found_by("impossible_travel", *journey(30 * MINUTE))
    assert finding.key == {"person_id": "p1"}
    assert finding.measure == {"distance_km": 95.312, "gap_ms": 30 * MINUTE, "speed_kmh": 190.6}
    assert finding.threshold == {"distance_km": 2.0, "speed_kmh": 120.0}
    assert finding.evidence == ["a", "b"]


def test_a_distance_at_the_bound_fires_and_a_lesser_one_does_not():
    assert fired("impossible_travel", *journey(MINUTE), min_distance_km=DISTANCE_KM) == {"b": "high"}
    beyond = math.nextafter(DISTANCE_KM, math.inf)
    assert fired("impossible_travel", *journey(MINUTE), min_distance_km=beyond) == {}


@pytest.mark.parametrize("gap", [SECOND, MINUTE, 30 * MINUTE])
def test_a_speed_at_the_bound_can_be_travelled_and_a_millisecond_less_cannot(gap):
    assert fired("impossible_travel", *journey(gap), max_speed_kmh=speed_kmh(gap)) == {}
    slower = math.nextafter(speed_kmh(gap), 0)
    assert fired("impossible_travel", *journey(gap), max_speed_kmh=slower) == {"b": "high"}
    assert fired("impossible_travel", *journey(gap), max_speed_kmh=speed_kmh(gap + 0.5)) == {"b": "high"}
    assert fired("impossible_travel", *journey(gap + 1), max_speed_kmh=speed_kmh(gap + 0.5)) == {}


@pytest.mark.parametrize("gap", [0, 1, SECOND - 1, SECOND])
def test_less_than_a_second_is_taken_for_a_second(gap):
    assert fired("impossible_travel", *journey(gap), max_speed_kmh=speed_kmh(SECOND + 0.5)) == {"b": "high"}
    assert fired("impossible_travel", *journey(gap), max_speed_kmh=speed_kmh(SECOND - 0.5)) == {}


def test_positions_are_those_of_each_swipes_own_millisecond():
    moved = store("A", since=MINUTE, latitude=31.0, longitude=121.0)
    assert fired("impossible_travel", HERE, moved, swipe("a"), swipe("b", MINUTE)) == {"b": "high"}
    again = store("A", since=MINUTE + 1, latitude=31.0, longitude=121.0)
    assert fired("impossible_travel", HERE, moved, again, swipe("a"), swipe("b", MINUTE)) == {"b": "high"}
    assert fired("impossible_travel", HERE, moved, swipe("a"), swipe("b", MINUTE - 1)) == {}
    assert fired("impossible_travel", HERE, moved, swipe("a", MINUTE), swipe("b", MINUTE + 1)) == {}


def test_a_position_told_late_and_a_reversal_withdraw():
    told = [*journey(MINUTE), store("B", since=MINUTE, latitude=31.0, longitude=120.0)]
    assert changes_by("impossible_travel", *told)[-2:] == ["+b", "-b"]
    assert changes_by("impossible_travel", *journey(MINUTE), reversal("a", 9))[-1] == "-b"


def test_a_swipe_between_the_two_that_comes_late_is_the_previous_one():
    assert changes_by("impossible_travel", *journey(MINUTE), swipe("c", 1, store="B"))[-1] == "-b +c"
