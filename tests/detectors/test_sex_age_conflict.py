"""sex_age_conflict: the drug's limits against the person on the local date."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.brute_force.stories import DAY, HOUR, NOON, Row, event, person, store, swipe
from tests.product import changes_by, fired, found_by


def drug(code: str = "d", name: str = "g", at: int = 0, **fields: Any) -> Row:
    return event("drug", name, NOON + at, drug_code=code, name="drug", **fields)


def item(code: str = "d", **fields: Any) -> Row:
    return {"line_no": 1, "drug_code": code, "quantity": 1, "unit_price_fen": 1, "amount_fen": 1, **fields}


def bought(name: str = "s", at: int = 0, **fields: Any) -> Row:
    return swipe(name, at, **{"items": [item()], **fields})


def test_the_fund_raises_it_and_only_a_known_other_sex_is_a_conflict():
    assert fired("sex_age_conflict", drug(sex="F"), person("p1", sex="M"), bought()) == {"s": "medium"}
    assert fired("sex_age_conflict", drug(sex="F"), person("p1", sex="M"), bought(fund_fen=1)) == {"s": "high"}
    for told in (person("p1", sex="F"), person("p1"), person("p2", sex="M")):
        assert fired("sex_age_conflict", drug(sex="F"), told, bought()) == {}


@pytest.mark.parametrize(
    ("born", "limits", "fires"),
    [
        ("2006-06-18", {"min_age_years": 18}, False),
        ("2006-06-19", {"min_age_years": 18}, True),
        ("1964-06-19", {"max_age_years": 59}, False),
        ("1964-06-18", {"max_age_years": 59}, True),
        ("2024-06-19", {"min_age_years": 0}, True),
        ("2024-06-18", {"max_age_years": 0, "min_age_years": 0}, False),
        (None, {"min_age_years": 200}, False),
    ],
)
def test_both_age_limits_are_inclusive(born, limits, fires):
    told = [store("A"), drug(**limits), person("p1", birth_date=born), bought()]  # 18 June 2024
    assert bool(fired("sex_age_conflict", *told)) is fires


@pytest.mark.parametrize(("day", "fires"), [(date(2022, 2, 28), True), (date(2022, 3, 1), False)])
def test_born_on_29_february_one_is_older_on_1_march(day, fires):
    at = (day - date(2024, 6, 18)).days * DAY
    told = [store("A"), drug(min_age_years=18), person("p1", birth_date="2004-02-29"), bought(at=at)]
    assert bool(fired("sex_age_conflict", *told)) is fires


@pytest.mark.parametrize(("zone", "midnight"), [("Asia/Shanghai", 12 * HOUR), ("America/New_York", 24 * HOUR)])
def test_the_date_is_the_institutions(zone, midnight):
    told = [store("A", time_zone=zone), drug(min_age_years=18), person("p1", birth_date="2006-06-19")]
    assert fired("sex_age_conflict", *told, bought("a", midnight - 1), bought("b", midnight)) == {"a": "medium"}


def test_without_a_known_institution_the_age_is_not_judged_and_the_sex_is():
    told = [drug(min_age_years=18, sex="F"), person("p1", birth_date="2020-01-01"), bought()]
    assert fired("sex_age_conflict", *told) == {}
    assert fired("sex_age_conflict", *told, person("p1", since=0, sex="M", birth_date="2020-01-01")) == {"s": "medium"}


def test_one_finding_a_swipe_and_the_code_of_the_library_for_the_sex_alone():
    items = [item(), item("e", line_no=2), item("f", line_no=3)]
    told = [store("A"), drug(sex="F"), drug("e", name="h", min_age_years=18), person("p1", birth_date="2020-01-01")]
    (by_age,) = found_by("sex_age_conflict", *told, bought(items=items))
    assert (by_age.measure["items"], by_age.basis_code) == (1, None)
    man = person("p1", since=0, sex="M", birth_date="2020-01-01")
    (by_both,) = found_by("sex_age_conflict", *told, man, bought(items=items))
    assert (by_both.measure["items"], by_both.basis_code) == (2, "GZ10000301004000")


def test_the_latest_drug_holds_for_all_time():
    told = [person("p1", sex="M"), bought(), drug(sex="F")]
    assert changes_by("sex_age_conflict", *told, drug(name="g2", at=1), drug(name="g1", at=1, sex="F")) == [
        "", "", "+s", "-s", "",
    ]  # fmt: skip


def test_it_counts_the_items_of_each_kind_of_the_swipe_alone():
    told = [store("A"), drug(sex="F"), drug("e", name="h", min_age_years=18)]
    told += [person("p1", sex="M", birth_date="2020-01-01"), bought("before", -1), bought("after", 1)]
    items = [item(), item("e", line_no=2), item(line_no=3), item("f", line_no=4)]
    finding = next(f for f in found_by("sex_age_conflict", *told, bought(items=items)) if f.settlement_id == "s")
    assert finding.measure == {"items": 3, "sex_items": 2, "age_items": 1, "fund_fen": 0}
    assert finding.threshold == {"items": 0}


def test_a_drug_for_men_is_one_for_the_other_sex_too():
    assert fired("sex_age_conflict", drug(sex="M"), person("p1", sex="F"), bought()) == {"s": "medium"}


def test_the_zone_is_the_one_of_the_swipes_own_millisecond():
    told = [store("A"), drug(min_age_years=18), person("p1", birth_date="2006-06-19")]
    there = store("A", since=14 * HOUR, time_zone="Europe/London")  # 02:00 on the 19th in Shanghai, 19:00 on the 18th
    swipes = [bought("a", 14 * HOUR - 1), bought("b", 14 * HOUR)]
    assert fired("sex_age_conflict", *told, there, *swipes) == {"b": "medium"}


def test_an_institution_is_known_from_its_own_millisecond():
    told = [store("A", since=5), store("A", since=6), drug(min_age_years=18), person("p1", birth_date="2020-01-01")]
    assert fired("sex_age_conflict", *told, bought("a", 4), bought("b", 5)) == {"b": "medium"}
