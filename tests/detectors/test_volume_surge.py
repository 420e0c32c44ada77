"""volume_surge: today against the same weekday of the weeks before."""

from __future__ import annotations

import pytest

from detectors.rules import volume_surge
from detectors.slab import END_OF_TIME_MS
from detectors.slab_builder import SlabBuilder
from tests.brute_force.stories import DAY, HOUR, NOON, Row, reversal, store, swipe
from tests.detectors.test_laws import accepted_events
from tests.product import changes_by, fired, found_by
from tests.worlds import encode

WEEK = 7 * DAY


def weeks(*counts: int) -> list[Row]:
    """Returns swipes one, two, three … weeks ago."""
    return [
        swipe(f"w{week}-{number}", -week * WEEK + number, person=f"p{number}")
        for week, count in enumerate(counts, start=1)
        for number in range(count)
    ]


def today(count: int) -> list[Row]:
    return [swipe(f"s{number:02}", number, person=f"q{number}") for number in range(1, count + 1)]


@pytest.mark.parametrize(
    ("counts", "reached"),
    [
        ((1, 1, 1, 1), 4),  # 1 + 3 · 1
        ((4, 4, 4, 4), 10),  # 4 + 3 · 2
        ((5, 5, 5, 5), 12),  # 5 + 3 · 2.236 = 11.7
        ((1, 1, 5, 5), 12),  # 3 + 3 · 1.4826 · 2 = 11.9
        ((1, 2, 1, 2), 6),  # 1.5 + 3 · √1.5 = 5.2
    ],
)
def test_it_fires_at_the_first_swipe_that_reaches_the_bound_and_not_again(counts, reached):
    told = [store("A"), *weeks(*counts)]
    assert fired("volume_surge", *told, *today(reached - 1)) == {}
    (finding,) = found_by("volume_surge", *told, *today(reached + 3))
    assert finding.settlement_id == f"s{reached:02}"
    assert finding.evidence == [f"s{number:02}" for number in range(1, reached + 1)]
    assert finding.measure["swipes"] == reached


def test_swipes_of_one_moment_are_taken_by_their_ids():
    same = [swipe(name, person=name) for name in "edcba"]
    assert fired("volume_surge", store("A"), *weeks(1, 1, 1, 1), *same) == {"d": "medium"}


def test_only_days_with_a_swipe_enter_and_four_of_eight_are_needed():
    assert fired("volume_surge", store("A"), *weeks(1, 1, 1), *today(9)) == {}
    assert fired("volume_surge", store("A"), *weeks(1, 1, 1, 0, 0, 0, 0, 1), *today(9)) == {"s04": "medium"}
    assert fired("volume_surge", store("A"), *weeks(1, 1, 1, 0, 0, 0, 0, 0, 1), *today(9)) == {}


@pytest.mark.parametrize(("zone", "midnight"), [("Asia/Shanghai", 12 * HOUR), ("Europe/London", 19 * HOUR)])
def test_days_are_local(zone, midnight):
    told = [store("A", time_zone=zone), *weeks(1, 1, 1, 1), *today(3)]
    assert fired("volume_surge", *told, swipe("x", midnight - 1)) == {"x": "medium"}
    assert fired("volume_surge", *told, swipe("x", midnight)) == {}


def test_an_unknown_institution_has_no_day_and_gets_its_days_when_it_is_told():
    story = [*weeks(1, 1, 1, 1), *today(5)]
    assert fired("volume_surge", *story) == {}
    assert changes_by("volume_surge", *story, store("A"))[-1] == "+s04"


def test_a_zone_told_later_moves_swipes_to_other_days():
    late = swipe("s04", 11 * HOUR + 30 * 60_000, person="q4")  # 23:30 in Shanghai, 00:30 in Tokyo
    story = [store("A"), *weeks(1, 1, 1, 1), *today(3), late]
    assert changes_by("volume_surge", *story, store("A", since=0, time_zone="Asia/Tokyo"))[-2:] == ["+s04", "-s04"]


def test_a_late_swipe_moves_the_anchor_and_a_reversal_moves_it_back():
    story = [store("A"), *weeks(1, 1, 1, 1), *today(5), swipe("late", 0), reversal("late", 9)]
    assert changes_by("volume_surge", *story)[-4:] == ["+s04", "", "-s04 +s03", "-s03 +s04"]


def test_another_stores_swipes_do_not_count():
    elsewhere = [swipe(f"x{number}", number, store="B") for number in range(9)]
    assert fired("volume_surge", store("A"), store("B"), *weeks(1, 1, 1, 1), *elsewhere, *today(3)) == {}


@pytest.mark.parametrize(("factor", "reached"), [(3.37234, "s07"), (3.37257, "s08")])
def test_the_deviation_counts_1_4826_times(factor, reached):
    # days 1, 1, 3, 3: median 2, MAD 1: 2 + 3.37234 · 1.4826 = 6.9998, 2 + 3.37257 · 1.4826 = 7.0002
    told = [store("A"), *weeks(1, 1, 3, 3), *today(9)]
    assert fired("volume_surge", *told, factor=factor) == {reached: "medium"}


def test_a_zone_holds_from_its_own_millisecond():
    at = 11 * HOUR + 30 * 60_000  # 23:30 in Shanghai, 00:30 in Tokyo
    told = [store("A"), *weeks(1, 1, 1, 1), *today(3), swipe("s04", at, person="q4")]
    assert fired("volume_surge", *told, store("A", since=at, time_zone="Asia/Tokyo")) == {}
    moved_twice = [store("A", since=at + number, time_zone="Asia/Tokyo") for number in (0, 1)]
    assert fired("volume_surge", *told, *moved_twice) == {}
    assert fired("volume_surge", *told, store("A", since=at + 1, time_zone="Asia/Tokyo")) == {"s04": "medium"}


def test_it_says_how_many_there_were_and_what_is_usual():
    (finding,) = found_by("volume_surge", store("A"), *weeks(1, 2, 1, 2, 0, 1), *today(9))
    assert finding.key == {"institution_id": "A"}
    assert finding.measure == {"swipes": 4, "median": 1, "days": 5}
    assert finding.threshold == {"factor": 3.0, "weeks": 8, "days": 4}
    assert found_by("volume_surge", store("A"), *weeks(1, 2, 1, 2), *today(9))[0].measure["median"] == 1.5


def test_factors_of_nothing_and_of_one_half_are_counted_exactly():
    told = [store("A"), *weeks(1, 1, 1, 1), *today(9)]
    assert fired("volume_surge", *told, factor=0) == {"s01": "medium"}
    assert fired("volume_surge", *told, factor=0.5) == {"s02": "medium"}
    assert fired("volume_surge", *told, min_days=5) == {}


def test_a_busy_weekday_does_not_make_another_ones_history():
    told = [store("A"), *weeks(1, 1, 1, 1), *[swipe(f"t{n}", -DAY + n, person=f"t{n}") for n in range(9)]]
    assert fired("volume_surge", *told, *today(3)) == {}


def test_counts_of_one_institutions_later_days_are_not_anothers_history():
    monday = NOON // DAY
    builder = SlabBuilder()
    events = [
        store("A"),
        store("B"),
        swipe("a", store="A"),
        *[swipe(f"b{number}", number, store="B") for number in range(9)],
    ]
    builder.add(accepted_events(encode(events)))
    later = [
        ("A", 2 * monday + 1 - 7 * week, 1) for week in range(1, 5)
    ]  # where B's days would be, counted on from A's
    builder.add_day_counts([("A", monday - 1, 1), *later])
    slab = builder.build(watermark_ms=END_OF_TIME_MS)
    assert volume_surge.detect(slab, volume_surge.Parameters()) == []
