"""injection_drawdown: the first swipe that reaches the share, once for each injection."""

from __future__ import annotations

import pytest

from tests.brute_force.stories import DAY, HOUR, NOON, Row, event, reversal, swipe
from tests.product import changes_by, fired, found_by


def injected(amount_fen: int, at: int = 0, name: str = "i", who: str = "p1") -> Row:
    return event("account_injection", name, NOON + at, person_id=who, year=2024, amount_fen=amount_fen)


@pytest.mark.parametrize(("at", "fires"), [(0, False), (1, True), (72 * HOUR, True), (72 * HOUR + 1, False)])
def test_the_window_begins_after_the_injection_and_holds_its_end(at, fires):
    assert bool(fired("injection_drawdown", injected(1000), swipe("a", at, account_fen=600))) is fires


@pytest.mark.parametrize(("amount_fen", "spent_fen", "fires"), [(1000, 599, False), (1000, 600, True), (7, 4, False)])
def test_the_share_is_exact(amount_fen, spent_fen, fires):
    assert bool(fired("injection_drawdown", injected(amount_fen), swipe("a", 1, account_fen=spent_fen))) is fires


def test_it_fires_once_and_counts_what_was_spent_until_then():
    story = [swipe(name, at, account_fen=300) for at, name in enumerate("abcd", start=1)]
    (finding,) = found_by("injection_drawdown", injected(1000), *story)
    assert (finding.settlement_id, finding.evidence) == ("b", ["a", "b"])
    assert finding.key == {"person_id": "p1", "injection": "i"}
    assert finding.measure == {"spent_fen": 600, "swipes": 2}


def test_of_one_moment_the_lesser_settlement_is_first():
    story = [swipe("b", 1, account_fen=300), swipe("a", 1, account_fen=300)]
    assert fired("injection_drawdown", injected(1000), *story) == {"b": "medium"}


def test_nothing_injected_is_never_spent_and_others_money_does_not_count():
    assert fired("injection_drawdown", injected(0), swipe("a", 1, account_fen=9)) == {}
    assert fired("injection_drawdown", injected(10, who="p2"), swipe("a", 1, account_fen=9)) == {}


def test_a_late_swipe_moves_the_finding_to_an_earlier_anchor_and_its_reversal_moves_it_back():
    story = [injected(1000), swipe("a", 1, account_fen=300), swipe("c", 3, account_fen=300)]
    late = [swipe("b", 2, account_fen=300), reversal("b", DAY)]
    assert changes_by("injection_drawdown", *story, *late) == ["", "", "+c", "-c +b", "-b +c"]


def test_an_injection_that_comes_late_is_judged_too():
    assert changes_by("injection_drawdown", swipe("a", 1, account_fen=600), injected(1000)) == ["", "+a"]


def test_sums_beyond_64_bits_are_exact():
    story = [swipe(name, 1, account_fen=2**63 - 1) for name in "abc"]
    assert fired("injection_drawdown", injected(2**63 - 1), *story, ratio=1) == {"a": "medium"}


def test_the_least_injection_is_judged_and_its_settings_are_shown():
    (finding,) = found_by("injection_drawdown", injected(1), swipe("a", 1, account_fen=1))
    assert finding.threshold == {"amount_fen": 1, "ratio": 0.6, "window_ms": 72 * HOUR}


def test_the_account_of_somebody_who_never_swipes_is_nobody_elses():
    assert (
        fired("injection_drawdown", swipe("a", 1, person="p0"), swipe("b", 1, account_fen=9), injected(9, who="x"))
        == {}
    )
