from __future__ import annotations

import pytest

from alerts.breaker import Wish, admit


def wishes(*detectors: str, limit: int | None = 3) -> list[Wish]:
    return [Wish(detector=detector, limit=limit) for detector in detectors]


def test_as_many_as_the_limit_are_admitted_and_one_more_halts_the_rule():
    admission = admit(wishes(*"aaa"), {}, ())
    assert admission.admitted == (True, True, True)
    assert admission.tripped == frozenset()
    admission = admit(wishes(*"aaaaa"), {}, ())
    assert admission.admitted == (True, True, True, False, False)
    assert admission.tripped == {"a"}


def test_what_was_alerted_within_the_hour_counts():
    assert admit(wishes("a"), {"a": 2}, ()).admitted == (True,)
    assert admit(wishes("a"), {"a": 3}, ()).tripped == {"a"}
    assert admit(wishes("a"), {"a": 300}, ()).admitted == (False,)


def test_each_rule_has_its_own_count():
    admission = admit(wishes(*"abababab"), {"b": 1}, ())
    assert admission.admitted == (True, True, True, True, True, False, False, False)
    assert admission.tripped == {"a", "b"}


def test_a_rule_that_is_halted_is_admitted_no_more_and_not_halted_again():
    admission = admit(wishes(*"ab"), {}, {"a"})
    assert admission.admitted == (False, True)
    assert admission.tripped == frozenset()


@pytest.mark.parametrize("alerted", [0, 10**6])
def test_no_limit_is_no_limit(alerted):
    assert admit(wishes("a", limit=None), {"a": alerted}, ()).admitted == (True,)
