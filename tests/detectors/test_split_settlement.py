"""split_settlement: a person's swipes at one institution within minutes."""

from __future__ import annotations

from tests.brute_force.stories import MINUTE, reversal, swipe
from tests.product import changes_by, fired, found_by


def test_it_says_how_many_swipes_it_counted():
    found = found_by("split_settlement", swipe("b"), swipe("a"), swipe("c", 10 * MINUTE - 1, till="2"))
    assert [finding.settlement_id for finding in found if finding.measure["count"] == 3] == ["c"]
    last = next(finding for finding in found if finding.settlement_id == "c")
    assert last.key == {"person_id": "p1", "institution_id": "A"}
    assert last.threshold == {"count": 2, "window_ms": 10 * MINUTE}
    assert last.evidence == ["a", "b", "c"]


def test_the_window_is_open_at_its_start_and_ends_with_the_anchors_moment():
    assert fired("split_settlement", swipe("a"), swipe("b", 10 * MINUTE)) == {}
    assert fired("split_settlement", swipe("a"), swipe("b")) == {"a": "medium", "b": "medium"}
    assert fired("split_settlement", swipe("a"), swipe("b", 1)) == {"b": "medium"}


def test_persons_and_institutions_are_not_mixed_up():
    told = [swipe(f"{who}{place}", person=who, store=place) for who in ("p1", "p2", "p3") for place in "ABC"]
    assert fired("split_settlement", *told) == {}


def test_a_late_swipe_raises_and_a_reversal_withdraws():
    assert changes_by("split_settlement", swipe("b", 1), swipe("a"), reversal("a", 9)) == ["", "+b", "-b"]
