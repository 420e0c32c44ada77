"""Which anchors are touched, however many spans said so."""

from __future__ import annotations

import random

import pytest

from detectors.rule import Reach
from streams.touched import MANY_SPANS, Touched


@pytest.mark.parametrize(("spans", "span_ms"), [(10, 5), (1_000, 5), (1_000, 0), (1_000, 400)])
def test_many_spans_hold_what_each_of_them_holds_and_are_kept_as_few(spans, span_ms):
    chance = random.Random(spans + span_ms)
    touched = Touched(Reach(back_ms=span_ms, ahead_ms=0), is_asked_for=True)
    starts = [chance.randrange(2_000) for _ in range(spans)]
    for start in starts:
        touched.event("key", start, "cause")
    held = {ms for start in starts for ms in range(start, start + span_ms + 1)}
    assert {ms for ms in range(2_500) if touched.may_change("key", ms)} == held
    assert {ms for _, first, last in touched.spans() for ms in range(first, last + 1)} == held
    islands = sum(ms - 1 not in held for ms in held)
    assert len(touched.keys["key"].spans) <= max(MANY_SPANS, 2 * islands)
