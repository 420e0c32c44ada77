from __future__ import annotations

import pytest

from alerts.suppression import Snooze, entities_of, is_snoozed
from tests.alerts.builders import NOON_MS, OTHER_STORE, PERSON, STORE, finding


def test_a_finding_may_be_silenced_for_its_store_and_for_each_value_of_its_key():
    assert entities_of(finding()) == {f"institution_id={STORE}", f"person_id={PERSON}"}
    assert entities_of(finding("card_ring")) >= {f"persons={PERSON}", "persons=psn-other"}


def test_a_till_is_silenced_within_its_store_alone():
    here = Snooze(detector="card_batch", entity=f"till_id={STORE}/1", until_ms=NOON_MS + 1)
    assert is_snoozed(finding("card_batch"), [here], NOON_MS)
    assert not is_snoozed(finding("card_batch", store=OTHER_STORE), [here], NOON_MS)
    assert not is_snoozed(finding("card_batch", till="2"), [here], NOON_MS)


@pytest.mark.parametrize(("at_ms", "silenced"), [(NOON_MS - 1, True), (NOON_MS, False), (NOON_MS + 1, False)])
def test_the_silence_ends_at_its_end(at_ms, silenced):
    snooze = Snooze(detector="holder_mismatch", entity=f"person_id={PERSON}", until_ms=NOON_MS)
    assert is_snoozed(finding(), [snooze], at_ms) is silenced


def test_another_rule_about_the_same_person_is_not_silenced():
    snooze = Snooze(detector="frequent_purchase", entity=f"person_id={PERSON}", until_ms=NOON_MS + 1)
    assert not is_snoozed(finding(), [snooze], NOON_MS)


def test_nothing_is_silenced_without_a_snooze():
    assert not is_snoozed(finding(), [], NOON_MS)
