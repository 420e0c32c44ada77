"""no_filing: treated elsewhere, with a filing or without."""

from __future__ import annotations

from typing import Any

import pytest

from tests.brute_force.stories import DAY, NOON, Row, event, reversal, store, swipe
from tests.product import changes_by, fired, found_by


def filed(starts: int = 0, ends: int | None = None, to: str = "320200", **fields: Any) -> Row:
    when = {"starts_ms": NOON + starts, "ends_ms": None if ends is None else NOON + ends, "filed_at_ms": NOON + DAY}
    said = {"person_id": "p1", "class": "referral", "from_region": "350100", "to_region": to, **when}
    return event("cross_region_filing", f"f{starts}", NOON + DAY, **{**said, **fields})


def guest(name: str = "s", at: int = 0, insured: str | None = "350100", **fields: Any) -> Row:
    return swipe(name, at, insured_region=insured, **fields)


HERE = store("A", region="320281")


@pytest.mark.parametrize(
    ("insured", "fires"), [("320200", False), ("320299", False), ("320100", True), ("", True), (None, False)]
)
def test_regions_compare_at_the_first_four_digits(insured, fires):
    assert bool(fired("no_filing", HERE, guest(insured=insured))) is fires


def test_the_fund_raises_it():
    assert fired("no_filing", HERE, guest("a"), guest("b", fund_fen=1)) == {"a": "low", "b": "high"}


def test_an_unknown_region_or_institution_is_not_judged():
    assert fired("no_filing", guest()) == {}
    assert fired("no_filing", store("A"), guest()) == {}


@pytest.mark.parametrize(
    ("starts", "ends", "fires"), [(0, None, False), (1, None, True), (-DAY, 0, True), (-DAY, 1, False)]
)
def test_a_filing_is_in_force_from_its_start_until_before_its_end(starts, ends, fires):
    assert bool(fired("no_filing", HERE, guest(), filed(starts, ends))) is fires


def test_a_filing_must_be_the_persons_and_to_this_region():
    assert fired("no_filing", HERE, guest(), filed(to="3202")) == {}
    assert fired("no_filing", HERE, guest(), filed(to="320100")) == {"s": "low"}
    assert fired("no_filing", HERE, guest(), filed(person_id="p2")) == {"s": "low"}


def test_a_later_filing_that_starts_earlier_counts_and_a_move_of_the_store_too():
    assert changes_by("no_filing", HERE, guest(), filed()) == ["", "+s", "-s"]
    assert changes_by("no_filing", HERE, guest(), store("A", since=0, region="350102")) == ["", "+s", "-s"]
    assert changes_by("no_filing", HERE, guest(), reversal("s", 1)) == ["", "+s", "-s"]


def test_the_measure_names_both_regions():
    (finding,) = found_by("no_filing", HERE, guest())
    assert finding.measure == {"insured_region": "3501", "region": "3202", "fund_fen": 0}
