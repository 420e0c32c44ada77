"""card_batch: distinct buyers at one till."""

from __future__ import annotations

from tests.brute_force.stories import MINUTE, Row, person, reversal, swipe
from tests.product import changes_by, fired, found_by


def batch(count: int, step: int = 1) -> list[Row]:
    return [swipe(f"s{number:02}", number * step, person=f"p{number}") for number in range(1, count + 1)]


def test_it_says_how_many_buyers_and_swipes_it_counted_and_which_tier_they_reached():
    (finding,) = found_by("card_batch", swipe("again", person="p1"), *batch(5))
    assert finding.key == {"institution_id": "A", "till_id": "1"}
    assert finding.measure == {"buyers": 5, "swipes": 6}
    assert finding.threshold == {"buyers": 5, "window_ms": 10 * MINUTE}
    assert finding.evidence == ["again", "s01", "s02", "s03", "s04", "s05"]


def test_the_highest_tier_that_is_reached_is_told():
    assert found_by("card_batch", *batch(12))[-1].threshold == {"buyers": 12, "window_ms": 10 * MINUTE}


def test_the_window_is_open_at_its_start_and_ends_with_the_anchors_moment():
    assert fired("card_batch", *batch(4), swipe("s", 10 * MINUTE, person="x")) == {"s": "medium"}
    assert fired("card_batch", *batch(4), swipe("s", 10 * MINUTE + 1, person="x")) == {}
    assert fired("card_batch", *batch(4), swipe("s", 4, person="x")) == {"s": "medium", "s04": "medium"}
    assert fired("card_batch", *batch(4), swipe("s", 5, person="x")) == {"s": "medium"}


def test_a_household_told_late_and_a_reversal_withdraw():
    assert changes_by("card_batch", *batch(5), person("p1", "h"), person("p2", "h"))[-2:] == ["", "-s05"]
    assert changes_by("card_batch", *batch(5), reversal("s01", 9, person="p1"))[-1] == "-s05"
    assert changes_by("card_batch", *batch(5)[1:], swipe("late", 1, person="x"))[-1] == "+s05"
