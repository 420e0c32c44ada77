"""one_face_many_cards: the buyers a visitor pays for."""

from __future__ import annotations

from tests.brute_force.stories import DAY, MINUTE, SECOND, Row, corrected, person, reversal, seen, swipe
from tests.product import changes_by, fired, found_by


def visitor(name: str = "v", quality: float = 0.9) -> Row:
    return {"visitor_id": name, "quality": quality}


def paid(sid: str, at: int = 0, store: str = "A", name: str = "v") -> list[Row]:
    """Returns a swipe of its own person with a look at the visitor."""
    return [swipe(sid, at, person=f"p-{sid}", store=store), seen(f"o-{sid}", at, visitor(name), store=store)]


def test_it_says_how_many_buyers_at_how_many_institutions_and_which_tier():
    told = [*paid("a"), *paid("b", 1), swipe("b2", 1, person="p-b"), *paid("c", 2, "B")]
    (finding,) = found_by("one_face_many_cards", *told)
    assert finding.key == {"visitor_id": "v"}
    assert finding.measure == {"buyers": 3, "institutions": 2}
    assert finding.threshold == {"buyers": 3, "institutions": 1, "window_ms": 30 * MINUTE}
    assert finding.evidence == ["a", "b", "b2", "c"]


def test_the_tier_of_a_week_asks_for_two_institutions_and_cites_the_week():
    week = [*paid("a", 0, "B"), *paid("b", DAY), *paid("c", 2 * DAY), *paid("d", 7 * DAY - 1)]
    (finding,) = found_by("one_face_many_cards", *week)
    assert finding.threshold == {"buyers": 4, "institutions": 2, "window_ms": 7 * DAY}
    assert finding.evidence == ["a", "b", "c", "d"]
    assert fired("one_face_many_cards", *week[:-2], *paid("d", 7 * DAY)) == {}


def test_the_window_ends_with_the_anchors_moment():
    three = [row for sid in "abc" for row in paid(sid)]
    assert set(fired("one_face_many_cards", *three)) == {"a", "b", "c"}
    assert set(fired("one_face_many_cards", *paid("a"), *paid("b"), *paid("c", 1))) == {"c"}


def test_visitors_are_counted_apart():
    assert fired("one_face_many_cards", *paid("a"), *paid("b", 1), *paid("c", 30 * SECOND + 2, name="w")) == {}


def test_a_household_is_the_one_of_each_swipes_own_moment():
    told = [*paid("a"), *paid("b", 1), *paid("c", 2), person("p-a", "h"), person("p-c", "h", since=3)]
    assert fired("one_face_many_cards", *told) == {"c": "medium"}
    assert fired("one_face_many_cards", *told, person("p-c", "h", since=2, event_id="v")) == {}


def test_a_better_face_a_correction_and_a_reversal_change_the_tie():
    told = [*paid("a"), *paid("b", MINUTE), *paid("c", 2 * MINUTE)]
    assert changes_by("one_face_many_cards", *told)[-1] == "+c"
    assert changes_by("one_face_many_cards", *told, seen("x", 2 * MINUTE, visitor("w", 0.91)))[-1] == "-c"
    assert changes_by("one_face_many_cards", *told, corrected("k", "o-b", "w"))[-1] == "-c"
    assert changes_by("one_face_many_cards", *told, reversal("a", 9, person="p-a"))[-1] == "-c"


def test_a_tier_of_one_buyer_is_reached_by_one_tied_swipe():
    tiers = [{"window": "30m", "buyers": 1, "severity": "low"}]
    assert fired("one_face_many_cards", *paid("a"), swipe("b", 9 * MINUTE), tiers=tiers) == {"a": "low"}
