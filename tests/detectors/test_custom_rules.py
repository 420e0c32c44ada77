"""Custom rules obey the laws that built-in ones obey, and equal their naive reading on random worlds."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any, get_args

import msgspec
import numpy as np
import pytest

from alerts.texts import ABSENT, LANGUAGES, validate_texts, value_names, wording_of
from detectors.aggregates import range_distinct, range_maxima, range_sums, whole_numbers
from detectors.catalogue import Entry, read_ruleset, rulebook_of
from detectors.custom import LONGEST_WINDOW_MS, SCOPE_OF_KEY, CustomRule
from detectors.exact import shown
from detectors.measures import ALLOWED, Amount, Counted, measure_name
from detectors.slab import END_OF_TIME_MS, Slab
from detectors.slab_builder import slab_of
from events.codec import decode_event
from events.dead_letters import Place
from events.errors import ConfigError
from events.findings import Finding, finding_json
from events.identity import identity_of
from events.types import Event
from streams.changes import Changes
from streams.engine import Engine
from streams.replay import replay
from tests.brute_force import accept
from tests.brute_force.custom import FILTERS, PERSON_FILTERS, custom_findings
from tests.brute_force.stories import reversal, store, swipe
from tests.worlds import encode, quick_first, world
from web.texts import Catalogue

Row = dict[str, Any]
Decision = tuple[Any, ...]

SEEDS = range(18)
KEYS = (["person_id"], ["person_id", "institution_id"], ["institution_id"], ["till_id", "institution_id"])
WINDOWS = ("10m", "15m", "30m", "24h", "72h", "7d", "30d", "60d")
LIMITS = {"total_fen": 20_000, "fund_fen": 100, "account_fen": 5_000, "items": 2, "quantity": 2.1}
SAID = {language: {"fact": "f", "action": "a"} for language in LANGUAGES}
ENTRY = {"mode": "live", "route": "both", "texts": SAID}
SHOWN = [("count", None), *((aggregate, of) for aggregate, allowed in ALLOWED.items() for of in allowed)]
"""Every aggregate of everything that it may be of."""
MINUTE, DAY = 60_000, 86_400_000


def rule(**said: Any) -> Row:
    """Returns a custom rule as it is written; a setting that is None is left out."""
    plain: Row = {"key": ["person_id"], "window": "10m", "aggregate": "count", "threshold": 2, "severity": "medium"}
    return {name: value for name, value in {**ENTRY, **plain, **said}.items() if value is not None}


def random_rules(seed: int) -> dict[str, Row]:
    """Returns custom rules over every key, with aggregates, filters and tiers drawn at random."""
    chance = random.Random(f"custom rules {seed}")
    numbered = enumerate(KEYS * 3)
    return {f"custom_{number}": random_rule(chance, key, turn=seed + 5 * number) for number, key in numbered}


def random_rule(chance: random.Random, key: list[str], turn: int) -> Row:
    allowed = [(aggregate, of) for aggregate, of in SHOWN if of not in key]
    aggregate, of = allowed[7 * turn % len(allowed)]
    filters = [None, None, *(source for source in FILTERS if "person_id" in key or source not in PERSON_FILTERS)]
    said = rule(key=key, aggregate=aggregate, of=of, filter=filters[turn % len(filters)])
    least = LIMITS[of] if of in LIMITS else chance.choice([1, 2, 2])
    if aggregate == "sum":
        least *= chance.choice([1, 2, 3])
    if chance.random() < 0.5:
        return {**said, "threshold": least, "window": chance.choice(WINDOWS)}
    tiers: list[Row] = []
    for severity in chance.choices(["low", "medium", "medium", "high", "critical"], k=3):
        tiers.append({"threshold": least * chance.choice([1, 1, 2, 3]), "severity": severity})
        if chance.random() < 0.6:
            tiers[-1]["window"] = chance.choice(WINDOWS)
    return {k: v for k, v in said.items() if k not in {"threshold", "severity"}} | {"tiers": tiers}


def told(seed: int, size: int = 40, *, conflicts: bool = False) -> list[bytes]:
    """Returns a world's lines, shuffled."""
    lines = encode(world(seed, size, conflicts=conflicts))
    random.Random(seed).shuffle(lines)
    return lines


def judged(lines: list[bytes], rules: dict[str, Row], batch: int | None = None) -> list[Finding]:
    offers = [(line, Place(file="world", line=number)) for number, line in enumerate(lines, start=1)]
    return replay(offers, rulebook_of(read_ruleset(rules, "world")), batch=batch).findings


def decision_of(found: Finding, rules: dict[str, Row]) -> Decision:
    said = rules[found.detector]
    value = found.measure[measure_name(said["aggregate"], said.get("of"))]
    decided = (found.detector, str(found.key), found.settlement_id, found.severity)
    return (*decided, found.institution_id, found.occurred_at_ms, tuple(found.evidence), value)


def expected_decision(row: Row) -> Decision:
    decided = (row["detector"], str(row["key"]), row["settlement_id"], row["severity"])
    value = shown(Fraction(row["value"]))
    return (*decided, row["institution_id"], row["occurred_at_ms"], tuple(row["evidence"]), value)


def fires(events: list[Row], said: Row) -> dict[str, str]:
    """Returns where a rule fires in a story, and how severely; whole and event by event alike."""
    by_batch = [
        {found.settlement_id: found.severity for found in judged(encode(events), {"custom": said}, batch)}
        for batch in (None, 1)
    ]
    assert by_batch[0] == by_batch[1]
    return dict(by_batch[0])


# ------------------------------------------------------------------------------------------ equal to the brute force


@functools.cache
def compared(seed: int) -> tuple[list[Decision], list[Decision]]:
    """Returns the product's decisions in a world and the brute force's."""
    rules, lines = random_rules(seed), told(seed, conflicts=seed % 2 == 1)
    accepted, _ = accept(lines)
    expected = sorted(expected_decision(row) for row in custom_findings(accepted, rules))
    return sorted(decision_of(found, rules) for found in judged(lines, rules)), expected


@pytest.mark.parametrize("seed", quick_first(SEEDS, 6))
def test_custom_rules_equal_the_brute_force(seed):
    product, expected = compared(seed)
    assert product == expected


@pytest.mark.slow
def test_random_rules_try_every_aggregate_filter_and_key_on_both_sides():
    drawn = [(seed, name, said) for seed in SEEDS for name, said in random_rules(seed).items()]
    fired = {(seed, row[0]) for seed in SEEDS for row in compared(seed)[1]}
    firing = [said for seed, name, said in drawn if (seed, name) in fired]
    assert {said.get("filter") for said in firing} == {None, *FILTERS}
    assert {(said["aggregate"], said.get("of")) for said in firing} == set(SHOWN)
    assert {frozenset(said["key"]) for said in firing} == set(SCOPE_OF_KEY)
    assert len(firing) < len(drawn)


# --------------------------------------------------------------------- order, repetition and batches don't matter


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS[:3])
def test_findings_are_the_same_bytes_under_any_order_repetition_and_batching(seed):
    lines, rules = told(seed, size=8), random_rules(seed)
    expected = [finding_json(found) for found in judged(lines, rules)]
    assert expected
    chance = random.Random(f"order {seed}")
    for batch in (None, 1 if seed == 0 else 8, 50):
        again = lines + chance.choices(lines, k=len(lines) // 3)
        chance.shuffle(again)
        assert [finding_json(found) for found in judged(again, rules, batch)] == expected


@pytest.mark.slow
@pytest.mark.parametrize("partitions", [2, 7])
def test_findings_are_the_same_for_any_number_of_partitions_and_rules_that_came_on_the_way(partitions):
    lines, rules = told(3, size=8), random_rules(3)
    events = [event for line in lines if isinstance(event := decode_event(line), Event)]
    plain = rulebook_of(read_ruleset({"custom_0": rule()}, "before"))
    engine = Engine(plain, partitions=partitions)
    for first in range(0, len(events), 50):
        if first == 100:
            engine.change_rules(rulebook_of(read_ruleset(rules, "world")))
        engine.apply(events[first : first + 50], END_OF_TIME_MS)
    assert sorted(map(finding_json, engine.standing())) == sorted(map(finding_json, judged(lines, rules)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS[5:7])
def test_what_stands_after_each_batch_equals_the_brute_force_on_what_was_told(seed):
    rules, lines, step = random_rules(seed), told(seed, size=8, conflicts=True), 60
    standing: dict[str, Finding] = {}
    batches = iter(range(step, len(lines) + step, step))

    def check(changes: Changes) -> None:
        for found in changes.withdrawn:
            del standing[found.finding_id]
        standing.update({found.finding_id: found for found in changes.raised})
        accepted, _ = accept(lines[: next(batches, len(lines))])
        expected = sorted(expected_decision(row) for row in custom_findings(accepted, rules))
        assert sorted(decision_of(found, rules) for found in standing.values()) == expected

    offers = [(line, Place(file="world", line=number)) for number, line in enumerate(lines, start=1)]
    replay(offers, rulebook_of(read_ruleset(rules, "world")), batch=step, on_changes=check)


# ------------------------------------------------------------------------------------------------ windows and order


@pytest.mark.parametrize(
    ("gap_ms", "fired"), [(10 * MINUTE - 1, {"b": "medium"}), (10 * MINUTE, {}), (10 * MINUTE + 1, {})]
)
@pytest.mark.parametrize("key", KEYS)
def test_window_is_open_at_its_start_and_closed_at_the_anchor(gap_ms, fired, key):
    assert fires([swipe("a", 0), swipe("b", gap_ms)], rule(key=key)) == fired


def test_swipes_at_one_instant_count_for_each_other_whatever_their_order():
    assert fires([swipe("b"), swipe("a")], rule()) == {"a": "medium", "b": "medium"}


def test_window_may_be_sixty_days_and_each_tier_may_have_its_own():
    tiers = [{"threshold": 2, "severity": "low", "window": "60d"}, {"threshold": 2, "severity": "high"}]
    said = rule(threshold=None, severity=None, tiers=tiers)
    story = [swipe("a"), swipe("b", LONGEST_WINDOW_MS - 1), swipe("c", LONGEST_WINDOW_MS + MINUTE)]
    assert fires(story, said) == {"b": "low", "c": "high"}


def test_of_equal_severities_the_first_listed_tier_counts():
    tiers = [{"threshold": 1, "severity": "medium"}, {"threshold": 2, "severity": "medium"}]
    found = judged(encode([swipe("a"), swipe("b")]), {"custom": rule(threshold=None, severity=None, tiers=tiers)})
    assert [one.threshold for one in found] == [{"count": 1, "window_ms": 600_000}] * 2


def test_reversed_swipe_is_neither_counted_nor_an_anchor():
    story = [swipe("a"), swipe("b", 1), swipe("c", 2)]
    assert fires(story, rule()) == {"b": "medium", "c": "medium"}
    assert fires([*story, reversal("b", 3)], rule()) == {"c": "medium"}
    assert fires([reversal("b", 3), *story, reversal("a", DAY, event_id="r2")], rule()) == {}


def test_swipes_that_do_not_pass_the_filter_are_neither_counted_nor_anchors():
    story = [
        swipe("a", total_fen=5),
        swipe("b", 1, total_fen=4),
        swipe("c", 2, total_fen=5),
        swipe("d", 3, total_fen=1),
    ]
    found = judged(encode(story), {"custom": rule(filter="swipe.total_fen == 5")})
    assert [(one.settlement_id, one.evidence) for one in found] == [("c", ["a", "c"])]


def test_other_keys_do_not_count():
    others = [swipe("b", 1, person="q"), swipe("c", 2, store="other")]
    assert fires([swipe("a"), *others], rule(key=["person_id", "institution_id"])) == {}
    assert fires([swipe("a"), *others], rule(key=["person_id"])) == {"c": "medium"}
    assert fires([swipe("a"), *others], rule(key=["institution_id"])) == {"b": "medium"}
    assert fires([swipe("a"), swipe("b", 1, till="2")], rule(key=["institution_id", "till_id"])) == {}


# ------------------------------------------------------------------------------------------------------- aggregates


def test_sums_and_greatest_values_are_exact_beyond_what_floats_and_64_bits_hold():
    huge = 2**62
    story = [swipe("a", total_fen=huge), swipe("b", 1, total_fen=huge), swipe("c", 2, total_fen=1)]
    said = rule(aggregate="sum", of="total_fen", threshold=10**12)
    assert fires(story, said) == {"a": "medium", "b": "medium", "c": "medium"}
    drops = [swipe(name, at, items=[item(0.1)]) for at, name in enumerate("abc")]
    assert fires(drops, rule(aggregate="sum", of="quantity", threshold=0.3)) == {"c": "medium"}
    assert fires(drops, rule(aggregate="max", of="quantity", threshold=0.1)) == dict.fromkeys("abc", "medium")


def item(quantity: float) -> Row:
    return {"line_no": 1, "drug_code": "d", "quantity": quantity, "unit_price_fen": 1, "amount_fen": 1}


@pytest.mark.parametrize("seed", range(20))
def test_kernels_equal_what_each_range_says_by_itself(seed):
    chance = np.random.default_rng(seed)
    size = int(chance.integers(1, 60))
    start = np.sort(chance.integers(0, size, size)).clip(max=np.arange(size))
    end = np.maximum.accumulate(np.minimum(np.arange(size) + chance.integers(1, 9, size), size))
    values = chance.integers(0, 9, size)
    spans = list(zip(start.tolist(), end.tolist(), strict=True))
    for column in (values, values.astype(object)):
        assert range_sums(column, start, end).tolist() == [sum(column[a:b].tolist()) for a, b in spans]
        assert range_maxima(column, start, end).tolist() == [max(column[a:b].tolist()) for a, b in spans]
    position = np.sort(chance.integers(0, size, 2 * size))
    held = chance.integers(0, 5, 2 * size)
    among = [set(held[(position >= a) & (position < b)].tolist()) for a, b in spans]
    assert range_distinct(position, held, start, end).tolist() == [len(one) for one in among]


def test_sums_that_might_leave_64_bits_are_added_up_as_whole_numbers():
    assert whole_numbers(np.array([2**60, 2**60])).dtype == np.object_
    assert whole_numbers(np.array([1, 2])).dtype == np.int64


def test_every_amount_and_everything_counted_is_offered():
    assert {*ALLOWED["sum"], *ALLOWED["distinct"]} == {*get_args(Amount), *get_args(Counted)}


# --------------------------------------------------------------------------------------------------- pure functions


def slab_of_world(seed: int) -> Slab:
    events = {identity_of(event): event for line in told(seed) if isinstance(event := decode_event(line), Event)}
    return slab_of(events.values())


def entries(seed: int) -> Iterator[Entry]:
    yield from read_ruleset(random_rules(seed), "world").entries


@pytest.mark.parametrize("seed", SEEDS[:5])
def test_rule_says_the_same_twice_and_nothing_of_an_empty_slab(seed):
    slab = slab_of_world(seed)
    for entry in entries(seed):
        assert entry.rule.detect(slab, entry.parameters) == entry.rule.detect(slab, entry.parameters)
        assert entry.rule.detect(slab_of([]), entry.parameters) == []


@pytest.mark.parametrize("seed", SEEDS[:5])
def test_evidence_cites_swipes_that_were_given_in_time_order_the_anchor_among_them(seed):
    lines = told(seed)
    accepted, _ = accept(lines)
    at_ms = {row["settlement_id"]: row["occurred_at_ms"] for row in accepted if row["type"] == "swipe"}
    for found in judged(lines, random_rules(seed)):
        assert found.evidence == sorted(set(found.evidence), key=lambda name: (at_ms[name], name))
        assert found.settlement_id in found.evidence


def test_anchors_that_nobody_asks_about_are_left_out_and_the_others_count_what_is_before_them():
    slab = slab_of_world(0)
    for entry in entries(0):
        everywhere = entry.rule.detect(slab, entry.parameters)
        times_ms = slab.swipes.time_ms[[firing.row for firing in everywhere]].tolist()
        for anchor_ms in times_ms[len(times_ms) // 2 :][:1]:
            for asked_from_ms in (anchor_ms, anchor_ms + 1):
                asked = entry.rule.detect(replace(slab, asked_from_ms=asked_from_ms), entry.parameters)
                left = [one for one, at_ms in zip(everywhere, times_ms, strict=True) if at_ms >= asked_from_ms]
                assert asked == left


def test_a_sum_is_called_after_what_it_adds_up_and_a_greatest_value_after_what_it_is_of():
    assert (measure_name("sum", "total_fen"), measure_name("max", "total_fen")) == ("total_fen", "max_total_fen")
    assert (measure_name("count", None), measure_name("sum", "quantity")) == ("count", "quantity")


def test_rule_reaches_back_as_far_as_its_longest_window():
    tiers = [{"threshold": 1, "severity": "low", "window": "7d"}, {"threshold": 1, "severity": "low"}]
    (entry,) = read_ruleset({"custom": rule(threshold=None, severity=None, tiers=tiers)}, "f").entries
    assert entry.rule.reach(entry.parameters).back_ms == 7 * DAY


# ------------------------------------------------------------------------------------------------ what can be wrong

TIERS = {"threshold": None, "severity": None, "tiers": [{"threshold": 1, "severity": "low"}]}

WRONG = [
    ({"key": ["till_id"]}, "key", r"\[institution_id, till_id\]"),
    ({"key": ["person_id", "person_id"]}, "key", "person_id"),
    ({"key": ["drug_code"]}, "key[0]", "one of institution_id, person_id, till_id"),
    ({"key": []}, "key", "person_id"),
    ({"aggregate": "average"}, "aggregate", "count, distinct, max, sum"),
    ({"aggregate": "sum"}, "of", "total_fen, fund_fen, account_fen, items, quantity"),
    ({"aggregate": "sum", "of": "buyer"}, "of", "total_fen"),
    ({"aggregate": "max", "of": "cash_fen"}, "of", "account_fen"),
    ({"aggregate": "distinct", "of": "total_fen"}, "of", "buyer"),
    ({"aggregate": "distinct", "of": "person_id"}, "of", "always 1"),
    ({"of": "items"}, "of", "counts swipes"),
    ({"window": None}, "window", "needed"),
    ({"window": "0s"}, "window", "longer than 0s"),
    ({"window": "61d"}, "window", "60d"),
    ({"window": f"{60 * DAY + 1}ms"}, "window", "60d"),
    ({"window": "a day"}, "window", "90s, 10m, 24h or 7d"),
    ({"threshold": None}, "threshold", "needed"),
    ({"threshold": 0}, "threshold", "> 0"),
    ({"threshold": 2.5}, "threshold", "whole"),
    ({"threshold": float("nan")}, "threshold", "> 0"),
    ({"threshold": "many"}, "threshold", "float"),
    ({"severity": None}, "severity", "needed"),
    ({"severity": "catastrophic"}, "severity", "critical, high, low, medium"),
    ({**TIERS, "threshold": 3}, "threshold", "tiers"),
    ({**TIERS, "severity": "low"}, "severity", "tiers"),
    ({**TIERS, "tiers": []}, "tiers", "length"),
    ({**TIERS, "tiers": [{"threshold": 1, "severity": "none"}]}, "tiers[0].severity", "critical"),
    ({**TIERS, "tiers": [{"threshold": 1, "severity": "low", "window": "61d"}]}, "tiers[0].window", "60d"),
    ({**TIERS, "window": None}, "tiers[0].window", "whole rule"),
    ({**TIERS, "tiers": [{"threshold": 1.5, "severity": "low"}]}, "tiers[0].threshold", "whole"),
    ({"no_such_setting": 1}, "no_such_setting", "no such setting"),
    ({"filter": "swipe.totl_fen > 5"}, "filter", "character 1: .*no such field.*account_fen, .*total_fen"),
    ({"filter": "swipe.total_fen > "}, "filter", "character 19"),
    ({"key": ["institution_id"], "filter": "swipe.age_years > 5"}, "filter", "person's key"),
]


@pytest.mark.parametrize(("said", "key", "allowed"), WRONG, ids=lambda value: str(value)[:60])
def test_wrong_setting_is_a_configuration_error_that_names_file_key_value_and_what_is_allowed(said, key, allowed):
    with pytest.raises(ConfigError, match=allowed) as raised:
        read_ruleset({"custom": rule(**said)}, "rules.yaml")
    assert (raised.value.source, raised.value.key) == ("rules.yaml", f"custom.{key}")
    if "[" not in key and key in said:
        assert raised.value.value is said[key]


# --------------------------------------------------------------------------------------------------------- texts


@pytest.mark.parametrize(("aggregate", "of"), SHOWN)
def test_texts_may_name_what_the_rule_measures_and_nothing_else(aggregate, of):
    named = measure_name(aggregate, of)
    spoken = f"{named.removesuffix('_fen')}_yuan" if named.endswith("_fen") else named
    fact = f"{{{named}}} {{{spoken}}} {{threshold_{named}}} {{window}}" + (" {swipes}" if of else "")
    texts = {language: {"fact": fact, "action": "check"} for language in LANGUAGES}
    key = ["institution_id", "till_id"] if of == "person_id" else ["person_id"]
    said = rule(key=key, aggregate=aggregate, of=of, threshold=1, texts=texts)
    (entry,) = read_ruleset({"custom": said}, "f").entries
    assert isinstance(entry.rule, CustomRule)
    validate_texts("f", "custom", entry.settings.texts, entry.rule.measured)
    paid: Row = {"total_fen": 9, "fund_fen": 9, "account_fen": 9, "insured_region": "3202", "items": [item(2)]}
    (found,) = judged(encode([store("A"), swipe("a", **paid)]), {"custom": said})
    assert value_names([found]) == entry.rule.measured
    for language in LANGUAGES:
        assert ABSENT not in wording_of(entry.settings.texts, language, found).fact
    assert {f"measure.{name}" for name in (*found.measure, *found.threshold)} <= Catalogue.load().keys()
    wrong = msgspec.structs.replace(entry.settings.texts.en, fact="{nothing_of_the_kind}")
    wrong_texts = msgspec.structs.replace(entry.settings.texts, en=wrong)
    with pytest.raises(ConfigError, match="nothing_of_the_kind"):
        validate_texts("f", "custom", wrong_texts, entry.rule.measured)
