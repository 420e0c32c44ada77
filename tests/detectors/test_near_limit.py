"""near_limit: which totals are near, and how many are counted."""

from __future__ import annotations

import pytest

from tests.brute_force.stories import DAY, reversal, swipe
from tests.product import changes_by, fired, found_by


@pytest.mark.parametrize(("total_fen", "is_near"), [(19_400, False), (19_401, True), (20_000, True), (20_001, False)])
def test_the_limit_is_near_and_the_end_of_the_margin_is_not(total_fen, is_near):
    story = [swipe(f"s{day}", day * DAY, total_fen=total_fen) for day in range(3)]
    assert fired("near_limit", *story) == ({"s2": "medium"} if is_near else {})


@pytest.mark.parametrize(("total_fen", "is_near"), [(92, False), (93, False), (94, True)])
def test_the_margin_is_exact(total_fen, is_near):
    # 7 % of 100 are 7.000000000000001 in floating point: 93 would be near.
    story = [swipe("s", total_fen=total_fen)]
    settings = {"limit_fen": 100, "margin_fen": 0, "margin_ratio": 0.07, "count": 1}
    assert bool(fired("near_limit", *story, **settings)) is is_near


def test_swipes_that_are_not_near_are_neither_counted_nor_anchors():
    near = [swipe("a", total_fen=19_900), swipe("b", 1, total_fen=19_900)]
    story = [*near, swipe("x", 2, total_fen=100), swipe("c", 3, total_fen=19_900), swipe("y", 4, total_fen=100)]
    (finding,) = found_by("near_limit", *story)
    assert (finding.settlement_id, finding.evidence) == ("c", ["a", "b", "c"])
    assert finding.measure == {"count": 3, "total_fen": 19_900}
    assert finding.threshold == {"count": 3, "window_ms": 30 * DAY, "limit_fen": 20_000}


def test_all_of_one_moment_count_whatever_their_order():
    story = [swipe(name, total_fen=20_000) for name in "abc"]
    assert fired("near_limit", *story) == dict.fromkeys("abc", "medium")


def test_the_window_is_open_at_its_start():
    story = [swipe("a", total_fen=20_000), swipe("b", 1, total_fen=20_000)]
    assert fired("near_limit", *story, swipe("c", 30 * DAY - 1, total_fen=20_000)) == {"c": "medium"}
    assert fired("near_limit", *story, swipe("c", 30 * DAY, total_fen=20_000)) == {}


def test_a_reversal_withdraws_what_counted_the_swipe():
    story = [swipe(name, at, total_fen=20_000) for at, name in enumerate("abc")]
    assert changes_by("near_limit", *story, reversal("a", DAY)) == ["", "", "+c", "-c"]


def test_the_window_ends_with_the_anchors_moment():
    story = [swipe("a", total_fen=20_000), swipe("b", 1, total_fen=20_000)]
    assert fired("near_limit", *story, swipe("c", 1, total_fen=20_000)) == {"b": "medium", "c": "medium"}
    assert fired("near_limit", *story, swipe("c", 2, total_fen=20_000)) == {"c": "medium"}
