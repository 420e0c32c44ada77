"""closed_hours: the local time of day against the hours in force."""

from __future__ import annotations

import pytest

from tests.brute_force.stories import HOUR, MINUTE, reversal, store, swipe
from tests.product import changes_by, fired, found_by


@pytest.mark.parametrize(
    ("at", "shown"),
    [(5 * MINUTE, "12:05"), (6 * MINUTE - 1, "12:05"), (10 * HOUR, "22:00"), (13 * HOUR + 59 * MINUTE, "01:59")],
)
def test_it_shows_the_wall_clock_and_the_hours_to_the_minute(at, shown):
    (finding,) = found_by("closed_hours", store("A", opens_at="07:30", closes_at="11:45"), swipe("s", at))
    assert finding.key == {"institution_id": "A"}
    assert finding.measure == {"local_time": shown}
    assert finding.threshold == {"opens_at": "07:30", "closes_at": "11:45", "grace_ms": 15 * MINUTE}
    assert finding.evidence == ["s"]


@pytest.mark.parametrize(("grace", "closed"), [("0s", {"a", "b"}), ("1m", {"b"}), ("2m", set())])
def test_grace_widens_the_hours_and_its_last_moment_is_open(grace, closed):
    told = [store("A", opens_at="07:30", closes_at="12:00"), swipe("a", MINUTE), swipe("b", MINUTE + 1)]
    assert set(fired("closed_hours", *told, grace=grace)) == closed


def test_hours_from_and_to_midnight_are_hours_like_others():
    night = store("A", opens_at="00:00", closes_at="06:00")
    swipes = [swipe("a", 12 * HOUR - 15 * MINUTE - 1), swipe("b", 12 * HOUR - 15 * MINUTE), swipe("c", 12 * HOUR)]
    assert fired("closed_hours", night, *swipes) == {"a": "medium"}
    evening = store("A", opens_at="18:00", closes_at="00:00")
    swipes = [swipe("a", 12 * HOUR), swipe("b", 12 * HOUR + 15 * MINUTE), swipe("c", 12 * HOUR + 15 * MINUTE + 1)]
    assert fired("closed_hours", evening, *swipes) == {"c": "medium"}


def test_hours_hold_from_their_own_millisecond():
    told = [store("A", opens_at="08:00", closes_at="20:00"), store("A", since=5, opens_at="13:00", closes_at="14:00")]
    assert fired("closed_hours", *told, swipe("a", 4), swipe("b", 5)) == {"b": "medium"}


def test_hours_told_late_raise_and_a_reversal_withdraws():
    told = [swipe("s"), store("A", opens_at="13:00", closes_at="14:00"), reversal("s", 9)]
    assert changes_by("closed_hours", *told) == ["", "+s", "-s"]
