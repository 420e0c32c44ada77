"""suspended_institution: the agreement in force at the swipe."""

from __future__ import annotations

from tests.brute_force.stories import reversal, store, swipe
from tests.product import CONFIGURED, changes_by, fired, found_by


def test_a_suspension_holds_from_its_own_millisecond_until_it_is_lifted():
    story = [store("A"), store("A", since=10, agreement="suspended"), store("A", since=20), store("A", since=21)]
    swipes = [swipe(f"s{at}", at) for at in (9, 10, 19, 20)]
    assert fired("suspended_institution", *story, *swipes) == {"s10": "critical", "s19": "critical"}


def test_an_unknown_institution_is_not_judged():
    assert fired("suspended_institution", store("B", agreement="suspended"), swipe("s")) == {}


def test_of_versions_from_one_moment_the_greater_event_id_holds_as_text():
    story = [store("A", event_id="v9"), store("A", event_id="v10", agreement="suspended")]
    assert fired("suspended_institution", *story, swipe("s")) == {}


def test_a_suspension_told_late_raises_and_a_reversal_withdraws():
    told = [store("A"), swipe("s", 5), store("A", since=5, agreement="suspended"), reversal("s", 9)]
    assert changes_by("suspended_institution", *told) == ["", "", "+s", "-s"]


def test_the_store_itself_is_not_told():
    assert CONFIGURED["suspended_institution"]["route"] == "centre"
    (finding,) = found_by("suspended_institution", store("A", agreement="suspended"), swipe("s"))
    assert finding.key == {"institution_id": "A"}
    assert finding.evidence == ["s"]
