"""settle_refund: which refunds are soon, and which of them lie in one window."""

from __future__ import annotations

import pytest

from tests.brute_force.stories import DAY, HOUR, MINUTE, NOON, reversal, swipe
from tests.product import Row, changes_by, fired, found_by

SOON = 15 * MINUTE


def refunded(name: str, at: int, after: int, store: str = "A", who: str = "p1") -> list[Row]:
    sold = swipe(name, at, person=who, store=store)
    return [sold, reversal(name, at + after, person=who, store=store, event_id=f"r-{name}")]


@pytest.mark.parametrize(("after", "is_soon"), [(-1, False), (0, True), (SOON, True), (SOON + 1, False)])
def test_soon_is_from_the_swipe_itself_to_a_quarter_of_an_hour(after, is_soon):
    story = [*refunded("a", 0, MINUTE), *refunded("b", HOUR, after, store="B")]
    assert fired("settle_refund", *story) == ({"b": "medium"} if is_soon else {})


def test_the_finding_lies_at_the_reversal_and_names_the_swipes_in_their_own_order():
    story = [*refunded("b", 0, 10 * MINUTE), *refunded("a", MINUTE, 0, store="B")]
    (finding,) = found_by("settle_refund", *story)
    assert (finding.settlement_id, finding.occurred_at_ms) == ("b", NOON + 10 * MINUTE)
    assert (finding.institution_id, finding.evidence) == ("A", ["b", "a"])
    assert finding.measure == {"count": 2, "delay_ms": 10 * MINUTE}


def test_the_window_is_counted_from_reversal_to_reversal():
    first = refunded("a", 0, SOON)
    assert fired("settle_refund", *first, *refunded("b", DAY, SOON - 1)) == {"b": "medium"}
    assert fired("settle_refund", *first, *refunded("b", DAY, SOON)) == {}


def test_refunds_of_one_moment_count_for_each_other():
    assert fired("settle_refund", *refunded("a", 0, 5), *refunded("b", 5, 0)) == {"a": "medium", "b": "medium"}


def test_another_persons_refund_does_not_count():
    assert fired("settle_refund", *refunded("a", 0, 0), *refunded("b", 1, 0, who="p2")) == {}


def test_an_earlier_reversal_that_comes_late_moves_or_withdraws_the_finding():
    story = [*refunded("a", 0, MINUTE), *refunded("b", HOUR, SOON)]
    earlier = reversal("b", HOUR + MINUTE, event_id="r8")
    assert changes_by("settle_refund", *story, earlier) == ["", "", "", "+b", "+b"]
    before = reversal("b", HOUR - 1, event_id="r9")
    assert changes_by("settle_refund", *story, before) == ["", "", "", "+b", "-b"]


def test_a_reversal_that_names_another_person_undoes_nothing():
    ruled = [*refunded("a", 0, MINUTE), swipe("b", HOUR), reversal("b", HOUR, person="p2", event_id="r9")]
    assert changes_by("settle_refund", *ruled) == ["", "", "", ""]


def test_the_window_ends_with_the_reversals_moment():
    assert fired("settle_refund", *refunded("a", 0, 5), *refunded("b", 5, 1)) == {"b": "medium"}
    assert fired("settle_refund", *refunded("a", 0, 5), *refunded("b", 6, -1)) == {}


def test_swipes_of_one_moment_are_cited_by_their_ids():
    story = [*refunded("b", 0, 5), *refunded("a", 0, 5)]
    findings = found_by("settle_refund", *story)
    assert [finding.evidence for finding in findings] == [["a", "b"], ["a", "b"]]
    assert findings[0].threshold == {"count": 2, "window_ms": DAY, "within_ms": SOON}
