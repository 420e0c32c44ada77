from __future__ import annotations

import pytest

from alerts.changes import Membership, NoticeKind, Outlook, Told, outlook_of
from alerts.lifecycle import State
from alerts.reminders import card_of
from events.findings import Finding
from tests.alerts.builders import MINUTE_MS, NOON_MS, STORE, finding, policy

POLICY = policy()
LATE_MS = NOON_MS + 60 * MINUTE_MS


def new(one: Finding, *, decided_at_ms: int | None = None, snoozed: bool = False) -> Membership:
    return _member(one, decided_at_ms, changed=True, was_standing=False, was_to_store=False, snoozed=snoozed)


def known(one: Finding, *, to_store: bool = True) -> Membership:
    return _member(one, None, changed=False, was_standing=True, was_to_store=to_store)


def changed(
    one: Finding, *, decided_at_ms: int | None = None, to_store: bool = True, snoozed: bool = False
) -> Membership:
    return _member(one, decided_at_ms, changed=True, was_standing=True, was_to_store=to_store, snoozed=snoozed)


def _member(
    one: Finding,
    decided_at_ms: int | None,
    *,
    changed: bool,
    was_standing: bool,
    was_to_store: bool,
    snoozed: bool = False,
) -> Membership:
    return Membership(
        finding=one,
        decided_at_ms=one.occurred_at_ms if decided_at_ms is None else decided_at_ms,
        changed=changed,
        was_standing=was_standing,
        was_to_store=was_to_store,
        snoozed=snoozed,
    )


def told(*shown: Finding, kind: NoticeKind = "reminder") -> Told:
    return Told(kind=kind, card=card_of(shown, POLICY))


def look(state: State, screen: Told | None, *members: Membership) -> Outlook:
    return outlook_of(state, screen, members, STORE, POLICY)


def kind_of(outlook: Outlook) -> NoticeKind | None:
    return None if outlook.notice is None else outlook.notice.kind


def test_a_new_fact_is_told_once():
    one = finding()
    outlook = look("open", None, new(one))
    assert (kind_of(outlook), outlook.action, outlook.route) == ("reminder", None, "both")
    assert outlook.to_store == {one.finding_id}


def test_nothing_new_is_not_told_again():
    one = finding()
    outlook = look("delivered", told(one), known(one))
    assert (kind_of(outlook), outlook.action) == (None, None)


def test_a_fact_of_another_rule_is_an_update_that_asks_for_attention():
    one, other = finding(), finding("frequent_purchase")
    outlook = look("seen", told(one), known(one), new(other))
    assert (kind_of(outlook), outlook.action) == ("update", "renew")
    assert {fact.detector for fact in outlook.shown_to_store} == {"holder_mismatch", "frequent_purchase"}


def test_a_higher_severity_is_an_update_that_asks_for_attention():
    one, worse = finding(), finding(severity="high")
    outlook = look("seen", told(one), changed(worse))
    assert (kind_of(outlook), outlook.action, outlook.severity) == ("update", "renew", "high")


def test_a_lower_severity_is_a_quiet_update():
    one, milder = finding(severity="high"), finding()
    outlook = look("seen", told(one), changed(milder))
    assert (kind_of(outlook), outlook.action) == ("update", None)


def test_one_more_buyer_replaces_the_card_quietly():
    five = finding("card_batch")
    six = finding("card_batch", at_ms=NOON_MS + MINUTE_MS, measure={"buyers": 6})
    outlook = look("seen", told(five), known(five), new(six))
    assert (kind_of(outlook), outlook.action) == ("update", None)
    assert list(outlook.shown_to_store) == [six]


def test_a_change_that_the_screen_does_not_show_is_not_told():
    one, more_evidence = finding(), finding(evidence=["a", "b"])
    outlook = look("seen", told(one), changed(more_evidence))
    assert (kind_of(outlook), outlook.action) == (None, None)


def test_after_the_answer_another_receipt_is_asked_about_again():
    one, again = finding(), finding(at_ms=NOON_MS + MINUTE_MS)
    outlook = look("answered", told(one), known(one), new(again))
    assert (kind_of(outlook), outlook.action) == ("update", "renew")


def test_after_the_answer_a_change_of_the_same_receipt_stays_answered():
    five, six = finding("card_batch"), finding("card_batch", measure={"buyers": 6})
    outlook = look("answered", told(five), changed(six))
    assert (kind_of(outlook), outlook.action) == ("update", None)


def test_when_every_fact_is_gone_the_alert_is_withdrawn_and_the_store_told():
    one = finding()
    outlook = look("seen", told(one), changed(finding(status="withdrawn")))
    assert (kind_of(outlook), outlook.action, outlook.severity) == ("withdrawn", "withdraw", None)
    assert (outlook.to_store, outlook.shown_to_centre, outlook.route) == (frozenset(), (), "centre")


def test_a_store_that_was_never_told_is_not_told_of_the_withdrawal():
    outlook = look("open", None, changed(finding(status="withdrawn"), to_store=False))
    assert (kind_of(outlook), outlook.action) == (None, "withdraw")


def test_when_one_of_two_facts_is_gone_the_rest_stays_on_the_screen():
    one, other = finding(), finding("frequent_purchase")
    gone = finding("frequent_purchase", status="withdrawn")
    outlook = look("seen", told(one, other), known(one), changed(gone))
    assert (kind_of(outlook), outlook.action) == ("update", None)
    assert list(outlook.shown_to_store) == [one]


def test_when_only_facts_of_the_centre_are_left_the_card_at_the_store_goes():
    ring = finding("card_ring")
    outlook = look("seen", told(finding()), changed(finding(status="withdrawn")), known(ring, to_store=False))
    assert (kind_of(outlook), outlook.action, outlook.route) == ("withdrawn", None, "centre")


def test_a_withdrawn_alert_whose_fact_comes_back_asks_anew():
    one = finding()
    outlook = look("withdrawn", told(one, kind="withdrawn"), new(one))
    assert (kind_of(outlook), outlook.action) == ("reminder", "renew")


def test_a_fact_that_comes_back_too_late_is_told_to_the_centre_alone():
    one = finding()
    outlook = look("withdrawn", told(one, kind="withdrawn"), new(one, decided_at_ms=LATE_MS))
    assert (kind_of(outlook), outlook.action, outlook.route) == (None, "renew", "centre")


def test_withdrawn_stays_withdrawn_without_facts():
    outlook = look("withdrawn", told(finding(), kind="withdrawn"), known(finding(status="withdrawn")))
    assert (kind_of(outlook), outlook.action) == (None, None)


@pytest.mark.parametrize(("age_ms", "kind"), [(15 * MINUTE_MS, "reminder"), (15 * MINUTE_MS + 1, None)])
def test_an_anchor_older_than_fifteen_minutes_is_never_told_at_the_till(age_ms, kind):
    outlook = look("open", None, new(finding(), decided_at_ms=NOON_MS + age_ms))
    assert kind_of(outlook) == kind
    assert outlook.route == ("both" if kind else "centre")


def test_what_changes_too_late_stays_on_the_screen_as_it_was_told():
    five, eight = finding("card_batch"), finding("card_batch", measure={"buyers": 8}, severity="high")
    outlook = look("seen", told(five), changed(eight, decided_at_ms=LATE_MS))
    assert (kind_of(outlook), outlook.action) == (None, None)
    assert outlook.to_store == {eight.finding_id}
    assert outlook.severity == "high"


def test_a_late_withdrawal_is_still_told():
    gone = changed(finding(status="withdrawn"), decided_at_ms=LATE_MS)
    assert kind_of(look("seen", told(finding()), gone)) == "withdrawn"


def test_a_rule_of_the_centre_is_never_told_at_the_till():
    outlook = look("open", None, new(finding("card_ring")))
    assert (kind_of(outlook), outlook.route, outlook.to_store) == (None, "centre", frozenset())


def test_a_fact_of_the_centre_does_not_ring_at_the_till():
    one = finding()
    outlook = look("answered", told(one), known(one), new(finding("card_ring", severity="critical")))
    assert (kind_of(outlook), outlook.action, outlook.route, outlook.severity) == (None, None, "both", "critical")


def test_a_rule_of_the_centre_by_policy_makes_no_notice():
    outlook = outlook_of("open", None, [new(finding())], STORE, policy(holder_mismatch="centre"))
    assert (outlook.notice, outlook.route) == (None, "centre")


def test_a_route_that_changed_to_the_centre_takes_the_card_back():
    one = finding()
    outlook = outlook_of("seen", told(one), [changed(one)], STORE, policy(holder_mismatch="centre"))
    assert (kind_of(outlook), outlook.route) == ("withdrawn", "centre")


def test_an_alert_of_a_store_rule_goes_to_the_store():
    outlook = outlook_of("open", None, [new(finding())], STORE, policy(holder_mismatch="store"))
    assert (kind_of(outlook), outlook.route) == ("reminder", "store")


def test_what_is_silenced_changes_no_card():
    five, six = finding("card_batch"), finding("card_batch", measure={"buyers": 6}, severity="high")
    outlook = look("seen", told(five), changed(six, snoozed=True))
    assert (kind_of(outlook), outlook.action) == (None, None)


def test_a_finding_that_goes_to_shadow_mode_no_longer_counts():
    outlook = look("seen", told(finding()), changed(finding(mode="shadow")))
    assert (kind_of(outlook), outlook.action) == ("withdrawn", "withdraw")


def test_what_the_store_never_heard_of_may_be_told_once_it_is_fresh_and_no_longer_silenced():
    one = finding(measure={"mismatches": 3})
    outlook = look("open", None, changed(one, to_store=False))
    assert kind_of(outlook) == "reminder"
