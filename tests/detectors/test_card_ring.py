"""card_ring: two cards that meet at one institution after another."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from detectors.catalogue import read_ruleset
from events.errors import ConfigError
from tests.brute_force.stories import DAY, HOUR, MINUTE, Row, person, reversal, swipe
from tests.product import CONFIGURED, changes_by, fired, found_by


def met(number: int, at: int, gap: int = 0, who: str = "ab", till: str = "1") -> list[Row]:
    place = {"store": f"S{number}", "till": till}
    return [
        swipe(f"m{number}-{who[0]}", at, person=who[0], **place),
        swipe(f"m{number}-{who[1]}", at + gap, person=who[1], **place),
    ]


TWICE = [*met(1, 0), *met(2, HOUR)]


@pytest.mark.parametrize(("gap", "is_meeting"), [(0, True), (10 * MINUTE, True), (10 * MINUTE + 1, False)])
def test_a_meeting_is_ten_minutes_apart_at_most(gap, is_meeting):
    assert bool(fired("card_ring", *TWICE, *met(3, DAY, gap))) is is_meeting


def test_a_meeting_needs_one_institution_and_one_till():
    for place in ({"store": "S4", "till": "1"}, {"store": "S3", "till": "2"}):
        apart = [swipe("x", DAY, person="a", store="S3"), swipe("y", DAY, person="b", **place)]
        assert fired("card_ring", *TWICE, *apart) == {}


def test_it_fires_at_the_later_swipe_by_order_and_names_both_of_each_meeting():
    (finding,) = found_by("card_ring", *TWICE, *met(3, DAY, 0, "ba"))
    assert (finding.settlement_id, finding.key) == ("m3-b", {"persons": ["a", "b"]})
    assert finding.evidence == ["m1-a", "m1-b", "m2-a", "m2-b", "m3-a", "m3-b"]
    assert finding.measure == {"institutions": 3, "meetings": 3}


def test_the_window_is_open_at_its_start_and_counts_from_the_later_swipes():
    assert fired("card_ring", *TWICE, *met(3, 30 * DAY - 1)) == {"m3-b": "high"}
    assert fired("card_ring", *TWICE, *met(3, 30 * DAY)) == {}
    first = met(1, 0, 10 * MINUTE)
    assert fired("card_ring", *first, *met(2, HOUR), *met(3, 30 * DAY + 10 * MINUTE - 1)) == {"m3-b": "high"}


def test_the_same_institution_again_is_no_other_one():
    again = [swipe(f"x-{who}", DAY, person=who, store="S1", till="2") for who in "ab"]
    assert fired("card_ring", *TWICE, *again) == {}
    assert fired("card_ring", *TWICE, *met(3, DAY), *[row | {"occurred_at_ms": row["occurred_at_ms"] + DAY} for row in
                 again]) == {"m3-b": "high", "x-b": "high"}  # fmt: skip


def test_one_household_at_the_swipes_own_time_is_no_ring():
    story = [*TWICE, *met(3, DAY)]
    family = [person("a", "h"), person("b", "h")]
    assert changes_by("card_ring", *story, *family, person("b", None, since=DAY))[-4:] == [
        "+m3-b",
        "",
        "-m3-b",
        "+m3-b",
    ]
    assert fired("card_ring", *story, *family, person("b", None, since=DAY + 1)) == {}
    assert fired("card_ring", *story, *family, person("b", None, since=DAY), person("a", "h", since=DAY + 1)) == {
        "m3-b": "high"
    }
    assert fired("card_ring", *story, person("a", "h"), person("b", "i")) == {"m3-b": "high"}


def test_meetings_of_one_moment_count_up_to_the_swipe_by_order():
    assert fired("card_ring", *met(1, 0), *met(2, 0), *met(3, 0)) == {"m3-b": "high"}


def test_three_who_travel_together_are_three_pairs():
    story = [swipe(f"{place}{who}", place * DAY, person=who, store=f"S{place}") for place in range(3) for who in "abc"]
    found = found_by("card_ring", *story)
    assert sorted((row.settlement_id, str(row.key["persons"])) for row in found) == [
        ("2b", str(["a", "b"])),
        ("2c", str(["a", "c"])),
        ("2c", str(["b", "c"])),
    ]


def test_a_late_swipe_raises_and_a_reversal_withdraws():
    story = [*TWICE, *met(3, DAY)]
    first, rest = story[0], story[1:]
    assert changes_by("card_ring", *rest, first)[-1] == "+m3-b"
    assert changes_by("card_ring", first, *rest, reversal("m2-a", 9 * DAY, person="a", store="S2"))[-1] == "-m3-b"


def test_the_store_is_not_told():
    assert CONFIGURED["card_ring"]["route"] == "centre"


def test_it_shows_its_settings():
    (finding,) = found_by("card_ring", *TWICE, *met(3, DAY))
    assert finding.threshold == {"institutions": 3, "meeting_ms": 10 * MINUTE, "window_ms": 30 * DAY}


def test_nobody_meets_himself():
    alone = [swipe(f"{place}{time}", place * DAY, person="a", store=f"S{place}") for place in range(3) for time in "12"]
    assert fired("card_ring", *alone) == {}
    assert fired("card_ring", *alone, *met(0, 9), *met(1, DAY + 9), institutions=2).keys() == {"m1-b"}


@pytest.mark.parametrize(("written", "is_allowed"), [("24h", True), ("86400001ms", False), ("0s", True)])
def test_a_meeting_lasts_a_day_at_most(written, is_allowed):
    with nullcontext() if is_allowed else pytest.raises(ConfigError):
        read_ruleset({"card_ring": CONFIGURED["card_ring"] | {"meeting": written}}, "rules.yaml")
