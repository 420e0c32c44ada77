"""What docs/rules.md says of custom rules: its examples fire as it says, its tables are the code's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.rule_files import parse_rules
from detectors.catalogue import rulebook_of
from detectors.filters.fields import FIELDS
from detectors.filters.syntax import MOST_CHARACTERS, MOST_LEVELS, MOST_TERMS
from detectors.measures import ALLOWED, measure_name
from events.dead_letters import Place
from events.findings import Finding
from streams.replay import replay
from tests.brute_force.stories import DAY, HOUR, MINUTE, store, swipe
from tests.worlds import encode

Row = dict[str, Any]
PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
(CUSTOM,) = re.findall(r"^## Custom rules\n(.*?)^## ", PAGE, flags=re.DOTALL | re.MULTILINE)
EXAMPLES: dict[str, str] = {
    next(iter(yaml.safe_load(written))): written
    for written in re.findall(r"^```yaml custom\n(.*?)^```$", CUSTOM, flags=re.DOTALL | re.MULTILINE)
}


def found_by(example: str, events: list[Row]) -> list[Finding]:
    """Returns what an example of the page finds in a story, whole and event by event alike."""
    rulebook = rulebook_of(parse_rules(EXAMPLES[example], "docs/rules.md"))
    whole, single = (
        replay([(line, Place()) for line in encode(events)], rulebook, batch=batch).findings for batch in (None, 1)
    )
    assert whole == single
    return whole


def test_there_are_three_examples_to_copy_and_each_begins_in_shadow():
    assert sorted(EXAMPLES) == ["costly_medicine_money", "many_big_purchases", "night_crowd"]
    assert {yaml.safe_load(written)[name]["mode"] for name, written in EXAMPLES.items()} == {"shadow"}


def test_many_big_purchases_in_a_day_and_in_a_week():
    big: Row = {"credential": "e_credential", "total_fen": 10_000}
    story = [swipe(f"d{number}", number * 2 * DAY, **big) for number in range(2)]
    story += [swipe("small", 2 * DAY, **big | {"total_fen": 9_999}), swipe("card", 2 * DAY, total_fen=90_000)]
    story += [swipe("e", 2 * DAY + HOUR, **big), swipe("f", 2 * DAY + 2 * HOUR, **big)]
    story += [swipe("g", 6 * DAY, **big)]
    found = found_by("many_big_purchases", story)
    assert [(one.settlement_id, one.severity, one.evidence) for one in found] == [
        ("f", "medium", ["d1", "e", "f"]),
        ("g", "high", ["d0", "d1", "e", "f", "g"]),
    ]
    assert found[1].measure == {"count": 5}
    assert found[1].threshold == {"count": 5, "window_ms": 7 * DAY}


def test_a_crowd_at_one_till_by_night_where_the_clock_is_known():
    night = 10 * HOUR  # 22:00 in Shanghai
    people = [swipe(f"s{number}", night + number * 5 * MINUTE, person=f"p{number}") for number in range(4)]
    elsewhere = [swipe("t", night, person="t", till="2"), swipe("u", night, person="u", delivery=True)]
    (found,) = found_by("night_crowd", [store("A"), *people, *elsewhere])
    assert (found.settlement_id, found.severity) == ("s3", "high")
    assert found.key == {"institution_id": "A", "till_id": "1"}
    assert found.measure == {"buyers": 4, "swipes": 4}
    assert found_by("night_crowd", people) == []
    noon = [swipe(f"s{number}", number * 5 * MINUTE, person=f"p{number}") for number in range(4)]
    assert found_by("night_crowd", [store("A"), *noon]) == []


def test_money_for_costly_medicine_at_home():
    def bought(name: str, at: int, drug: str, fund_fen: int, region: str | None = "320200") -> Row:
        item = {"line_no": 1, "drug_code": drug, "quantity": 1, "unit_price_fen": 1, "amount_fen": 1}
        return swipe(name, at, items=[item], fund_fen=fund_fen, insured_region=region)

    story = [bought("a", 0, "XL01XC02", 1_000_000), bought("b", DAY, "XB02BD02", 999_999)]
    story += [bought("c", DAY, "XB02BD0", 9_000_000), bought("d", DAY, "XL01", 9_000_000, "320100")]
    story += [bought("e", DAY, "XL01", 9_000_000, None), bought("f", 2 * DAY, "XM05BX04", 1)]
    (found,) = found_by("costly_medicine_money", [store("A", region="320299"), *story])
    assert (found.settlement_id, found.evidence) == ("f", ["a", "b", "f"])
    assert found.measure == {"fund_fen": 2_000_000, "swipes": 3}
    assert found_by("costly_medicine_money", story) == []


# ----------------------------------------------------------------------------------------------------------- tables


def rows_of(title: str) -> list[list[str]]:
    """Returns the cells of the table whose heading begins so."""
    lines = CUSTOM[CUSTOM.index(f"| {title}") :].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_field_is_in_the_table_with_its_kind():
    listed = {name: row for row in rows_of("field") for name in re.findall(r"`(\w+)`", row[0])}
    assert {name: row[1].rstrip("?") for name, row in listed.items()} == {
        name: field.kind for name, field in FIELDS.items()
    }
    of_person = {name for name, row in listed.items() if "only with `person_id` in the key" in row[2]}
    assert of_person == {name for name, field in FIELDS.items() if field.of_person}


def test_fields_that_may_be_unknown_are_marked_so():
    marked = {name for row in rows_of("field") for name in re.findall(r"`(\w+)`", row[0]) if row[1].endswith("?")}
    asked = {name for name in FIELDS if found_where_known(name)}
    assert marked == set(FIELDS) - asked


def found_where_known(name: str) -> bool:
    """Returns whether a field is known of a swipe of which only itself is known."""
    (written,) = yaml.safe_load(EXAMPLES["many_big_purchases"]).values()
    plain = {**written, "filter": f"has(swipe.{name})", "tiers": [{"threshold": 1, "severity": "low"}]}
    rules = parse_rules(yaml.safe_dump({"asked": plain}, allow_unicode=True), "asked")
    return bool(replay([(line, Place()) for line in encode([swipe("a")])], rulebook_of(rules)).findings)


@pytest.mark.parametrize("aggregate", list(ALLOWED))
def test_every_aggregate_is_in_the_table_with_what_it_may_be_of(aggregate):
    rows = [row for row in rows_of("`aggregate` | `of`") if f"`{aggregate}`" in row[0]]
    listed = {of for row in rows for of in re.findall(r"`(\w+)`", row[1])}
    assert listed == set(ALLOWED[aggregate])
    for row in rows:
        if aggregate in {"count", "distinct"}:
            (of,) = re.findall(r"`(\w+)`", row[1]) or [None]
            assert re.findall(r"`(\w+)`", row[2]) == [measure_name(aggregate, of)]


def test_the_limits_of_a_filter_are_those_on_the_page():
    said = f"{MOST_CHARACTERS:,} characters, {MOST_TERMS} terms and {MOST_LEVELS} levels of parentheses"
    assert said in " ".join(CUSTOM.split())
