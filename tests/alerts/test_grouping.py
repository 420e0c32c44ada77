from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from alerts.grouping import (
    Anchor,
    Episode,
    alert_id_of,
    episode_key_of,
    highest_severity,
    latest_by_detector,
    place_anchors,
    subject_of,
)
from tests.alerts.builders import MINUTE_MS, NOON_MS, OTHER_STORE, finding

GAP_MS = 30 * MINUTE_MS
KEY = '["P32020000001","{}"]'


def anchor(minute: float, name: str | None = None) -> Anchor:
    return Anchor(finding_id=name or f"f{minute}", revision=1, occurred_at_ms=NOON_MS + int(minute * MINUTE_MS))


def alerts_of(placed: dict[str, str]) -> set[frozenset[str]]:
    return {frozenset(f for f, alert in placed.items() if alert == one) for one in placed.values()}


def arrive_one_by_one(anchors: list[Anchor]) -> dict[str, str]:
    episodes: dict[str, Episode] = {}
    placed: dict[str, str] = {}
    for one in anchors:
        alert_id = place_anchors(KEY, [one], episodes.values(), GAP_MS)[one.finding_id]
        at_ms = one.occurred_at_ms
        fresh = Episode(alert_id=alert_id, first_ms=at_ms, last_ms=at_ms)
        episodes[alert_id] = episodes.get(alert_id, fresh).with_anchor(at_ms)
        placed[one.finding_id] = alert_id
    return placed


def test_rules_about_one_person_at_one_store_share_a_subject():
    keys = {episode_key_of(finding(name)) for name in ("frequent_purchase", "split_settlement", "holder_mismatch")}
    assert len(keys) == 1


def test_another_person_or_another_store_is_another_subject():
    keys = [episode_key_of(one) for one in (finding(), finding(person="psn-2"), finding(store=OTHER_STORE))]
    assert len(set(keys)) == 3


def test_rules_about_one_till_share_a_subject_and_tills_differ():
    batch, nobody = finding("card_batch"), finding("nobody_at_counter")
    assert subject_of(batch.key) == '{"till_id":"1"}'
    assert episode_key_of(batch) == episode_key_of(nobody) != episode_key_of(finding("card_batch", till="2"))


def test_a_rule_about_the_institution_alone_has_the_institution_as_subject():
    assert subject_of(finding("closed_hours").key) == "{}"


def test_a_rule_about_two_persons_keeps_both():
    assert subject_of(finding("card_ring").key) == '{"persons":["psn-7731-secret","psn-other"]}'


def test_subject_does_not_depend_on_the_order_of_the_key():
    assert subject_of({"person_id": "p", "generic": "g"}) == subject_of({"generic": "g", "person_id": "p"})


def test_gap_of_exactly_the_episode_is_one_alert_and_a_millisecond_more_is_two():
    assert len(set(place_anchors(KEY, [anchor(0), anchor(30)], [], GAP_MS).values())) == 1
    late = Anchor(finding_id="late", revision=1, occurred_at_ms=NOON_MS + GAP_MS + 1)
    assert len(set(place_anchors(KEY, [anchor(0), late], [], GAP_MS).values())) == 2


def test_an_anchor_before_the_first_one_joins_too():
    known = Episode(alert_id="a", first_ms=NOON_MS, last_ms=NOON_MS)
    assert place_anchors(KEY, [anchor(-30)], [known], GAP_MS) == {"f-30": "a"}


def test_an_anchor_between_two_alerts_joins_the_earlier_and_both_stay():
    first = Episode(alert_id="z", first_ms=NOON_MS, last_ms=NOON_MS)
    second = Episode(alert_id="a", first_ms=NOON_MS + 2 * GAP_MS, last_ms=NOON_MS + 2 * GAP_MS)
    assert place_anchors(KEY, [anchor(30)], [second, first], GAP_MS) == {"f30": "z"}


def test_a_chain_of_short_gaps_is_one_alert():
    chain = [anchor(minute) for minute in range(0, 200, 25)]
    assert len(set(place_anchors(KEY, chain, [], GAP_MS).values())) == 1


def test_alert_id_says_which_finding_founded_it_and_when_anew():
    once, again = anchor(0), Anchor(finding_id="f0", revision=2, occurred_at_ms=NOON_MS)
    assert alert_id_of(KEY, once) == alert_id_of(KEY, anchor(0)) != alert_id_of(KEY, again)
    assert len(alert_id_of(KEY, once)) == 32


minutes = st.lists(st.integers(0, 300), unique=True, max_size=12)


@given(minutes, st.randoms(use_true_random=False))
def test_what_is_placed_together_does_not_depend_on_its_order(times, random):
    anchors = [anchor(minute) for minute in times]
    shuffled = random.sample(anchors, len(anchors))
    assert place_anchors(KEY, anchors, [], GAP_MS) == place_anchors(KEY, shuffled, [], GAP_MS)


@given(minutes)
def test_arrival_in_time_order_gives_the_same_alerts_as_arrival_together(times):
    anchors = [anchor(minute) for minute in sorted(times)]
    assert arrive_one_by_one(anchors) == place_anchors(KEY, anchors, [], GAP_MS)


@given(minutes, st.randoms(use_true_random=False))
def test_in_any_order_of_arrival_an_alert_has_no_gap_longer_than_the_episode(times, random):
    anchors = [anchor(minute) for minute in random.sample(times, len(times))]
    at_ms = {one.finding_id: one.occurred_at_ms for one in anchors}
    for group in alerts_of(arrive_one_by_one(anchors)):
        in_time = sorted(at_ms[name] for name in group)
        assert all(later - earlier <= GAP_MS for earlier, later in pairwise(in_time))


@given(minutes, st.randoms(use_true_random=False))
def test_alerts_further_apart_than_the_episode_come_out_alike_in_any_order(times, random):
    apart = [minute * 31 for minute in times]  # each its own alert, whatever comes first
    anchors = [anchor(minute) for minute in random.sample(apart, len(apart))]
    assert alerts_of(arrive_one_by_one(anchors)) == {frozenset({one.finding_id}) for one in anchors}


def test_of_successive_anchors_of_a_detector_the_latest_is_shown_the_latest_first():
    early, late = finding("card_batch"), finding("card_batch", at_ms=NOON_MS + 5)
    other = finding("nobody_at_counter", at_ms=NOON_MS + 3)
    assert latest_by_detector([late, other, early]) == latest_by_detector([early, late, other]) == [late, other]


def test_of_anchors_at_the_same_moment_the_greater_settlement_is_shown():
    one, two = finding(settlement="S-A"), finding(settlement="S-B")
    assert latest_by_detector([two, one]) == [two]


def test_highest_severity():
    assert highest_severity([finding(severity="low"), finding(severity="critical"), finding(severity="high")]) == (
        "critical"
    )
    assert highest_severity([]) == "low"
