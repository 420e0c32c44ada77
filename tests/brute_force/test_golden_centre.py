"""Hand-made cases of the rules of money, persons, stock and volume; reasoned from the contract's words."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.brute_force.stories import (
    DAY,
    HOUR,
    LONG_AGO,
    MINUTE,
    NOON,
    Row,
    anchors,
    event,
    judged,
    person,
    reversal,
    store,
    swipe,
)

# ----------------------------------------------------------------------------------------------------- near_limit


def test_near_limit_leaves_out_the_margin_and_takes_in_the_limit():
    # 20000 − max(500, 600) = 19400
    for total, near in [(19_400, False), (19_401, True), (20_000, True), (20_001, False)]:
        told = [swipe(f"s{day}", day * DAY, total_fen=19_900) for day in range(2)]
        assert bool(anchors("near_limit", *told, swipe("s", 2 * DAY, total_fen=total))) is near


def test_near_limit_counts_near_swipes_only_and_within_thirty_days():
    told = [swipe("a", 0, total_fen=19_900), swipe("x", 1, total_fen=100), swipe("b", DAY, total_fen=19_900)]
    assert anchors("near_limit", *told, swipe("c", 30 * DAY - 1, total_fen=19_900)) == {"c": "medium"}
    assert anchors("near_limit", *told, swipe("c", 30 * DAY, total_fen=19_900)) == {}


def test_near_limit_margin_in_money_holds_where_it_is_greater():
    told = [swipe(f"s{day}", day * DAY, total_fen=9_501) for day in range(3)]
    assert anchors("near_limit", *told, limit_fen=10_000) == {"s2": "medium"}
    assert anchors("near_limit", *told, limit_fen=10_000, margin_fen=499) == {}


def test_near_limit_compares_ratios_exactly():
    told = [swipe(f"s{day}", day * DAY, total_fen=93) for day in range(3)]
    assert anchors("near_limit", *told, limit_fen=100, margin_fen=0, margin_ratio="0.07") == {}


# -------------------------------------------------------------------------------------------------- settle_refund


def undone(sid: str, at: int, after: int, **fields: Any) -> list[Row]:
    return [swipe(sid, at, **fields), reversal(sid, at + after, store=fields.get("store", "A"), event_id=f"r-{sid}")]


def test_settle_refund_is_told_at_the_reversals_time():
    told = [*undone("a", 0, MINUTE), *undone("b", HOUR, 15 * MINUTE, store="B")]
    found = judged("settle_refund", *told)
    assert [(row["settlement_id"], row["occurred_at_ms"] - NOON, row["evidence"]) for row in found] == [
        ("b", HOUR + 15 * MINUTE, ["a", "b"])
    ]


def test_settle_refund_needs_the_reversal_within_a_quarter_of_an_hour_and_not_before_the_swipe():
    for after in (15 * MINUTE + 1, -1):
        assert anchors("settle_refund", *undone("a", 0, MINUTE), *undone("b", HOUR, after)) == {}
    assert anchors("settle_refund", *undone("a", 0, MINUTE), *undone("b", HOUR, 0)) == {"b": "medium"}


def test_settle_refund_looks_a_day_back_from_reversal_to_reversal():
    first = undone("a", 0, 15 * MINUTE)
    assert anchors("settle_refund", *first, *undone("b", DAY, 15 * MINUTE)) == {}
    assert anchors("settle_refund", *first, *undone("b", DAY, 15 * MINUTE - 1)) == {"b": "medium"}


def test_settle_refund_at_one_time_fires_at_both():
    assert anchors("settle_refund", *undone("a", 0, 5), *undone("b", 5, 0)) == {"a": "medium", "b": "medium"}


def test_settle_refund_takes_the_earliest_reversal():
    told = [*undone("a", 0, MINUTE), *undone("b", HOUR, MINUTE)]
    assert anchors("settle_refund", *told, reversal("b", HOUR - 1, event_id="r9")) == {}
    assert anchors("settle_refund", *told, reversal("b", 20 * HOUR, event_id="r9")) == {"b": "medium"}


# --------------------------------------------------------------------------------------------- injection_drawdown


def injection(amount: int, at: int = 0, name: str = "i1") -> Row:
    return event("account_injection", name, NOON + at, person_id="p1", year=2024, amount_fen=amount)


def test_injection_drawdown_fires_at_the_swipe_that_reaches_the_share_exactly():
    told = [swipe("a", 1, account_fen=599), swipe("b", 2, account_fen=1), swipe("c", 3, account_fen=1)]
    found = judged("injection_drawdown", injection(1000), *told)
    assert [(row["key"], row["settlement_id"], row["evidence"]) for row in found] == [
        ({"person_id": "p1", "injection": "i1"}, "b", ["a", "b"])
    ]


def test_injection_drawdown_begins_after_the_injection_and_includes_its_end():
    assert anchors("injection_drawdown", injection(1000), swipe("a", 0, account_fen=900)) == {}
    assert anchors("injection_drawdown", injection(1000), swipe("a", 72 * HOUR, account_fen=900)) == {"a": "medium"}
    assert anchors("injection_drawdown", injection(1000), swipe("a", 72 * HOUR + 1, account_fen=900)) == {}


def test_injection_drawdown_takes_swipes_of_one_moment_by_id():
    told = [swipe("b", 1, account_fen=300), swipe("a", 1, account_fen=300)]
    assert anchors("injection_drawdown", injection(1000), *told) == {"b": "medium"}


def test_injection_of_nothing_is_never_drawn_down():
    assert anchors("injection_drawdown", injection(0), swipe("a", 1, account_fen=1)) == {}


def test_each_injection_is_drawn_down_for_itself():
    told = [injection(1000), injection(500, 1, "i2"), swipe("a", 2, account_fen=300), swipe("b", 3, account_fen=300)]
    found = judged("injection_drawdown", *told)
    assert [(row["key"]["injection"], row["settlement_id"]) for row in found] == [("i2", "a"), ("i1", "b")]


# ------------------------------------------------------------------------ ineligible_person, suspended_institution


@pytest.mark.parametrize(
    ("status", "fund", "severity"),
    [
        ("deceased", 0, "critical"),
        ("paused", 1, "high"),
        ("ended", 0, "low"),
        ("deceased", 1, "critical"),
        ("paused", 0, "low"),
    ],
)
def test_ineligible_person_by_status_and_fund(status, fund, severity):
    assert anchors("ineligible_person", person("p1", status=status), swipe("a", fund_fen=fund)) == {"a": severity}


def test_ineligible_person_is_judged_by_the_version_in_force():
    told = [person("p1"), person("p1", since=5, status="ended"), person("p1", since=9)]
    swipes = [swipe("a", 4), swipe("b", 5), swipe("c", 8), swipe("d", 9)]
    assert anchors("ineligible_person", *told, *swipes) == {"b": "low", "c": "low"}


def test_unknown_or_not_yet_known_person_is_not_ineligible():
    assert anchors("ineligible_person", swipe("a"), person("p1", since=1, status="deceased")) == {}


def test_suspended_institution_at_the_swipes_own_time():
    told = [store("A"), store("A", since=5, agreement="suspended"), swipe("a", 4), swipe("b", 5), swipe("c", store="Z")]
    assert anchors("suspended_institution", *told) == {"b": "critical"}


# ---------------------------------------------------------------------------------------------- sex_age_conflict


def drug(code: str = "d", at: int = 0, name: str = "g1", **fields: Any) -> Row:
    return event("drug", name, LONG_AGO + at, **{"drug_code": code, "name": code, **fields})


def item(code: str = "d", **fields: Any) -> Row:
    return {"line_no": 1, "drug_code": code, "quantity": 1, "unit_price_fen": 1, "amount_fen": 1, **fields}


def conflict(*told: Row, at: int = 0, **fields: Any) -> dict[str, str]:
    return anchors("sex_age_conflict", store("A"), swipe("s", at, items=[item()], **fields), *told)


def test_sex_conflict_needs_both_sexes_known():
    assert conflict(drug(sex="F"), person("p1", sex="M")) == {"s": "medium"}
    assert conflict(drug(sex="F"), person("p1", sex="M"), fund_fen=1) == {"s": "high"}
    assert conflict(drug(sex="F"), person("p1", sex="F")) == {}
    assert conflict(drug(sex="F"), person("p1")) == {}
    assert conflict(drug(), person("p1", sex="M")) == {}
    assert conflict(drug(sex="F")) == {}


def test_latest_drug_holds_for_all_time():
    old, new = drug(sex="F", name="g9"), drug(at=1, name="g1")
    assert conflict(new, old, person("p1", sex="M")) == {}
    assert conflict(drug(sex="F", name="g9"), drug(name="g10"), person("p1", sex="M")) == {"s": "medium"}


def test_age_limits_are_inclusive_in_completed_years():
    # NOON is 18 June 2024.
    for born, fires in [("2006-06-18", False), ("2006-06-19", True)]:
        assert bool(conflict(drug(min_age_years=18), person("p1", birth_date=born))) is fires
    for born, fires in [("1964-06-19", False), ("1964-06-18", True)]:
        assert bool(conflict(drug(max_age_years=59), person("p1", birth_date=born))) is fires


def test_age_is_judged_on_the_local_date():
    told = [drug(min_age_years=18), person("p1", birth_date="2006-06-19")]
    assert conflict(*told, at=12 * HOUR) == {}
    assert conflict(*told, at=12 * HOUR - 1) == {"s": "medium"}


def test_born_on_a_leap_day_one_is_older_on_the_first_of_march_in_common_years():
    told = [drug(min_age_years=18), person("p1", birth_date="2004-02-29")]
    first_of_march = (date(2022, 3, 1) - date(2024, 6, 18)).days * DAY
    assert conflict(*told, at=first_of_march) == {}
    assert conflict(*told, at=first_of_march - DAY) == {"s": "medium"}


def test_age_needs_a_known_institution_and_sex_does_not():
    told = [drug(min_age_years=18, sex="F"), swipe("s", store="Z", items=[item()])]
    assert anchors("sex_age_conflict", *told, person("p1", birth_date="2020-01-01")) == {}
    assert anchors("sex_age_conflict", *told, person("p1", sex="M")) == {"s": "medium"}


# ----------------------------------------------------------------------------------------------------- oversupply


def supply(sid: str, at: int, days: float | None, code: str = "d", **fields: Any) -> Row:
    return swipe(sid, at, items=[item(code, days_supply=days)], **fields)


def test_oversupply_needs_more_than_forty_five_days():
    assert anchors("oversupply", supply("a", 0, 45)) == {}
    assert anchors("oversupply", supply("a", 0, 45.00001)) == {"a": "medium"}
    assert anchors("oversupply", supply("a", 0, 30), supply("b", DAY, 16)) == {}
    assert anchors("oversupply", supply("a", 0, 30), supply("b", DAY - 1, 16)) == {"b": "medium"}


def test_oversupply_starts_anew_after_a_gap():
    assert anchors("oversupply", supply("a", 0, 30), supply("b", 40 * DAY, 45)) == {}


def test_oversupply_of_chronic_categories_allows_eighty_four_days():
    assert anchors("oversupply", supply("a", 0, 84, category="1402")) == {}
    assert anchors("oversupply", supply("a", 0, 84.5, category="14")) == {"a": "medium"}
    assert anchors("oversupply", supply("a", 0, 46, category="41")) == {"a": "medium"}


def test_oversupply_joins_drugs_of_one_generic_and_items_of_one_swipe():
    lines = [item("d", days_supply=20), item("e", days_supply=26, line_no=2)]
    assert anchors("oversupply", swipe("a", items=lines)) == {}
    one = [drug("d", generic_code="g"), drug("e", name="g2", generic_code="g")]
    found = judged("oversupply", *one, swipe("a", items=lines))
    assert [row["key"] for row in found] == [{"person_id": "p1", "generic": "g"}]


def test_oversupply_leaves_out_items_without_days_and_swipes_of_the_moment_that_come_after():
    assert anchors("oversupply", supply("a", 0, 46), supply("b", 1, None)) == {"a": "medium"}
    assert anchors("oversupply", supply("b", 0, 23), supply("a", 0, 23)) == {"b": "medium"}


def test_oversupply_forgets_what_is_a_year_old():
    told = [supply("a", 0, 400), supply("b", 365 * DAY, 20)]
    assert anchors("oversupply", *told) == {"a": "medium"}
    assert anchors("oversupply", told[0], supply("b", 365 * DAY - 1, 20)) == {"a": "medium", "b": "medium"}


# ----------------------------------------------------------------------------------------------- trace_code_reuse


def pack(sid: str, at: int = 0, code: str = "c", **fields: Any) -> Row:
    return swipe(sid, at, items=[item(trace_codes=[code])], **fields)


def classes(*told: Row) -> list[tuple[str, str, int, str]]:
    found = judged("trace_code_reuse", *told)
    return [(row["settlement_id"], row["measure"]["class"], row["measure"]["uses"], row["severity"]) for row in found]


def test_trace_code_classes():
    assert classes(pack("a"), pack("b", 1)) == [("b", "swap", 2, "high")]
    assert classes(pack("a"), pack("b", 3 * DAY, store="B")) == [("b", "reflow", 2, "high")]
    assert classes(pack("a"), pack("b", 3 * DAY - 1, store="B")) == [("b", "counterfeit", 2, "high")]


def test_trace_code_is_compared_with_the_latest_earlier_use():
    told = [pack("a", store="B"), pack("b", 1), pack("c", 2)]
    assert classes(*told)[-1] == ("c", "swap", 3, "critical")


def test_trace_code_at_one_moment_has_an_order():
    assert classes(pack("b"), pack("a", store="B")) == [("b", "counterfeit", 2, "high")]


def test_trace_code_printed_twice_in_one_swipe_counts_once():
    twice = swipe("a", items=[item(trace_codes=["c", "c"]), item(trace_codes=["c"], line_no=2)])
    assert classes(twice) == []
    assert classes(twice, pack("b", 1)) == [("b", "swap", 2, "high")]


def test_split_packs_are_ignored_everywhere():
    split = swipe("a", items=[item(trace_codes=["c"], split_pack=True)])
    assert classes(split, pack("b", 1)) == []
    assert classes(pack("a"), swipe("b", 1, items=[item(trace_codes=["c"], split_pack=True)])) == []


def test_trace_code_is_remembered_for_two_years():
    assert classes(pack("a"), pack("b", 730 * DAY)) == []
    assert classes(pack("a"), pack("b", 730 * DAY - 1)) == [("b", "swap", 2, "high")]


# ----------------------------------------------------------------------------------------------- stock_imbalance


def moved(kind: str, quantity: float, at: int = -HOUR, name: str = "m1", **fields: Any) -> Row:
    said = {"institution_id": "A", "kind": kind, "drug_code": "d", "quantity": quantity}
    return event("stock_movement", name, NOON + at, **{**said, **fields})


def sold(quantity: float, sid: str = "s", at: int = 0) -> Row:
    return swipe(sid, at, items=[item(quantity=quantity)])


def test_stock_imbalance_needs_more_than_three_units_or_five_per_cent():
    assert anchors("stock_imbalance", moved("count", 10), sold(13)) == {}
    assert anchors("stock_imbalance", moved("count", 10), sold(13.1)) == {"s": "high"}
    assert anchors("stock_imbalance", moved("count", 100), sold(105)) == {}
    assert anchors("stock_imbalance", moved("count", 100), sold(105.01)) == {"s": "high"}


def test_stock_imbalance_needs_a_count_or_a_purchase():
    assert anchors("stock_imbalance", sold(50)) == {}
    assert anchors("stock_imbalance", moved("adjust", 1), sold(50)) == {}
    assert anchors("stock_imbalance", moved("purchase", 1, at=-400 * DAY), sold(50)) == {}
    assert anchors("stock_imbalance", moved("purchase", 1, at=-400 * DAY + 1), sold(50)) == {"s": "high"}


def test_stock_imbalance_counts_from_the_latest_count_and_not_at_its_moment():
    told = [moved("purchase", 50, at=-2 * HOUR), moved("count", 0, name="m2"), moved("purchase", 9, name="m3")]
    assert anchors("stock_imbalance", *told, sold(4)) == {"s": "high"}
    later = moved("purchase", 9, at=-HOUR + 1, name="m3")
    assert anchors("stock_imbalance", *told[:2], later, sold(4)) == {}


def test_of_counts_at_one_time_the_greater_event_id_holds():
    assert anchors("stock_imbalance", moved("count", 9, name="m9"), moved("count", 0, name="m10"), sold(4)) == {}


def test_stock_imbalance_adds_up_all_kinds():
    told = [
        moved("count", 10, name="a"),
        moved("purchase", 5, at=-9, name="b"),
        moved("purchase_return", 2, at=-8, name="c"),
        moved("adjust", -1, at=-7, name="d"),
        moved("sale", 4, at=-6, name="e", setl_kind="self_pay"),
        moved("sale_return", 1, at=-5, name="f", setl_kind="self_pay"),
        moved("sale", 100, at=-4, name="g", setl_kind="insured"),
        moved("sale", 100, at=-3, name="h"),
    ]  # supply 12, sold 3 by self-payers
    assert anchors("stock_imbalance", *told, sold(12)) == {}
    found = judged("stock_imbalance", *told, sold(12.5))
    assert found[0]["evidence"] == ["a", "b", "c", "d", "e", "f", "s"]


def test_deletion_removes_a_movement_of_this_institution_for_all_time():
    told = [moved("count", 0), moved("purchase", 9, at=-9, name="m2")]
    deletion = moved("deletion", 1, at=DAY, name="m3", refers_to="m2", drug_code="other")
    assert anchors("stock_imbalance", *told, sold(4)) == {}
    assert anchors("stock_imbalance", *told, sold(4), deletion) == {"s": "high"}
    elsewhere = {**deletion, "institution_id": "B"}
    assert anchors("stock_imbalance", *told, sold(4), elsewhere) == {}
    undeleted = moved("deletion", 1, at=DAY, name="m4", refers_to="m3")
    assert anchors("stock_imbalance", *told, sold(4), deletion, undeleted) == {"s": "high"}


def test_deleted_count_is_no_count():
    deletion = moved("deletion", 1, name="m3", refers_to="m1")
    assert anchors("stock_imbalance", moved("count", 0), sold(4), deletion) == {}


def test_stock_imbalance_counts_swipes_of_the_same_moment():
    told = [moved("count", 0), sold(2, "a"), sold(2, "b")]
    assert anchors("stock_imbalance", *told) == {"a": "high", "b": "high"}


# --------------------------------------------------------------------------------------------------- volume_surge


def days(*counts: int, today: int = 0) -> list[Row]:
    """Returns swipes on the same weekday one, two, three … weeks ago, and today's."""
    told = [store("A")]
    for week, count in enumerate(counts, start=1):
        told += [swipe(f"w{week}-{number}", -week * 7 * DAY + number, person=f"p{number}") for number in range(count)]
    return told + [swipe(f"s{number:02}", number) for number in range(1, today + 1)]


def test_volume_surge_reaches_median_and_three_times_the_spread():
    # median 1, MAD 0: 1 + 3 · max(0, 1, 1) = 4
    assert anchors("volume_surge", *days(1, 1, 1, 1, today=3)) == {}
    assert anchors("volume_surge", *days(1, 1, 1, 1, today=9)) == {"s04": "medium"}


def test_volume_surge_takes_the_root_of_the_median():
    # median 4, MAD 0: 4 + 3 · 2 = 10
    assert anchors("volume_surge", *days(4, 4, 4, 4, today=9)) == {}
    assert anchors("volume_surge", *days(4, 4, 4, 4, today=10)) == {"s10": "medium"}


def test_volume_surge_takes_the_median_of_the_deviations():
    # days 1, 1, 5, 5: median 3, MAD 2: 3 + 3 · 2.9652 = 11.8956
    assert anchors("volume_surge", *days(1, 1, 5, 5, today=11)) == {}
    assert anchors("volume_surge", *days(1, 1, 5, 5, today=12)) == {"s12": "medium"}


def test_volume_surge_needs_four_of_the_previous_eight_weeks():
    assert anchors("volume_surge", *days(1, 1, 1, today=9)) == {}
    assert anchors("volume_surge", *days(1, 1, 1, 0, 0, 0, 0, 1, today=9)) == {"s04": "medium"}
    assert anchors("volume_surge", *days(1, 1, 1, 0, 0, 0, 0, 0, 1, today=9)) == {}


def test_volume_surge_counts_local_days():
    told = days(1, 1, 1, 1, today=3)
    assert anchors("volume_surge", *told, swipe("x", 12 * HOUR - 1)) == {"x": "medium"}
    assert anchors("volume_surge", *told, swipe("x", 12 * HOUR)) == {}


def test_volume_surge_reaches_from_the_first_place_of_a_date_to_the_last():
    # A store that moves across the date line: NOON is 18:00 on 18 June in Kiritimati, 16:00 on 17 June in GMT+12.
    first, last = -7 * DAY - 18 * HOUR, 32 * HOUR - 1  # 11 June 00:00 there; 18 June, its last millisecond here
    told = [store("A", time_zone="Pacific/Kiritimati"), store("A", since=0, time_zone="Etc/GMT+12"), swipe("w", first)]
    busy = [swipe(f"s{number}", last) for number in range(1, 5)]
    assert anchors("volume_surge", *told, *busy, weeks=1, min_days=1) == {"s4": "medium"}
    assert anchors("volume_surge", *told[:2], swipe("w", first - 1), *busy, weeks=1, min_days=1) == {}
    late = [swipe(f"s{number}", last + 1) for number in range(1, 5)]
    assert anchors("volume_surge", *told, *late, weeks=1, min_days=1) == {}


def test_volume_surge_needs_a_known_institution():
    assert anchors("volume_surge", *days(1, 1, 1, 1, today=9)[1:]) == {}


# ------------------------------------------------------------------------------------------------------ card_ring


def met(number: int, at: int, gap: int = 0, who: str = "ab", till: str = "1") -> list[Row]:
    place = {"store": f"S{number}", "till": till}
    return [
        swipe(f"m{number}-{who[0]}", at, person=who[0], **place),
        swipe(f"m{number}-{who[1]}", at + gap, person=who[1], **place),
    ]


def test_card_ring_fires_at_the_later_swipe_of_the_third_place():
    found = judged("card_ring", *met(1, 0), *met(2, HOUR, 10 * MINUTE, "ba"), *met(3, DAY, 1))
    assert [(row["key"], row["settlement_id"]) for row in found] == [({"persons": ["a", "b"]}, "m3-b")]
    assert found[0]["evidence"] == ["m1-a", "m1-b", "m2-b", "m2-a", "m3-a", "m3-b"]


def test_card_ring_needs_meetings_within_ten_minutes():
    assert anchors("card_ring", *met(1, 0), *met(2, HOUR), *met(3, DAY, 10 * MINUTE + 1)) == {}
    assert anchors("card_ring", *met(1, 0), *met(2, HOUR), *met(3, DAY, 10 * MINUTE)) == {"m3-b": "high"}


def test_card_ring_needs_three_places_within_thirty_days():
    assert anchors("card_ring", *met(1, 0), *met(2, HOUR), *met(3, 30 * DAY - 1)) == {"m3-b": "high"}
    assert anchors("card_ring", *met(1, 0), *met(2, HOUR), *met(3, 30 * DAY)) == {}
    again = [swipe("x", DAY, person="a", store="S1", till="2"), swipe("y", DAY, person="b", store="S1", till="2")]
    assert anchors("card_ring", *met(1, 0), *met(2, HOUR), *again) == {}


def test_card_ring_is_no_ring_in_one_household_at_its_time():
    told = [*met(1, 0), *met(2, HOUR), *met(3, DAY)]
    assert anchors("card_ring", *told, person("a", "h"), person("b", "h")) == {}
    assert anchors("card_ring", *told, person("a", "h"), person("b", "h"), person("b", None, since=DAY)) == {
        "m3-b": "high"
    }


def test_card_ring_counts_meetings_of_the_same_moment_by_order():
    assert anchors("card_ring", *met(1, 0), *met(2, 0), *met(3, 0)) == {"m3-b": "high"}


# ------------------------------------------------------------------------------------------------------ no_filing


def filing(starts: int = 0, ends: int | None = None, to: str = "320200", **fields: Any) -> Row:
    said = {"person_id": "p1", "class": "referral", "from_region": "350100", "to_region": to}
    ends_ms = None if ends is None else NOON + ends
    when = {"starts_ms": NOON + starts, "ends_ms": ends_ms, "filed_at_ms": NOON + 9 * DAY}
    return event("cross_region_filing", f"f{starts}", NOON + 9 * DAY, **{**said, **when, **fields})


def unfiled(*told: Row, insured: str | None = "350100", region: str | None = "320281", **fields: Any) -> dict[str, str]:
    return anchors("no_filing", store("A", region=region), swipe("s", insured_region=insured, **fields), *told)


def test_no_filing_compares_the_first_four_digits():
    assert unfiled() == {"s": "low"}
    assert unfiled(fund_fen=1) == {"s": "high"}
    assert unfiled(insured="320299") == {}
    assert unfiled(insured="320100") == {"s": "low"}


def test_no_filing_needs_both_regions():
    assert unfiled(insured=None) == {}
    assert unfiled(region=None) == {}
    assert anchors("no_filing", swipe("s", insured_region="350100")) == {}


def test_filing_is_in_force_from_its_start_until_before_its_end():
    assert unfiled(filing(0)) == {}
    assert unfiled(filing(1)) == {"s": "low"}
    assert unfiled(filing(-DAY, 0)) == {"s": "low"}
    assert unfiled(filing(-DAY, 1)) == {}


def test_filing_must_be_the_persons_and_to_this_region():
    assert unfiled(filing(to="320299")) == {}
    assert unfiled(filing(to="320100")) == {"s": "low"}
    assert unfiled(filing(person_id="p2")) == {"s": "low"}
