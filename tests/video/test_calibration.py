from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from video.calibration import (
    BINS,
    Calibration,
    add_counts,
    calibrate,
    count_similarities,
    false_match,
    merge_calibrations,
    one_in,
    spread_of,
)
from video.calibration_history import CalibrationHistory
from video.engine import unit

MEAN, DEVIATION = 0.08, 0.09
"""Strangers' similarities lie about so with the default engine."""
PAIRS = 200_000


def _calibration(
    similarities, people: int = 900, spread: float = 1.0, own=(), engine_version: str = "one"
) -> Calibration:
    return Calibration(
        engine_version=engine_version,
        strangers=count_similarities(similarities),
        own=count_similarities(own),
        people=people,
        spread=spread,
    )


def _normal(pairs: int = PAIRS, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(MEAN, DEVIATION, pairs)


def _truth(similarity: float) -> float:
    """The share of a normal distribution above a similarity."""
    return math.erfc((similarity - MEAN) / DEVIATION / math.sqrt(2)) / 2


@pytest.mark.parametrize("similarity", [0.10, 0.20, 0.25, 0.30, 0.35, 0.40, 0.45])
def test_a_known_tail_is_bounded_from_above_and_not_absurdly(similarity):
    calibration = _calibration(_normal())
    said, truth = calibration.false_match(similarity), _truth(similarity)
    assert truth <= said
    assert said <= max(1.3 * truth, 40 * truth if similarity > 0.30 else 0)


@pytest.mark.parametrize("similarity", [0.35, 0.45, 0.60])
def test_an_exponential_tail_is_told_within_a_factor_of_three(similarity):
    drawn = np.random.default_rng(2).exponential(0.05, PAIRS)
    truth = math.exp(-similarity / 0.05)
    assert truth <= _calibration(drawn).false_match(similarity) <= 3 * truth


def test_of_many_small_samples_hardly_any_promises_too_much():
    too_low = [_calibration(_normal(4_000, seed)).false_match(0.33) < _truth(0.33) for seed in range(200)]
    assert sum(too_low) <= 5


def test_what_was_counted_is_never_undercut_by_the_fit():
    twins = np.concatenate([_normal(), np.full(40, 0.8)])
    assert _calibration(twins).false_match(0.79) >= 40 / len(twins)


def test_beyond_all_data_the_probability_is_a_tenth_of_one_pair_and_not_zero():
    assert _calibration(_normal()).false_match(0.99) == pytest.approx(1 / (10 * PAIRS))


def test_without_any_pair_everything_is_possible():
    assert _calibration([]).false_match(0.9) == 1.0


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=60), st.floats(-1, 1), st.floats(-1, 1), st.floats(1, 50))
def test_more_alike_is_never_more_probable_by_chance(similarities, one, other, spread):
    calibration = _calibration(similarities, spread=spread)
    low, high = sorted((one, other))
    assert 0 < calibration.false_match(high) <= calibration.false_match(low) <= 1


@given(st.lists(st.floats(-1, 1), max_size=40), st.lists(st.floats(-1, 1), max_size=40))
def test_counts_of_two_days_add_up(monday, tuesday):
    assert add_counts([count_similarities(monday), count_similarities(tuesday)]) == count_similarities(monday + tuesday)


def test_the_ends_of_the_scale_are_counted():
    counts = count_similarities([-1.0, 1.0, 1.0000001])
    assert (counts[0], counts[BINS - 1], sum(counts)) == (1, 2, 3)


def test_pairs_that_hang_together_widen_the_bound():
    independent = _calibration(_normal(20_000))
    assert _calibration(_normal(20_000), spread=20.0).false_match(0.3) > independent.false_match(0.3)


def test_people_whom_everybody_resembles_are_a_spread_and_even_ones_are_none():
    even = np.random.default_rng(3).binomial(999, 0.01, 1_000)
    few = np.where(np.arange(1_000) < 50, 200, 0)
    assert spread_of(even, 999) < 3
    assert spread_of(few, 999) > 20


def test_how_unlike_a_holder_can_be_is_told_from_their_own_pictures():
    own = np.random.default_rng(4).normal(0.65, 0.1, 20_000)
    calibration = _calibration(_normal(), own=own)
    said = calibration.false_non_match(0.45)
    assert said is not None
    assert 0.0228 <= said <= 0.035
    assert _calibration(_normal()).false_non_match(0.45) is None


def test_holders_at_one_till_are_strangers_to_each_other_and_not_to_themselves():
    east, north, between = (unit(np.array(vector)) for vector in ([1.0, 0.0], [0.0, 1.0], [0.6, 0.8]))
    made = calibrate("one", ["a", "a", "b"], [east, between, north])
    assert made.strangers == count_similarities([0.0, 0.8])
    assert (made.pairs, made.people, sum(made.own)) == (2, 2, 0)


# -------------------------------------------------------------------------------------------------- which one counts


def test_a_camera_without_enough_of_its_own_says_general():
    general = _calibration(_normal())
    assert false_match(0.4, general, None).basis == "general"
    assert false_match(0.4, general, _calibration(_normal(2_000))).basis == "general"
    assert false_match(0.4, general, _calibration(_normal(), people=49)).basis == "general"
    assert false_match(0.4, general, _calibration(_normal(), engine_version="two")).basis == "general"


def test_a_camera_with_enough_of_its_own_is_judged_by_it():
    dim = _calibration(_normal(5_000) + 0.1)
    said = false_match(0.4, _calibration(_normal()), dim)
    assert (said.basis, said.pairs) == ("camera", 5_000)
    assert said.probability > false_match(0.4, _calibration(_normal()), None).probability


def test_how_many_holders_are_as_unlike_is_said_in_general_also_at_a_camera():
    general = _calibration(_normal(), own=np.random.default_rng(4).normal(0.65, 0.1, 20_000))
    said = false_match(0.45, general, _calibration(_normal(5_000) + 0.1))
    assert (said.basis, said.holders_one_in) == ("camera", false_match(0.45, general, None).holders_one_in)
    assert said.holders_one_in is not None
    assert 28 <= said.holders_one_in <= 43
    assert false_match(0.45, _calibration(_normal()), None).holders_one_in is None


@pytest.mark.parametrize(("probability", "said"), [(1.0, 1), (0.4, 2), (1 / 57.9, 57), (1 / 1_299, 1_200)])
def test_one_in_is_rounded_towards_caution(probability, said):
    assert one_in(probability) == said


# ---------------------------------------------------------------------------------------------------------- versions


def test_a_rebuilt_calibration_leaves_a_bad_day_out_and_can_be_rolled_back():
    days = {f"2026-03-0{day}": _calibration(_normal(3_000, day)) for day in range(1, 4)}
    first = CalibrationHistory().rebuilt(days, 1_000)
    second = first.rebuilt({day: counts for day, counts in days.items() if day != "2026-03-02"}, 2_000)
    assert second.current is not None
    assert second.current.batches == ("2026-03-01", "2026-03-03")
    assert second.current.calibration.pairs == 6_000
    back = second.rolled_back(1)
    assert back.current == first.current
    assert [one.number for one in back.versions] == [1, 2]
    assert back.rebuilt(days, 3_000).current_number == 3
    assert back.rolled_back(None).current is None


def test_a_version_that_there_is_not_cannot_come_back():
    with pytest.raises(ValueError, match="no version 4"):
        CalibrationHistory().rolled_back(4)


def test_calibrations_of_two_engine_versions_do_not_mix():
    with pytest.raises(ValueError, match="2 engine versions"):
        merge_calibrations([_calibration([0.1]), _calibration([0.1], engine_version="two")])
