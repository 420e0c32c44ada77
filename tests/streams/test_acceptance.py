"""Stage 0 at reception: our clock decides what is too early and what is too late, and only for what can be late."""

from __future__ import annotations

import msgspec
import pytest

from detectors.examples import agent_registration, at, institution, observed, person, reversal, swipe
from events.dead_letters import DeadLetter, Place
from streams.acceptance import Accepted, Duplicate, Incoming, RememberedDigests, decide

WEEK_MS = 7 * 86_400_000
TEN_MINUTES_MS = 600_000
EVENT_MS = at("0s")

STOCK = {
    "type": "stock_movement",
    "event_id": "m",
    "occurred_at_ms": EVENT_MS,
    "institution_id": "P32990000001",
    "kind": "count",
    "drug_code": "d",
    "quantity": 0,
}
FILING = {
    "type": "cross_region_filing",
    "event_id": "f",
    "occurred_at_ms": EVENT_MS,
    "person_id": "329900-1",
    "class": "referral",
    "from_region": "3202",
    "to_region": "3201",
    "starts_ms": EVENT_MS,
    "filed_at_ms": EVENT_MS,
}
PERISHABLE = [swipe("s", "0s"), reversal("s", "0s"), observed("o", "0s"), STOCK]
LASTING = [
    person(occurred_at_ms=EVENT_MS),
    institution(occurred_at_ms=EVENT_MS),
    agent_registration("a", "0s"),
    FILING,
]


def reasons(events: list[dict[str, object]], received_at_ms: int | None) -> list[str]:
    """Returns what became of each event at this reception: accepted, duplicate or the reason it was set aside."""
    incoming = [
        Incoming(msgspec.json.encode(event), Place(sender="s", index=number), "s", received_at_ms)
        for number, event in enumerate(events)
    ]
    outcomes = decide(incoming, RememberedDigests())
    said = {Accepted: "accepted", Duplicate: "duplicate"}
    return [one.reason if isinstance(one, DeadLetter) else said[type(one)] for one in outcomes]


@pytest.mark.parametrize("event", PERISHABLE)
def test_seven_days_late_is_taken_and_a_millisecond_more_is_too_late(event):
    assert reasons([event], EVENT_MS + WEEK_MS) == ["accepted"]
    assert reasons([event], EVENT_MS + WEEK_MS + 1) == ["too_late"]


@pytest.mark.parametrize("event", LASTING)
def test_reference_events_are_never_too_late(event):
    assert reasons([event], EVENT_MS + 100 * WEEK_MS) == ["accepted"]


@pytest.mark.parametrize("event", [*PERISHABLE, *LASTING])
def test_ten_minutes_ahead_of_our_clock_is_taken_and_a_millisecond_more_is_the_future(event):
    assert reasons([event], EVENT_MS - TEN_MINUTES_MS) == ["accepted"]
    assert reasons([event], EVENT_MS - TEN_MINUTES_MS - 1) == ["future"]


def test_a_replay_has_no_clock_but_believes_the_senders_word():
    assert reasons(PERISHABLE, None) == ["accepted"] * len(PERISHABLE)
    told = swipe("s", "0s", received_at_ms=EVENT_MS - TEN_MINUTES_MS - 1)
    assert reasons([told], None) == ["future"]


def test_an_event_that_is_set_aside_does_not_make_a_later_one_a_duplicate():
    late, fresh = swipe("s", "0s"), swipe("s", "1s")
    assert reasons([late, fresh, fresh], EVENT_MS + WEEK_MS + 1) == ["too_late", "accepted", "duplicate"]


def test_the_repeat_of_an_accepted_event_is_a_duplicate_however_late_it_comes():
    known = RememberedDigests()
    original = msgspec.json.encode(swipe("s", "0s"))
    (accepted,) = decide([Incoming(original, Place(), "s", EVENT_MS)], known)
    assert isinstance(accepted, Accepted)
    known.remember(accepted)
    (repeated,) = decide([Incoming(original, Place(), "s", EVENT_MS + 2 * WEEK_MS)], known)
    assert isinstance(repeated, Duplicate)


def test_the_same_request_may_hold_an_event_twice_or_in_conflict():
    first, other = swipe("s", "0s"), swipe("s", "0s", total_fen=1)
    assert reasons([first, first, other], EVENT_MS) == ["accepted", "duplicate", "conflicting_duplicate"]


def test_an_unknown_institution_is_no_bad_input():
    assert reasons([swipe("s", "0s", institution_id="nobody knows it")], EVENT_MS) == ["accepted"]
