"""stock_imbalance: what was sold against what was there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.brute_force.stories import DAY, HOUR, NOON, Row, event, reversal, swipe
from tests.product import CONFIGURED, changes_by, fired, found_by


def moved(kind: str, quantity: float, at: int = -HOUR, name: str = "m1", **fields: Any) -> Row:
    said = {"institution_id": "A", "kind": kind, "drug_code": "d", "quantity": quantity}
    return event("stock_movement", name, NOON + at, **{**said, **fields})


def item(quantity: float, code: str = "d", line_no: int = 1) -> Row:
    return {"line_no": line_no, "drug_code": code, "quantity": quantity, "unit_price_fen": 1, "amount_fen": 1}


def sold(quantity: float, name: str = "s", at: int = 0, **fields: Any) -> Row:
    return swipe(name, at, items=[item(quantity)], **fields)


@pytest.mark.parametrize(
    ("supply", "quantity", "fires"),
    [(10, 13, False), (10, 13.001, True), (0, 3, False), (100, 105, False), (100, 105.001, True), (60, 63, False)],
)
def test_three_units_or_five_per_cent_are_no_more_than_a_slip(supply, quantity, fires):
    assert bool(fired("stock_imbalance", moved("count", supply), sold(quantity))) is fires


def test_a_negative_supply_leaves_the_three_units():
    told = [moved("count", 0), moved("adjust", -100, at=-1, name="m2")]
    assert fired("stock_imbalance", *told, sold(0.1)) == {"s": "high"}


def test_quantities_are_exact():
    # In floating point 0.1 + 0.2 is more than 0.3.
    told = [moved("count", 0), sold(0.1, "a"), sold(0.2, "b", 1)]
    assert fired("stock_imbalance", *told, min_units=0.3, ratio=0) == {}
    assert fired("stock_imbalance", *told, min_units=0.2999999, ratio=0) == {"b": "high"}
    assert fired("stock_imbalance", *told, sold(1e-9, "c", 2), min_units=0.3, ratio=0) == {"c": "high"}
    assert fired("stock_imbalance", moved("count", 1e300), sold(1.05e300), sold(1, "t", 1)) == {"t": "high"}


def test_the_window_needs_a_count_or_a_purchase_in_it():
    for kind in ("adjust", "purchase_return", "sale", "sale_return"):
        assert fired("stock_imbalance", moved(kind, 1), sold(50)) == {}
    for kind in ("count", "purchase"):
        assert fired("stock_imbalance", moved(kind, 1, at=-400 * DAY + 1), sold(50)) == {"s": "high"}
        assert fired("stock_imbalance", moved(kind, 1, at=-400 * DAY), sold(50)) == {}


def test_without_a_count_it_begins_with_nothing_at_the_windows_start():
    told = [moved("purchase", 5), sold(5, "old", -400 * DAY), sold(3, "a", -400 * DAY + 1), sold(5)]
    (finding,) = [found for found in found_by("stock_imbalance", *told, sold(0.1, "t")) if found.settlement_id == "t"]
    assert finding.evidence == ["a", "m1", "s", "t"]
    assert finding.measure == {"sold": 8.1, "supply": 5, "missing": 3.1}


def test_what_lies_at_the_time_of_the_count_is_before_it():
    told = [moved("count", 0), moved("purchase", 9, name="m2"), sold(9, "early", -HOUR)]
    assert fired("stock_imbalance", *told, sold(3)) == {}
    assert fired("stock_imbalance", *told, sold(3.1)) == {"s": "high"}
    assert "s" not in fired("stock_imbalance", *told, moved("purchase", 9, at=-HOUR + 1, name="m3"), sold(12))


def test_of_counts_at_one_time_the_greater_event_id_holds_as_text():
    assert fired("stock_imbalance", moved("count", 9, name="m9"), moved("count", 0, name="m10"), sold(12)) == {}


def test_swipes_and_movements_of_the_anchors_moment_count_whatever_their_order():
    assert fired("stock_imbalance", moved("count", 0), sold(2, "a"), sold(2, "b")) == {"a": "high", "b": "high"}
    told = [moved("count", 0), moved("purchase", 1, at=0, name="z"), sold(4, "a")]
    assert fired("stock_imbalance", *told) == {}


def test_insured_sales_are_the_swipes_and_self_paid_ones_are_counted():
    told = [moved("count", 10), moved("sale", 4, at=-3, name="m2", setl_kind="self_pay")]
    assert fired("stock_imbalance", *told, sold(9)) == {}
    assert fired("stock_imbalance", *told, sold(9.5)) == {"s": "high"}
    for kind in ("insured", None):
        assert fired("stock_imbalance", *told, moved("sale", 9, at=-2, name="m3", setl_kind=kind), sold(9)) == {}
    back = moved("sale_return", 1, at=-2, name="m3", setl_kind="self_pay")
    assert fired("stock_imbalance", *told, back, sold(10)) == {}


def test_a_deletion_removes_for_all_time_whenever_it_comes_and_cannot_be_deleted():
    story = [moved("count", 0), moved("purchase", 9, at=-9, name="m2"), sold(4)]
    deletion = moved("deletion", 1, at=DAY, name="m3", refers_to="m2", drug_code="e")
    undo = moved("deletion", 1, at=DAY, name="m4", refers_to="m3")
    assert changes_by("stock_imbalance", *story, deletion, undo) == ["", "", "", "+s", ""]
    assert changes_by("stock_imbalance", deletion, *story) == ["", "", "", "+s"]
    elsewhere = deletion | {"institution_id": "B"}
    assert fired("stock_imbalance", *story, elsewhere) == {}


def test_a_deleted_count_gives_way_to_the_one_before():
    story = [moved("count", 9, at=-2 * HOUR, name="m0"), moved("count", 0), sold(4)]
    assert changes_by("stock_imbalance", *story, moved("deletion", 1, name="m2", refers_to="m1")) == [
        "", "", "+s", "-s",
    ]  # fmt: skip


def test_a_drug_twice_in_a_swipe_is_one_finding_and_each_drug_a_key_of_its_own():
    counts = [moved("count", 0), moved("count", 0, name="n1", drug_code="e")]
    story = swipe("s", items=[item(2), item(2, line_no=2), item(9, "e", 3), item(9, "f", 4)])
    findings = found_by("stock_imbalance", *counts, story)
    assert sorted(str(found.key["drug_code"]) for found in findings) == ["d", "e"]
    assert {found.basis_code for found in findings} == {"GZ10000202001000"}


def test_a_late_count_and_a_reversal_withdraw():
    story = [moved("purchase", 1), sold(9, "a", -3), sold(4)]
    assert changes_by("stock_imbalance", *story, moved("count", 1, at=-2, name="m2")) == ["", "+a", "+s", "-s"]
    assert changes_by("stock_imbalance", *story, reversal("a", 9)) == ["", "+a", "+s", "-a -s"]


def test_the_store_is_not_told():
    assert CONFIGURED["stock_imbalance"]["route"] == "centre"


def test_a_count_at_the_windows_start_is_outside_it():
    told = [moved("count", 100, at=-400 * DAY), moved("purchase", 1, name="m2"), sold(5)]
    assert fired("stock_imbalance", *told) == {"s": "high"}
    assert fired("stock_imbalance", moved("count", 100, at=-400 * DAY + 1), *told[1:]) == {}


def test_a_count_of_the_anchors_own_moment_is_the_latest():
    told = [moved("count", 0, name="m0"), sold(9, at=0)]
    assert fired("stock_imbalance", *told) == {"s": "high"}
    assert fired("stock_imbalance", *told, moved("count", 0, at=0)) == {}
    assert fired("stock_imbalance", *told, moved("count", 0, at=1)) == {"s": "high"}


def test_what_is_moved_or_sold_a_millisecond_later_does_not_count():
    told = [moved("count", 0), sold(4)]
    assert fired("stock_imbalance", *told, moved("purchase", 9, at=1, name="m2")) == {"s": "high"}
    assert fired("stock_imbalance", moved("count", 0), sold(3), sold(1, "later", 1)) == {"later": "high"}
    assert fired("stock_imbalance", *told[1:], moved("purchase", 0.5, at=1, name="m2")) == {}


def test_of_counts_the_latest_holds_whatever_their_ids():
    told = [moved("count", 50, at=-2 * HOUR, name="m9"), moved("count", 0, name="m1"), sold(4)]
    assert fired("stock_imbalance", *told) == {"s": "high"}


def test_movements_that_move_nothing_are_not_cited():
    told = [moved("count", 0), moved("adjust", 0, at=-3, name="m2"), moved("sale", 9, at=-2, name="m3"), sold(4)]
    (finding,) = found_by("stock_imbalance", *told)
    assert finding.evidence == ["m1", "s"]
    assert finding.threshold == {"min_units": 3.0, "ratio": 0.05, "window_ms": 400 * DAY}
    assert finding.measure == {"sold": 4, "supply": 0, "missing": 4}


def test_what_is_not_known_to_be_sold_is_nobodys_stock():
    told = [moved("count", 0), swipe("x", -1, store="B", items=[item(9, "e")]), sold(1)]
    others = [
        moved("purchase", 9, name="m2", institution_id="Z"),
        moved("sale", 9, name="m3", drug_code="z", setl_kind="self_pay"),
    ]
    assert fired("stock_imbalance", *told, *others, sold(3, "t", 1)) == {"t": "high"}


def test_the_least_share_that_is_missing_is_missing():
    told = [moved("count", 200), sold(210)]
    assert fired("stock_imbalance", *told) == {}
    assert fired("stock_imbalance", moved("count", 199.9), sold(210)) == {"s": "high"}


def test_a_drug_that_nobody_sold_is_in_no_others_stock():
    told = [moved("count", 0), sold(4), swipe("b", -1, store="B", items=[item(1)])]
    unsold = moved("purchase", 9, at=-9, name="m2", institution_id="B", drug_code="z")
    elsewhere = moved("purchase", 9, at=-9, name="m3", institution_id="Z")
    assert fired("stock_imbalance", *told, unsold, elsewhere) == {"s": "high"}
