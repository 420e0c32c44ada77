"""trace_code_reuse: earlier uses of a pack's code, and what they say."""

from __future__ import annotations

from typing import Any

import pytest

from tests.brute_force.stories import DAY, Row, reversal, swipe
from tests.product import CONFIGURED, changes_by, fired, found_by


def item(*codes: str, line_no: int = 1, **fields: Any) -> Row:
    said = {"line_no": line_no, "drug_code": "d", "quantity": 1, "unit_price_fen": 1, "amount_fen": 1}
    return {**said, "trace_codes": list(codes), **fields}


def sold(name: str, at: int = 0, store: str = "A", **fields: Any) -> Row:
    return swipe(name, at, person=f"p-{name}", store=store, items=[item("c", **fields)])


@pytest.mark.parametrize(
    ("store", "gap", "said"),
    [
        ("A", 0, "swap"),
        ("A", 3 * DAY, "swap"),
        ("B", 0, "counterfeit"),
        ("B", 3 * DAY - 1, "counterfeit"),
        ("B", 3 * DAY, "reflow"),
    ],
)
def test_class_by_place_and_gap(store, gap, said):
    (finding,) = found_by("trace_code_reuse", sold("a"), sold("b", gap, store))
    assert (finding.settlement_id, finding.severity) == ("b", "high")
    assert finding.measure == {"class": said, "uses": 2}
    assert finding.key == {"trace_code": "c"}


def test_the_latest_earlier_use_decides_and_the_third_is_critical():
    first, second, third = sold("a", store="B"), sold("b", 1, "B"), sold("c", 2, "A")
    findings = found_by("trace_code_reuse", first, second, third)
    assert [(found.measure["class"], found.severity) for found in findings] == [
        ("swap", "high"),
        ("counterfeit", "critical"),
    ]
    assert findings[1].evidence == ["a", "b", "c"]


def test_the_window_is_open_at_its_start_for_uses_too():
    assert fired("trace_code_reuse", sold("a"), sold("b", 730 * DAY - 1)) == {"b": "high"}
    assert fired("trace_code_reuse", sold("a"), sold("b", 730 * DAY)) == {}
    assert fired("trace_code_reuse", sold("a"), sold("b", 1), sold("c", 730 * DAY)) == {"b": "high", "c": "high"}


def test_of_one_moment_the_greater_settlement_is_the_later():
    assert fired("trace_code_reuse", sold("a"), sold("b", 0, "B")) == {"b": "high"}


def test_a_code_printed_twice_in_one_swipe_counts_once():
    twice = swipe("a", items=[item("c", "c"), item("c", line_no=2)])
    assert fired("trace_code_reuse", twice) == {}
    assert fired("trace_code_reuse", twice, sold("b", 1)) == {"b": "high"}


def test_items_of_split_packs_are_ignored_everywhere():
    assert fired("trace_code_reuse", sold("a", split_pack=True), sold("b", 1)) == {}
    assert fired("trace_code_reuse", sold("a"), sold("b", 1, split_pack=True)) == {}
    both = swipe("b", 1, items=[item("c", split_pack=True), item("c", line_no=2)])
    assert fired("trace_code_reuse", sold("a"), both) == {"b": "high"}


def test_each_code_of_a_swipe_is_a_key_of_its_own():
    story = [swipe(name, items=[item("c", "e")]) for name in "ab"]
    assert [found.key["trace_code"] for found in found_by("trace_code_reuse", *story)] in (["c", "e"], ["e", "c"])


def test_a_late_use_moves_the_anchor_and_a_reversal_withdraws():
    story = [sold("b", 1), sold("a"), reversal("a", 9, person="p-a")]
    assert changes_by("trace_code_reuse", *story) == ["", "+b", "-b"]
    assert changes_by("trace_code_reuse", sold("b", 1), sold("c", 2), sold("a")) == ["", "+c", "+b +c"]


def test_the_store_is_not_told():
    assert CONFIGURED["trace_code_reuse"]["route"] == "centre"


def test_it_shows_its_settings():
    (finding,) = found_by("trace_code_reuse", sold("a"), sold("b", 1))
    assert finding.threshold == {"uses": 1, "window_ms": 730 * DAY, "reflow_after_ms": 3 * DAY}
