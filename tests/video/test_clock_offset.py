"""Simulated tills: people come, swipe, and go; the camera sees them by a clock that is off."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from video.clock_offset import LARGEST_ERROR_MS, ClockOffset, ClockOffsetEstimate

START_MS = 1_780_000_000_000
HOUR_MS = 3_600_000


@dataclass(frozen=True, kw_only=True)
class Visit:
    comes_ms: int
    swipes_ms: int
    goes_ms: int


def _visits(hours: float, *, mean_gap_s: float, seed: int, lasts_s: tuple[float, float] = (30, 150)) -> list[Visit]:
    rng, at_ms, visits = random.Random(seed), START_MS, list[Visit]()
    while at_ms < START_MS + hours * HOUR_MS:
        at_ms += round(rng.expovariate(1 / mean_gap_s) * 1000) + 3_000
        lasts_ms = round(rng.uniform(*lasts_s) * 1000)
        swipes_ms = at_ms + round(rng.uniform(0.3, 0.95) * lasts_ms)
        visits.append(Visit(comes_ms=at_ms, swipes_ms=swipes_ms, goes_ms=at_ms + lasts_ms))
        at_ms += lasts_ms
    return visits


def _run(
    visits: list[Visit],
    offset_ms: Callable[[int], int],
    *,
    sees: Callable[[bool, random.Random], bool] = lambda there, _: there,
) -> ClockOffsetEstimate:
    """The till's time is the camera's plus offset_ms; pictures every 20 s, a few a second around swipes."""
    rng, estimate = random.Random(5), ClockOffsetEstimate()
    last_ms = visits[-1].goes_ms + 200_000
    moments = set(range(START_MS, last_ms, 20_000))
    for visit in visits:
        moments.update(range(visit.swipes_ms - 2_000, visit.swipes_ms + 4_000, 600))
    swipes = [visit.swipes_ms for visit in visits]
    standing = iter(visits)
    visit = next(standing)
    for at_ms in sorted(moments):
        while visit.goes_ms < at_ms:
            following = next(standing, None)
            if following is None:
                break
            visit = following
        while swipes and swipes[0] <= at_ms:
            estimate.swiped(swipes.pop(0))
        estimate.saw(at_ms - offset_ms(at_ms), sees(visit.comes_ms <= at_ms <= visit.goes_ms, rng))
    return estimate


def _told(estimate: ClockOffsetEstimate) -> ClockOffset:
    found = estimate.reckoned()
    assert found is not None
    return found


@pytest.mark.parametrize("offset_ms", [-95_000, -31_000, 0, 12_000, 60_000])
def test_an_offset_is_found_within_its_error_bar(offset_ms):
    estimate = _run(_visits(8, mean_gap_s=240, seed=1), lambda _: offset_ms)
    found = _told(estimate)
    assert abs(found.offset_ms - offset_ms) <= found.error_ms <= LARGEST_ERROR_MS
    assert found.swipes == estimate.swipes > 50


def test_mistakes_of_the_camera_widen_the_bar_and_do_not_mislead():
    estimate = _run(
        _visits(12, mean_gap_s=240, seed=2), lambda _: 20_000, sees=lambda there, rng: there ^ (rng.random() < 0.08)
    )
    found = _told(estimate)
    assert abs(found.offset_ms - 20_000) <= found.error_ms


def test_a_clock_that_drifts_is_followed():
    estimate = _run(_visits(48, mean_gap_s=400, seed=3), lambda at_ms: round((at_ms - START_MS) * 60e-6))
    found = _told(estimate)
    assert abs(found.offset_ms - 48 * HOUR_MS * 60e-6) <= max(found.error_ms, 5_000)


def test_a_clock_that_was_set_is_followed_within_three_dozen_swipes():
    visits = _visits(10, mean_gap_s=240, seed=4)
    set_at_ms = visits[-36].comes_ms
    found = _told(_run(visits, lambda at_ms: 40_000 if at_ms < set_at_ms else 0))
    assert abs(found.offset_ms) <= found.error_ms


def test_a_counter_that_is_always_busy_tells_nothing():
    estimate = _run(_visits(8, mean_gap_s=0.5, seed=5), lambda _: 10_000, sees=lambda _there, _rng: True)
    assert estimate.reckoned() is None


def test_a_camera_before_which_nobody_ever_stands_tells_nothing():
    estimate = _run(_visits(8, mean_gap_s=240, seed=6), lambda _: 10_000, sees=lambda _there, _rng: False)
    assert estimate.reckoned() is None


def test_a_camera_that_sees_people_at_other_times_than_the_swipes_tells_nothing():
    estimate = _run(_visits(8, mean_gap_s=240, seed=7), lambda _: 0, sees=lambda _there, rng: rng.random() < 0.3)
    assert estimate.reckoned() is None


def test_nothing_is_said_after_a_few_swipes_and_a_family_is_one_visit():
    estimate = _run(_visits(0.3, mean_gap_s=240, seed=8), lambda _: 0)
    assert estimate.reckoned() is None
    family = ClockOffsetEstimate()
    for number in range(400):
        family.saw(START_MS + 1_000 * number, present=100 < number < 130)
    for number in range(6):
        family.swiped(START_MS + 110_000 + 3_000 * number)
    family.saw(START_MS + 430_000, present=False)
    assert (family.swipes, family.reckoned()) == (1, None)


def test_a_clock_that_may_well_be_right_is_left_alone():
    assert ClockOffset(offset_ms=-6_000, error_ms=6_500, swipes=30).correction_ms == 0
    assert ClockOffset(offset_ms=-7_000, error_ms=6_500, swipes=30).correction_ms == -7_000


def test_a_limit_is_passed_only_with_the_whole_error_bar():
    assert ClockOffset(offset_ms=-36_000, error_ms=5_000, swipes=9).is_beyond(30_000)
    assert not ClockOffset(offset_ms=-34_000, error_ms=5_000, swipes=9).is_beyond(30_000)
