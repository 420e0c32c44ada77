"""nobody_at_counter: healthy looks at an empty till, decided when time has passed."""

from __future__ import annotations

from tests.brute_force.stories import SECOND, Row, reversal, seen, swipe
from tests.product import changes_by, fired, found_by


def empty(*times: int) -> list[Row]:
    return [seen(f"o{at}", at) for at in times]


THREE = empty(-120 * SECOND, 0, 60 * SECOND)


def test_it_says_how_many_looks_were_empty():
    (finding,) = found_by("nobody_at_counter", swipe("s"), *THREE, seen("o1", 1))
    assert finding.key == {"institution_id": "A", "till_id": "1"}
    assert finding.measure == {"observations": 4, "people": 0}
    assert finding.threshold == {"observations": 3, "before_ms": 120 * SECOND, "after_ms": 60 * SECOND}
    assert finding.evidence == ["o-120000", "o0", "o1", "o60000"]


def test_a_look_a_millisecond_outside_is_not_counted():
    for at in (-120 * SECOND - 1, 60 * SECOND + 1):
        assert fired("nobody_at_counter", swipe("s"), *empty(0, 1, at)) == {}
        assert fired("nobody_at_counter", swipe("s"), *THREE, seen("x", at, people=1)) == {"s": "medium"}


def test_it_is_decided_as_soon_as_the_last_moment_of_its_look_has_passed():
    still = swipe("b", 60 * SECOND, person="b", till="2")
    passed = swipe("c", 60 * SECOND + 1, person="c", till="3")
    assert changes_by("nobody_at_counter", swipe("s"), *THREE, still, passed)[3:] == ["", "", "+s"]


def test_a_look_at_somebody_that_comes_late_and_a_reversal_withdraw():
    told = [swipe("s"), *THREE, swipe("c", 61 * SECOND, till="3")]
    assert changes_by("nobody_at_counter", *told, seen("x", 60 * SECOND, people=1))[-2:] == ["+s", "-s"]
    assert changes_by("nobody_at_counter", *told, reversal("s", 9))[-2:] == ["+s", "-s"]
