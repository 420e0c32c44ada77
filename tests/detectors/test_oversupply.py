"""oversupply: how far ahead the supply of one generic reaches."""

from __future__ import annotations

from typing import Any

import pytest

from tests.brute_force.stories import DAY, NOON, Row, event, reversal, swipe
from tests.product import changes_by, fired, found_by


def drug(code: str, generic: str | None, name: str = "", at: int = 0) -> Row:
    return event("drug", name or f"g-{code}", NOON + at, drug_code=code, name="drug", generic_code=generic)


def item(days: float | None, code: str = "d", line_no: int = 1) -> Row:
    said = {"line_no": line_no, "drug_code": code, "quantity": 1, "unit_price_fen": 1, "amount_fen": 1}
    return {**said, "days_supply": days}


def supplied(name: str, at: int, days: float | None, code: str = "d", **fields: Any) -> Row:
    return swipe(name, at, items=[item(days, code)], **fields)


@pytest.mark.parametrize(
    ("category", "days", "fires"),
    [("41", 45, False), ("41", 45.0001, True), ("1402", 84, False), ("14", 84.0001, True), ("4114", 46, True)],
)
def test_the_limit_itself_is_not_above_it(category, days, fires):
    assert bool(fired("oversupply", supplied("a", 0, days, category=category))) is fires


def test_days_are_exact():
    # 0.1 + 0.2 in floating point is more than 0.3: the limit would be passed.
    items = [item(0.1, line_no=1), item(0.2, line_no=2)]
    assert fired("oversupply", swipe("a", items=items), supplied("b", 0, 44.7)) == {}
    assert fired("oversupply", swipe("a", items=items), supplied("b", 0, 44.700001)) == {"b": "medium"}


def test_what_has_passed_is_used_up_and_a_gap_begins_anew():
    assert fired("oversupply", supplied("a", 0, 30), supplied("b", DAY, 16)) == {}
    assert fired("oversupply", supplied("a", 0, 30), supplied("b", DAY - 1, 16)) == {"b": "medium"}
    assert fired("oversupply", supplied("a", 0, 30), supplied("b", 31 * DAY, 45)) == {}


def test_the_window_is_open_at_its_start():
    first = supplied("a", 0, 400)
    assert fired("oversupply", first, supplied("b", 365 * DAY - 1, 20)) == {"a": "medium", "b": "medium"}
    assert fired("oversupply", first, supplied("b", 365 * DAY, 20)) == {"a": "medium"}


def test_swipes_of_one_moment_are_taken_by_their_ids():
    (finding,) = found_by("oversupply", supplied("b", 0, 23), supplied("a", 0, 23))
    assert (finding.settlement_id, finding.evidence) == ("b", ["a", "b"])
    assert finding.measure == {"days_ahead": 46, "purchases": 2}
    assert finding.basis_code == "GZ10000101009000"


def test_each_generic_of_a_swipe_is_a_key_of_its_own():
    told = [drug("d", "g"), drug("e", "g"), drug("f", None), drug("h", "")]
    items = [item(23, "d", 1), item(23, "e", 2), item(46, "f", 3), item(46, "h", 4), item(None, "k", 5)]
    findings = found_by("oversupply", *told, swipe("s", items=items))
    assert sorted(str(finding.key["generic"]) for finding in findings) == ["f", "g", "h"]


def test_a_swipe_whose_items_have_no_days_is_no_anchor():
    assert fired("oversupply", supplied("a", 0, 46), supplied("b", 1, None)) == {"a": "medium"}


def test_a_drug_told_anew_joins_and_parts_supplies():
    story = [supplied("a", 0, 23, "d"), supplied("b", 1, 23, "e"), drug("d", "g"), drug("e", "g")]
    assert changes_by("oversupply", *story, drug("e", "x", name="z", at=1)) == ["", "", "", "+b", "-b"]


def test_a_late_purchase_and_its_reversal():
    story = [supplied("b", DAY, 30), supplied("a", 0, 30), reversal("a", 9 * DAY)]
    assert changes_by("oversupply", *story) == ["", "+b", "-b"]


def test_absurd_supplies_are_judged_all_the_same():
    items = [item(1.7e308, line_no=1), item(1.7e308, line_no=2)]
    assert fired("oversupply", swipe("a", items=items)) == {"a": "medium"}


@pytest.mark.parametrize(("category", "days"), [("41", 45), ("14", 84)])
def test_a_millisecond_decides(category, days):
    first = supplied("a", 0, 1, category=category)
    assert fired("oversupply", first, supplied("b", DAY, days, category=category)) == {}
    assert fired("oversupply", first, supplied("b", DAY - 1, days, category=category)) == {"b": "medium"}
    (finding,) = found_by("oversupply", supplied("a", 0, days + 1, category=category))
    assert finding.threshold == {"limit_ms": days * DAY, "window_ms": 365 * DAY}


def test_the_lesser_limit_holds_where_the_chronic_one_is_lesser():
    chronic = supplied("a", 0, 30, category="14")
    assert fired("oversupply", chronic, chronic_limit="29d") == {"a": "medium"}
    assert fired("oversupply", chronic, chronic_limit="30d") == {}
    story = [supplied("a", 0, 1, category="14"), supplied("b", DAY - 1, 30, category="14")]
    assert fired("oversupply", *story, chronic_limit="30d") == {"b": "medium"}


def test_a_fraction_of_a_day_is_counted_to_the_millisecond():
    assert fired("oversupply", supplied("a", 0, 0.5), supplied("b", DAY // 2, 45)) == {}
    assert fired("oversupply", supplied("a", 0, 0.5), supplied("b", DAY // 2 - 1, 45)) == {"b": "medium"}
    assert fired("oversupply", supplied("a", 0, 45.5), limit="3931200s") == {}
    assert fired("oversupply", supplied("a", 0, 45.50000001), limit="3931200s") == {"a": "medium"}
    assert fired("oversupply", supplied("a", 0, 45.00000002)) == {"a": "medium"}
    assert fired("oversupply", supplied("a", 0, 0.00000001), limit="0s") == {"a": "medium"}


def test_it_says_how_many_days_ahead_and_how_many_purchases():
    (finding,) = found_by("oversupply", supplied("a", 0, 45.5))
    assert finding.measure == {"days_ahead": 45.5, "purchases": 1}
    (finding,) = found_by("oversupply", supplied("a", 0, 46))
    assert repr(finding.measure["days_ahead"]) == "46"


def test_supply_of_nothing_covers_nothing():
    assert fired("oversupply", supplied("a", 0, 0), limit="0s") == {}
    assert fired("oversupply", supplied("a", 0, 0), supplied("b", 1, 1), limit="0s") == {"b": "medium"}
