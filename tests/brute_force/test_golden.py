"""Hand-made cases of the eight rules of the main job; the expected result is reasoned from the contract's words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.brute_force.stories import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Row,
    anchors,
    corrected,
    judged,
    person,
    registered,
    reversal,
    seen,
    store,
    swipe,
)

# ------------------------------------------------------------------------------------------- what all rules share


def test_window_is_open_at_its_far_end_and_closed_at_its_near_one():
    assert anchors("split_settlement", swipe("a", 0), swipe("b", 10 * MINUTE)) == {}
    assert anchors("split_settlement", swipe("a", 1), swipe("b", 10 * MINUTE)) == {"b": "medium"}


def test_swipes_of_the_same_moment_count_for_each_other_whatever_their_order():
    assert anchors("split_settlement", swipe("b"), swipe("a")) == {"a": "medium", "b": "medium"}


def test_reversal_hides_a_swipe_from_anchors_before_it_was_made():
    told = [swipe("a", 0), swipe("b", 1), reversal("a", 30 * DAY)]
    assert anchors("split_settlement", *told) == {}
    assert anchors("split_settlement", *reversed(told)) == {}


@pytest.mark.parametrize("wrong", [{"person": "p2"}, {"store": "B"}])
def test_reversal_that_names_another_person_or_institution_hides_nothing(wrong):
    assert anchors("split_settlement", swipe("a"), swipe("b", 1), reversal("a", **wrong)) == {"b": "medium"}


# ---------------------------------------------------------------------------------------------- frequent_purchase


def test_frequent_purchase_counts_any_institution():
    told = [swipe("a", 0), swipe("b", HOUR, store="B"), swipe("c", 24 * HOUR - 1, store="C")]
    assert judged("frequent_purchase", *told) == [
        {
            "detector": "frequent_purchase",
            "key": {"person_id": "p1"},
            "settlement_id": "c",
            "severity": "medium",
            "institution_id": "C",
            "occurred_at_ms": told[2]["occurred_at_ms"],
            "evidence": ["a", "b", "c"],
        }
    ]


def test_frequent_purchase_does_not_count_exactly_a_day_ago():
    assert anchors("frequent_purchase", swipe("a", 0), swipe("b", HOUR), swipe("c", 24 * HOUR)) == {}


def test_frequent_purchase_does_not_count_exactly_thirty_days_ago():
    told = [swipe("first", 0), *[swipe(f"s{day}", day * 3 * DAY) for day in range(1, 9)]]
    assert anchors("frequent_purchase", *told, swipe("last", 30 * DAY - 1)) == {"last": "medium"}
    assert anchors("frequent_purchase", *told, swipe("last", 30 * DAY)) == {}


def test_frequent_purchase_takes_the_highest_tier_and_its_window():
    tiers = [{"window": "1h", "count": 1, "severity": "low"}, {"window": "2h", "count": 2, "severity": "high"}]
    found = judged("frequent_purchase", swipe("a", 0), swipe("b", HOUR), tiers=tiers)
    assert [(row["severity"], row["evidence"]) for row in found] == [("low", ["a"]), ("high", ["a", "b"])]


def test_frequent_purchase_of_equal_severities_shows_the_first_listed():
    wide = {"window": "2h", "count": 2, "severity": "medium"}
    narrow = {"window": "1h", "count": 1, "severity": "medium"}
    told = [swipe("a", 0), swipe("b", HOUR)]
    assert judged("frequent_purchase", *told, tiers=[narrow, wide])[1]["evidence"] == ["b"]
    assert judged("frequent_purchase", *told, tiers=[wide, narrow])[1]["evidence"] == ["a", "b"]


def test_frequent_purchase_is_critical_at_the_thirtieth_in_thirty_days():
    told = [swipe(f"s{number:02}", number * DAY) for number in range(31)]
    found = anchors("frequent_purchase", *told)
    assert set(found.values()) == {"medium", "high", "critical"}
    assert [found.get(f"s{number:02}") for number in (8, 9, 13, 14, 28, 29, 30)] == [
        None,
        "medium",
        "medium",
        "high",
        "high",
        "critical",
        "critical",
    ]


# ----------------------------------------------------------------------------------------------- split_settlement


def test_split_settlement_needs_one_person_at_one_institution_but_not_one_till():
    assert anchors("split_settlement", swipe("a"), swipe("b", 1, store="B")) == {}
    assert anchors("split_settlement", swipe("a"), swipe("b", 1, person="p2")) == {}
    assert anchors("split_settlement", swipe("a"), swipe("b", 1, till="2")) == {"b": "medium"}


# ---------------------------------------------------------------------------------------------- impossible_travel

HERE = store("A", latitude=0, longitude=0)
FAR = store("B", latitude=0, longitude=1)  # 111.195 km away: 3335.85 s at 120 km/h


def travel(*told: Row, **settings: Any) -> dict[str, str]:
    return anchors("impossible_travel", HERE, FAR, *told, **settings)


def test_impossible_travel_needs_more_than_the_speed_that_can_be_travelled():
    assert travel(swipe("a"), swipe("b", 3335 * SECOND, store="B")) == {"b": "high"}
    assert travel(swipe("a"), swipe("b", 3336 * SECOND, store="B")) == {}


def test_impossible_travel_at_the_same_moment_takes_a_second_and_the_greater_id_is_the_anchor():
    assert travel(swipe("b"), swipe("a", store="B")) == {"b": "high"}


def test_impossible_travel_compares_with_the_swipe_just_before_and_no_other():
    told = [swipe("a"), swipe("b", MINUTE, store="B", credential="e_credential"), swipe("c", 2 * MINUTE)]
    assert travel(*told) == {}
    assert travel(swipe("a"), swipe("b", 2, store="nowhere"), swipe("c", 3, store="B")) == {}


def test_impossible_travel_needs_the_anchor_in_person():
    assert travel(swipe("a"), swipe("b", 1, store="B", credential="e_credential")) == {}


def test_impossible_travel_uses_each_swipes_own_position():
    moved = store("A", since=1, latitude=0, longitude=1)
    assert travel(swipe("a", 0), swipe("b", 1), moved) == {"b": "high"}
    assert travel(swipe("a", 1), swipe("b", 2), moved) == {}


def test_impossible_travel_needs_both_halves_of_a_position():
    half = store("B", since=-1, latitude=0)
    assert travel(swipe("a"), swipe("b", 1, store="B"), half) == {}


def test_impossible_travel_needs_two_kilometres():
    near = store("C", latitude=0, longitude=0.0179)  # 1.990 km
    beyond = store("D", latitude=0, longitude=0.018)  # 2.0015 km
    assert travel(near, swipe("a"), swipe("b", 1, store="C")) == {}
    assert travel(beyond, swipe("a"), swipe("b", 1, store="D")) == {"b": "high"}


def test_impossible_travel_cites_the_previous_swipe_and_itself():
    found = judged("impossible_travel", HERE, FAR, swipe("z"), swipe("b", 1, store="B"))
    assert found[0]["evidence"] == ["z", "b"]


def test_version_of_equal_times_with_the_greater_event_id_is_in_force():
    lesser, greater = store("A", 0, "v10", latitude=0, longitude=1), store("A", 0, "v9", latitude=0, longitude=0)
    assert travel(lesser, greater, swipe("a"), swipe("b", 1, store="B")) == {"b": "high"}


# ----------------------------------------------------------------------------------------------------- card_batch


def test_card_batch_counts_buyers_not_swipes():
    told = [swipe(f"s{number}", number, person=f"p{number % 4}") for number in range(8)]
    assert anchors("card_batch", *told) == {}


def test_card_batch_fires_at_the_fifth_eighth_and_twelfth_buyer():
    told = [swipe(f"s{number:02}", number, person=f"p{number}") for number in range(1, 13)]
    found = anchors("card_batch", *told)
    assert found == {f"s{number:02}": "medium" for number in (5, 6, 7)} | {
        f"s{number:02}": "high" for number in (8, 9, 10, 11)
    } | {"s12": "critical"}


def test_card_batch_takes_a_household_for_one_buyer_and_not_for_a_person_of_the_same_name():
    told = [swipe(f"s{number}", number, person=f"p{number}") for number in range(1, 6)]
    assert anchors("card_batch", *told, person("p1", "h"), person("p2", "h")) == {}
    assert anchors("card_batch", *told, person("p1", "p2")) == {"s5": "medium"}


def test_card_batch_judges_the_household_at_each_swipes_own_time():
    told = [swipe(f"s{number}", number, person=f"p{number}") for number in range(1, 5)]
    again = swipe("s5", 5, person="p1")
    assert anchors("card_batch", *told, again, person("p1", "h")) == {}
    assert anchors("card_batch", *told, again, person("p1", "h"), person("p1", None, since=5)) == {"s5": "medium"}


def test_card_batch_does_not_count_exactly_the_window_ago():
    told = [swipe(f"s{number}", number, person=f"p{number}") for number in range(4)]
    assert anchors("card_batch", *told, swipe("s", 10 * MINUTE, person="x")) == {}
    assert anchors("card_batch", *told, swipe("s", 10 * MINUTE - 1, person="x")) == {"s": "medium"}


def test_card_batch_needs_one_till():
    told = [swipe(f"s{number}", number, person=f"p{number}", till=str(number % 2)) for number in range(1, 6)]
    assert anchors("card_batch", *told) == {}


# --------------------------------------------------------------------------------------------------- closed_hours


def closed(opens: str | None, closes: str | None, at: int, **fields: Any) -> bool:
    """Returns whether a swipe so long after 12:00 in Shanghai is outside the hours."""
    return bool(anchors("closed_hours", store("A", opens_at=opens, closes_at=closes, **fields), swipe("a", at)))


def test_closed_hours_ends_a_quarter_of_an_hour_after_closing():
    assert not closed("08:00", "12:00", 15 * MINUTE)
    assert closed("08:00", "12:00", 15 * MINUTE + 1)


def test_closed_hours_begins_a_quarter_of_an_hour_before_opening():
    assert not closed("12:15", "20:00", 0)
    assert closed("12:15", "20:00", -1)


def test_closed_hours_may_run_over_midnight():
    assert closed("22:00", "06:00", 0)
    assert not closed("22:00", "06:00", 12 * HOUR)
    assert not closed("22:00", "06:00", -6 * HOUR + 15 * MINUTE)
    assert closed("22:00", "06:00", -6 * HOUR + 15 * MINUTE + 1)


@pytest.mark.parametrize("hours", [("00:00", "24:00"), ("24:00", "00:00"), ("09:00", "09:00"), ("00:00", "00:00")])
def test_equal_hours_are_always_open(hours: tuple[str, str]) -> None:
    assert not any(closed(*hours, at * HOUR) for at in range(24))


def test_hours_that_reach_a_day_with_their_grace_are_always_open():
    assert not closed("00:00", "23:30", 11 * HOUR + 45 * MINUTE)
    assert closed("00:00", "23:29", 11 * HOUR + 44 * MINUTE + 1)


@pytest.mark.parametrize("hours", [(None, "11:00"), ("13:00", None), (None, None)])
def test_unknown_hours_are_never_closed(hours: tuple[str | None, str | None]) -> None:
    assert not closed(*hours, 0)


def test_closed_hours_needs_a_known_institution():
    later = store("A", since=1, opens_at="13:00", closes_at="14:00")
    assert anchors("closed_hours", later, swipe("a", 0), swipe("b", 1)) == {"b": "medium"}


def test_closed_hours_are_local_and_follow_the_clocks():
    # NOON is 04:00 UTC. London keeps summer time in June: 05:00 there; in Kathmandu it is 09:45.
    assert closed("05:16", "20:00", 0, time_zone="Europe/London")
    assert not closed("05:15", "20:00", 0, time_zone="Europe/London")
    assert not closed("09:00", "09:30", 0, time_zone="Asia/Kathmandu")
    assert closed("09:00", "09:29", 0, time_zone="Asia/Kathmandu")


def test_closed_hours_do_not_exempt_delivery():
    told = [store("A", opens_at="08:00", closes_at="10:00"), swipe("a", delivery=True)]
    assert anchors("closed_hours", *told) == {"a": "medium"}


# ---------------------------------------------------------------------------------------------- nobody_at_counter


def empty(*times: int, **fields: Any) -> list[Row]:
    return [seen(f"o{at}", at * SECOND, **fields) for at in times]


def test_nobody_at_counter_includes_both_ends():
    assert anchors("nobody_at_counter", swipe("a"), *empty(-120, 0, 60)) == {"a": "medium"}
    assert anchors("nobody_at_counter", swipe("a", -1), *empty(-120, 0, 60)) == {}
    assert anchors("nobody_at_counter", swipe("a", 1), *empty(-120, 0, 60)) == {}


def test_nobody_at_counter_is_cancelled_by_one_healthy_look_at_somebody():
    assert anchors("nobody_at_counter", swipe("a"), *empty(-3, -2, -1), seen("x", 0, people=1)) == {}
    told = [*empty(-3, -2, -1), seen("x", 0, people=1, healthy=False)]
    assert anchors("nobody_at_counter", swipe("a"), *told) == {"a": "medium"}


def test_nobody_at_counter_needs_three_healthy_looks_at_this_till():
    assert anchors("nobody_at_counter", swipe("a"), *empty(-2, -1), *empty(0, healthy=False)) == {}
    assert anchors("nobody_at_counter", swipe("a"), *empty(-2, -1), *empty(0, till="2")) == {}
    assert anchors("nobody_at_counter", swipe("a"), *empty(-2, -1), *empty(0, camera_id="other")) == {"a": "medium"}


def test_nobody_at_counter_exempts_delivery_only_when_it_is_true():
    assert anchors("nobody_at_counter", swipe("a", delivery=True), *empty(-2, -1, 0)) == {}
    assert anchors("nobody_at_counter", swipe("a", delivery=False), *empty(-2, -1, 0)) == {"a": "medium"}


def test_nobody_at_counter_cites_the_looks_in_time_order():
    told = [seen("z", 0), seen("b", 1), seen("a", 1)]
    assert judged("nobody_at_counter", swipe("s"), *told)[0]["evidence"] == ["z", "a", "b"]


# ------------------------------------------------------------------------------------------------ holder_mismatch


def face(verdict: str | None = "mismatch", quality: float = 0.9, sid: str | None = "s", **fields: Any) -> Row:
    return {"verdict": verdict, "quality": quality, "settlement_id": sid, **fields}


def mismatch(*told: Row, **fields: Any) -> dict[str, str]:
    return anchors("holder_mismatch", swipe("s", **fields), *told)


def test_holder_mismatch_needs_half_the_quality():
    assert mismatch(seen("o", 0, face(quality=0.5))) == {"s": "medium"}
    assert mismatch(seen("o", 0, face(quality=0.49))) == {}


def test_holder_mismatch_is_high_with_the_funds_money():
    assert mismatch(seen("o", 0, face()), fund_fen=1) == {"s": "high"}


def test_holder_mismatch_is_cancelled_by_a_match_of_any_quality():
    assert mismatch(seen("o", 0, face()), seen("m", 60 * SECOND, face("match", 0))) == {}


def test_match_counts_only_from_healthy_observations_of_this_till_and_time():
    assert mismatch(seen("o", 0, face()), seen("m", 0, face("match"), healthy=False)) == {"s": "medium"}
    assert mismatch(seen("o", 0, face()), seen("m", 60 * SECOND + 1, face("match"))) == {"s": "medium"}
    assert mismatch(seen("o", 0, face()), seen("m", 0, face("match"), till="2")) == {"s": "medium"}


def test_holder_mismatch_needs_the_face_compared_for_this_swipe():
    assert mismatch(seen("o", 0, face(sid=None), face(sid="t"))) == {}
    assert mismatch(seen("o", 0, face("inconclusive"), face(None))) == {}


def test_holder_mismatch_includes_both_ends():
    assert mismatch(seen("o", -120 * SECOND, face())) == {"s": "medium"}
    assert mismatch(seen("o", -120 * SECOND - 1, face())) == {}


def test_agent_on_the_swipe_cancels_unless_it_is_the_holder():
    assert mismatch(seen("o", 0, face()), agent_person_id="p2") == {}
    assert mismatch(seen("o", 0, face()), agent_person_id="p1") == {"s": "medium"}


def test_agent_on_the_swipe_may_be_someone_who_has_swiped():
    told = [swipe("before", person="p2"), swipe("s", 1, agent_person_id="p2"), seen("o", 0, face())]
    assert anchors("holder_mismatch", *told) == {}


def test_unnamed_registration_counts_within_a_quarter_of_an_hour_both_ends_inside():
    for at in (-15 * MINUTE, 15 * MINUTE):
        assert mismatch(seen("o", 0, face()), registered(at)) == {}
    for at in (-15 * MINUTE - 1, 15 * MINUTE + 1):
        assert mismatch(seen("o", 0, face()), registered(at)) == {"s": "medium"}


def test_registration_that_comes_last_or_first_counts_for_its_institution_alone():
    swipes = [swipe("s"), swipe("other", 1, store="B")]
    looks = [seen("o", 0, face()), seen("p", 1, face(sid="other"), store="B")]
    assert anchors("holder_mismatch", *swipes, *looks, registered(0)) == {"other": "medium"}


def test_named_registration_counts_at_any_time_and_for_its_swipe_alone():
    assert mismatch(seen("o", 0, face()), registered(30 * DAY, settlement_id="s")) == {}
    assert mismatch(seen("o", 0, face()), registered(0, settlement_id="t")) == {"s": "medium"}


def test_registration_needs_this_institution_this_holder_and_another_agent():
    assert mismatch(seen("o", 0, face()), registered(0, store="B")) == {"s": "medium"}
    assert mismatch(seen("o", 0, face()), registered(0, store="B", settlement_id="s")) == {"s": "medium"}
    assert mismatch(seen("o", 0, face()), registered(0, holder="p2", agent="p1")) == {"s": "medium"}
    assert mismatch(seen("o", 0, face()), registered(0, agent="p1")) == {"s": "medium"}


def test_holder_mismatch_cites_each_mismatching_observation_once():
    told = [seen("z", -2, face(), face()), seen("b", 1, face(quality=0.1)), seen("a", 1, face())]
    assert judged("holder_mismatch", swipe("s"), *told)[0]["evidence"] == ["z", "a"]


# -------------------------------------------------------------------------------------------- one_face_many_cards


def visitor(name: str | None = "v", quality: float = 0.9, **fields: Any) -> Row:
    return {"visitor_id": name, "quality": quality, **fields}


def crowd(count: int, step: int = MINUTE, faces: list[Row] | None = None, **fields: Any) -> list[Row]:
    """Returns swipes of different people at one till, each with one look at the same visitor at its moment."""
    told: list[Row] = []
    for number in range(count):
        sid = f"s{number}"
        told.append(swipe(sid, number * step, person=f"p{number}", **fields))
        told.append(seen(f"o{number}", number * step, *(faces or [visitor()])))
    return told


def test_one_face_many_cards_counts_buyers_tied_to_the_visitor():
    assert anchors("one_face_many_cards", *crowd(8)) == {
        "s2": "medium",
        "s3": "medium",
        "s4": "high",
        "s5": "high",
        "s6": "high",
        "s7": "critical",
    }


def test_one_face_many_cards_takes_a_household_for_one_buyer():
    assert anchors("one_face_many_cards", *crowd(3), person("p0", "h"), person("p2", "h")) == {}


@pytest.mark.parametrize(
    "other", [visitor(None), visitor(staff=True), visitor(quality=0.49), visitor(settlement_id="elsewhere")]
)
def test_one_face_many_cards_ignores_faces_that_are_no_visitors(other):
    assert anchors("one_face_many_cards", *crowd(3, faces=[other])) == {}


def test_one_face_many_cards_takes_faces_of_half_quality_and_staff_false():
    assert anchors("one_face_many_cards", *crowd(3, faces=[visitor(quality=0.5, staff=False)])) == {"s2": "medium"}


def test_tie_reaches_thirty_seconds_back_and_fifteen_ahead():
    two = crowd(2)
    for at in (-30 * SECOND, 15 * SECOND):
        told = [*two, swipe("s", 9 * MINUTE, person="x"), seen("o", 9 * MINUTE + at, visitor())]
        assert anchors("one_face_many_cards", *told) == {"s": "medium"}
    for at in (-30 * SECOND - 1, 15 * SECOND + 1):
        told = [*two, swipe("s", 9 * MINUTE, person="x"), seen("o", 9 * MINUTE + at, visitor())]
        assert anchors("one_face_many_cards", *told) == {}


def tied(*observations: Row) -> bool:
    """Returns whether the third swipe is tied to the visitor of two others."""
    told = [*crowd(2), swipe("s", 9 * MINUTE, person="x"), *observations]
    return bool(anchors("one_face_many_cards", *told))


def test_best_face_makes_the_tie():
    at = 9 * MINUTE
    assert not tied(seen("a", at, visitor("v", 0.8)), seen("b", at + 9, visitor("w", 0.9)))
    assert tied(seen("a", at, visitor("v", 0.9)), seen("b", at + 9, visitor("w", 0.8)))


def test_of_equal_faces_the_nearest_then_the_lesser_event_then_the_lesser_visitor_makes_the_tie():
    at = 9 * MINUTE
    assert tied(seen("z", at - 1, visitor("v")), seen("a", at + 2, visitor("a")))
    assert tied(seen("a", at - 2, visitor("v")), seen("z", at + 2, visitor("a")))
    assert not tied(seen("z", at - 2, visitor("v")), seen("a", at + 2, visitor("x")))
    assert tied(seen("a", at, visitor("w"), visitor("v")))
    assert not tied(seen("a", at, visitor("v"), visitor("a")))


def test_unhealthy_observation_makes_no_tie():
    assert not tied(seen("a", 9 * MINUTE, visitor("v"), healthy=False))


def test_latest_correction_holds():
    at = 9 * MINUTE
    look = seen("look", at, visitor("w"))
    assert tied(look, corrected("c1", "look", "v"))
    assert not tied(look, corrected("c1", "look", "v"), corrected("c2", "look", None))
    assert tied(look, corrected("c2", "look", "v"), corrected("c1", "look", None))
    assert tied(look, corrected("c1", "look", "v", at=2 * DAY), corrected("c2", "look", None, at=DAY))
    assert not tied(look, corrected("c1", "look", "v", face_no=1), corrected("c2", "other", "v"))


def test_corrected_visitor_competes_with_the_other_faces():
    look = seen("look", 9 * MINUTE, visitor("v", 0.6), visitor(None, 0.9))
    assert tied(look)
    assert not tied(look, corrected("c", "look", "w", face_no=1))


def test_four_buyers_in_a_week_need_two_institutions():
    one = crowd(4, step=DAY)
    assert anchors("one_face_many_cards", *one) == {}
    away = [swipe("s", 3 * DAY + 1, person="x", store="B"), seen("o", 3 * DAY + 1, visitor(), store="B")]
    assert anchors("one_face_many_cards", *one[:6], *away) == {"s": "high"}


def test_one_face_many_cards_does_not_count_exactly_the_window_ago():
    for last, fires in [(30 * MINUTE - 1, True), (30 * MINUTE, False)]:
        told = [*crowd(2), swipe("s", last, person="x"), seen("o", last, visitor())]
        assert bool(anchors("one_face_many_cards", *told)) is fires


def test_one_face_many_cards_looks_just_less_than_a_week_back():
    away = [swipe("far", 0, person="y", store="B"), seen("look", 0, visitor(), store="B")]
    for last, fires in [(7 * DAY - 1, True), (7 * DAY, False)]:
        told = [*away, *crowd(3, step=2 * DAY + 1)[2:], swipe("s", last, person="x"), seen("o", last, visitor())]
        assert bool(anchors("one_face_many_cards", *told)) is fires


def test_one_face_many_cards_looks_at_faces_half_a_minute_before_what_is_just_less_than_a_week_back():
    away = [swipe("far", 0, person="y", store="B"), seen("look", -30 * SECOND, visitor(), store="B")]
    last = 7 * DAY - 1
    told = [*away, *crowd(3, step=2 * DAY + 1)[2:], swipe("s", last, person="x")]
    assert anchors("one_face_many_cards", *told, seen("o", last + 15 * SECOND, visitor())) == {"s": "high"}
    assert anchors("one_face_many_cards", *told, seen("o", last + 15 * SECOND + 1, visitor())) == {}


def test_of_equal_severities_the_first_listed_window_is_cited():
    told = crowd(5)
    told[0] = swipe("s0", 0, person="p0", store="B")
    told[1] = seen("o0", 0, visitor(), store="B")
    before = [swipe("s", -DAY, person="y"), seen("o", -DAY, visitor())]
    found = judged("one_face_many_cards", *before, *told)[-1]
    assert (found["settlement_id"], found["severity"], len(found["evidence"])) == ("s4", "high", 5)


def test_reversed_swipe_is_tied_to_nobody():
    assert anchors("one_face_many_cards", *crowd(3), reversal("s0", person="p0")) == {}
