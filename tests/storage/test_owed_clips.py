"""The queue of clips that are to be made: who is in it, in which order, and what becomes of each."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from storage.evidence.owed_clips import CLAIMED_FOR_MS, OwedClips
from storage.evidence.retention import EvidenceRetention
from tests.alerts.builders import NOON_MS
from tests.storage.shown import Shown, clip_of, original

HOUR_MS = 3_600_000


@pytest.fixture
def shown(database, tmp_path):
    return Shown(database, tmp_path / "data")


@pytest.fixture
def owed(shown):
    return OwedClips(shown.database)


def swiped(shown: Shown, *settlements: str) -> list[str]:
    """Keeps an original of each swipe; returns their ids."""
    return [shown.originals.keep(original(one)) for one in settlements]


def claimed(owed: OwedClips, now_ms: int = NOON_MS) -> list[str]:
    """Returns all that can be claimed now, in order."""
    return list(iter(lambda: owed.claim(now_ms), None))


def test_a_swipe_without_an_alert_has_no_clip_until_somebody_asks(shown, owed):
    (plain, _) = swiped(shown, "S-plain", "S-other")
    assert owed.ask_for_alerts(0, NOON_MS) == 0
    assert claimed(owed) == []
    owed.ask([plain], NOON_MS)
    assert claimed(owed) == [plain]
    assert shown.originals.of(plain).clip_owed_since_ms == NOON_MS


def test_an_alert_is_owed_the_clip_of_its_swipe_and_not_of_those_it_merely_cites(shown, owed):
    (alerted, _) = swiped(shown, "S-alerted", "S-cited")
    shown.alert("S-alerted", "low", ("S-cited",))
    assert owed.ask_for_alerts(NOON_MS - HOUR_MS, NOON_MS) == 1
    assert owed.ask_for_alerts(NOON_MS - HOUR_MS, NOON_MS) == 0
    assert claimed(owed) == [alerted]


def test_an_alert_that_came_hours_before_its_original_is_found_when_all_are_looked_through(shown, owed):
    shown.alert("S-late", "low")
    now_ms = NOON_MS + 5 * HOUR_MS
    (late,) = swiped(shown, "S-late")
    assert owed.ask_for_alerts(now_ms - HOUR_MS, now_ms) == 0
    assert owed.ask_for_alerts(0, now_ms) == 1
    assert claimed(owed, now_ms) == [late]


def test_what_people_wait_for_comes_before_what_alerts_are_owed_and_each_in_its_order(shown, owed):
    first, second, third, fourth = swiped(shown, "S-1", "S-2", "S-3", "S-4")
    for number, settlement in enumerate(("S-2", "S-1")):
        shown.alert(settlement, "low")
        owed.ask_for_alerts(0, NOON_MS + number)
    owed.ask([fourth], NOON_MS + 5)
    owed.ask([third], NOON_MS + 6)
    owed.ask([first], NOON_MS + 7)
    owed.ask([fourth], NOON_MS + 8)
    assert claimed(owed, NOON_MS + 9) == [fourth, third, first, second]
    assert shown.originals.of(first).clip_owed_since_ms == NOON_MS + 1


def test_two_processes_never_make_the_same_clip_unless_one_says_nothing_any_more(shown, owed):
    (one,) = swiped(shown, "S-1")
    owed.ask([one], NOON_MS)
    assert owed.claim(NOON_MS) == one
    assert owed.claim(NOON_MS + CLAIMED_FOR_MS - 1) is None
    owed.renew(one, NOON_MS + 10_000)
    assert owed.claim(NOON_MS + CLAIMED_FOR_MS) is None
    assert owed.claim(NOON_MS + 10_000 + CLAIMED_FOR_MS) == one
    owed.release(one)
    assert owed.claim(NOON_MS) == one


def test_a_clip_that_was_made_is_owed_no_more_nor_is_one_that_was_deleted_since(shown, owed):
    shown.swipe("S-1", NOON_MS)
    shown.alert("S-1", "low")
    assert owed.ask_for_alerts(0, NOON_MS) == 0
    (asked, gone) = swiped(shown, "S-2", "S-3")
    owed.ask([asked], NOON_MS)
    assert owed.claim(NOON_MS) == asked
    shown.clips.keep(clip_of("S-2", NOON_MS))
    owed.made(asked)
    owed.ask([asked], NOON_MS)
    EvidenceRetention(shown.database, [shown.originals.kept]).remove_of_swipes(["S-3"], NOON_MS)
    owed.ask([gone], NOON_MS)
    assert claimed(owed) == []


@pytest.mark.parametrize("way", ["failed", "crashed twice"])
def test_what_cannot_be_made_says_why_and_is_never_tried_again(shown, owed, way):
    (broken, sound) = swiped(shown, "S-broken", "S-sound")
    shown.alert("S-broken", "low")
    owed.ask([broken], NOON_MS)
    owed.ask([sound], NOON_MS + 1)
    if way == "failed":
        owed.failed(broken, "undecodable")
    else:
        assert not owed.crashed(broken)
        assert owed.claim(NOON_MS) == broken
        assert owed.crashed(broken)
    owed.ask([broken], NOON_MS)
    assert owed.ask_for_alerts(0, NOON_MS) == 0
    assert claimed(owed) == [sound]
    known = shown.originals.of(broken)
    assert (known.clip_failure, known.may_become_clip) == ("undecodable" if way == "failed" else "crashed", False)


@pytest.mark.parametrize(("failure", "is_expected"), [("unreadable", False), ("missing", True)])
def test_what_can_be_copied_back_is_tried_again_for_who_asks_and_by_nobody_else(shown, owed, failure, is_expected):
    (one,) = swiped(shown, "S-1")
    shown.alert("S-1", "low")
    owed.failed(one, failure)
    assert owed.ask_for_alerts(0, NOON_MS) == 0
    owed.ask([one], NOON_MS)
    assert claimed(owed) == [one]
    known = shown.originals.of(one)
    assert (known.clip_failure, known.may_be_tried, known.may_become_clip) == (failure, True, is_expected)
    owed.made(one)
    assert shown.originals.of(one).clip_failure is None


def test_an_original_of_an_earlier_version_is_kept_and_has_no_clip(shown, owed):
    older = shown.originals.keep(replace(original("S-1"), clip_first_at_ms=None, clip_last_at_ms=None, step_ms=None))
    shown.alert("S-1", "low")
    owed.ask([older], NOON_MS)
    assert owed.ask_for_alerts(0, NOON_MS) == 0
    assert claimed(owed) == []
    assert shown.originals.read(older) == original("S-1").video
    assert not shown.originals.of(older).may_become_clip
