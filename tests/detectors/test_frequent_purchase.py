"""frequent_purchase: a person's swipes in several windows."""

from __future__ import annotations

from tests.brute_force.stories import DAY, HOUR, reversal, swipe
from tests.product import changes_by, fired, found_by

TWICE = [swipe("a"), swipe("b", 1, store="B")]


def test_it_shows_the_tier_that_was_reached():
    (finding,) = found_by("frequent_purchase", *TWICE, swipe("c", HOUR))
    assert finding.key == {"person_id": "p1"}
    assert finding.measure == {"count": 3}
    assert finding.threshold == {"count": 3, "window_ms": DAY}
    assert finding.evidence == ["a", "b", "c"]


def test_a_graver_tier_shows_its_own_window_and_count():
    tiers = [{"window": "1h", "count": 1, "severity": "low"}, {"window": "2h", "count": 3, "severity": "high"}]
    findings = found_by("frequent_purchase", *TWICE, swipe("c", HOUR + 1), tiers=tiers)
    assert [(found.threshold, found.measure["count"]) for found in findings] == [
        ({"count": 1, "window_ms": HOUR}, 1),
        ({"count": 1, "window_ms": HOUR}, 2),
        ({"count": 3, "window_ms": 2 * HOUR}, 3),
    ]


def test_the_window_is_open_at_its_start_and_ends_with_the_anchors_moment():
    assert fired("frequent_purchase", *TWICE, swipe("c", DAY - 1)) == {"c": "medium"}
    assert fired("frequent_purchase", *TWICE, swipe("c", DAY)) == {}
    assert fired("frequent_purchase", *TWICE, swipe("c", 1)) == {"b": "medium", "c": "medium"}
    assert fired("frequent_purchase", *TWICE, swipe("c", 2)) == {"c": "medium"}


def test_swipes_of_one_moment_are_cited_by_their_ids():
    told = [swipe(name) for name in "cab"]
    assert {tuple(found.evidence) for found in found_by("frequent_purchase", *told)} == {("a", "b", "c")}


def test_a_late_swipe_raises_and_a_reversal_withdraws():
    told = [swipe("b", 1), swipe("c", 2), swipe("a"), reversal("b", 9)]
    assert changes_by("frequent_purchase", *told) == ["", "", "+c", "-c"]
