"""holder_mismatch: faces that are not the holder's, and who may stand in for him."""

from __future__ import annotations

from typing import Any

from tests.brute_force.stories import MINUTE, SECOND, Row, person, registered, reversal, seen, swipe
from tests.product import changes_by, fired, found_by


def face(verdict: str = "mismatch", quality: float = 0.9, sid: str = "s") -> Row:
    return {"verdict": verdict, "quality": quality, "settlement_id": sid}


def measure(*told: Row, **fields: Any) -> dict[str, object]:
    (finding,) = found_by("holder_mismatch", swipe("s", **fields), *told)
    assert finding.key == {"person_id": "p1"}
    assert finding.threshold == {"min_quality": 0.5}
    return finding.measure


def test_it_says_how_many_faces_how_good_the_best_and_whose_money():
    looks = [seen("o", 0, face(quality=0.61239), face(quality=0.7), face(quality=0.4)), seen("p", 1, face(quality=0.5))]
    assert measure(*looks, fund_fen=1) == {"mismatches": 3, "best_quality": 0.7, "household": False, "fund_fen": 1}
    assert measure(looks[0], fund_fen=0)["mismatches"] == 2
    assert measure(seen("o", 0, face(quality=0.61239)))["best_quality"] == 0.612


def test_it_says_whether_the_holder_has_a_household_at_that_moment():
    look = seen("o", 0, face())
    assert measure(look, person("p1", "h"))["household"] is True
    assert measure(look, person("p1"))["household"] is False
    assert measure(look, person("p1"), person("p1", "h", since=0))["household"] is True
    assert measure(look, person("p1"), person("p1", "h", since=1))["household"] is False
    assert measure(look, person("p1", "h"), person("p1", since=0))["household"] is False
    assert measure(look, person("p1", since=0, event_id="v9"), person("p1", "h", 0, "v10"))["household"] is False
    assert measure(look, person("p0", "h"), person("p1", since=1))["household"] is False
    assert measure(look, swipe("t", 1, person="p2"), person("p1", "h"), person("p2"))["household"] is True


def test_both_ends_of_the_look_are_inside():
    for at, fires in [(-120 * SECOND, True), (60 * SECOND, True), (-120 * SECOND - 1, False), (60 * SECOND + 1, False)]:
        assert bool(fired("holder_mismatch", swipe("s"), seen("o", at, face()))) is fires


def test_a_mismatch_fires_at_once_and_a_match_an_agent_or_a_reversal_withdraws():
    told = [swipe("s"), seen("o", 0, face())]
    assert changes_by("holder_mismatch", *told, seen("m", 60 * SECOND, face("match", 0))) == ["", "+s", "-s"]
    assert changes_by("holder_mismatch", *told, registered(15 * MINUTE)) == ["", "+s", "-s"]
    assert changes_by("holder_mismatch", *told, registered(16 * MINUTE, settlement_id="s")) == ["", "+s", "-s"]
    assert changes_by("holder_mismatch", *told, reversal("s", 9)) == ["", "+s", "-s"]


def test_another_swipes_agent_or_match_changes_nothing():
    told = [swipe("s"), swipe("t", 1), seen("o", 0, face(), face(sid="t"), face("match", sid="t"))]
    assert fired("holder_mismatch", *told, registered(0, settlement_id="t")) == {"s": "medium"}
