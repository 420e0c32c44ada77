"""Laws that every rule obeys; they run by themselves on every module in detectors/rules."""

from __future__ import annotations

import ast
import copy
import functools
import pkgutil
import random
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from alerts.texts import ABSENT, LANGUAGES, wording_of
from detectors import rules as rules_package
from detectors.catalogue import Ruleset, RuleSettings, read_ruleset, rule_modules, rulebook_of
from detectors.rule import Example, Firing, convert_parameters
from detectors.slab import Numbering, Slab
from detectors.slab_builder import slab_of
from events.codec import decode_event
from events.dead_letters import InvalidEvent, Place
from events.errors import ConfigError
from events.findings import Finding, finding_json
from events.identity import identity_of
from events.types import AnyEvent, FaceObserved, Reversal, StockMovement, Swipe, VisitorCorrection
from streams.changes import Changes
from streams.replay import replay
from tests.brute_force import DEFAULTS, accept, findings
from tests.brute_force.facts import span
from tests.brute_force.stories import corrected, seen, swipe
from tests.worlds import encode, quick_first, random_rules, world

Row = dict[str, Any]
Decision = tuple[str, str, str, str, str, int, tuple[str, ...], str]

CHECKOUT = Path(__file__).parents[2]
CONFIGURED: dict[str, Row] = yaml.safe_load((CHECKOUT / "config" / "rules.yaml").read_text(encoding="utf-8"))
RULES = sorted(found.name for found in pkgutil.iter_modules(rules_package.__path__))
SEEDS = range(30)

every_rule = pytest.mark.parametrize("rule", RULES)


def rules_of(seed: int) -> dict[str, Row]:
    """Returns the configured rules, for two seeds in three with limits drawn anew."""
    return random_rules(seed, CONFIGURED)


def told(seed: int, *, conflicts: bool = False) -> list[bytes]:
    """Returns a world's lines, shuffled."""
    lines = encode(world(seed, conflicts=conflicts))
    random.Random(seed).shuffle(lines)
    return lines


def judged(lines: list[bytes], ruleset: Ruleset, batch: int | None = None) -> list[Finding]:
    offers = [(line, Place(file="world", line=number)) for number, line in enumerate(lines, start=1)]
    return replay(offers, rulebook_of(ruleset), batch=batch).findings


def decision_of(found: Finding) -> Decision:
    place = (found.institution_id, found.occurred_at_ms, tuple(found.evidence))
    measure = found.measure if found.detector == "trace_code_reuse" else None
    return (found.detector, str(found.key), found.settlement_id, found.severity, *place, str(measure))


def expected_decision(row: Row) -> Decision:
    place = (row["institution_id"], row["occurred_at_ms"], tuple(row["evidence"]))
    return (row["detector"], str(row["key"]), row["settlement_id"], row["severity"], *place, str(row.get("measure")))


# ------------------------------------------------------------------------------------------ equal to the brute force


@functools.cache
def compared(seed: int) -> tuple[list[Decision], list[Decision], int]:
    """Returns the product's decisions in a world, the brute force's, and the number of swipes that stand."""
    rules, lines = rules_of(seed), told(seed, conflicts=seed % 2 == 1)
    accepted, _ = accept(lines)
    expected = sorted(expected_decision(row) for row in findings(accepted, rules))
    swipes = sum(event["type"] == "swipe" for event in accepted)
    return sorted(decision_of(found) for found in judged(lines, read_ruleset(rules, "world"))), expected, swipes


@every_rule
@pytest.mark.parametrize("seed", quick_first(SEEDS, 8))
def test_rule_equals_the_brute_force(rule, seed):
    product, expected, _ = compared(seed)
    assert [row for row in product if row[0] == rule] == [row for row in expected if row[0] == rule]


@pytest.mark.slow
@every_rule
def test_worlds_try_the_rule_on_both_sides(rule):
    worlds = [compared(seed) for seed in SEEDS]
    hits = [sum(row[0] == rule for row in expected) for _, expected, _ in worlds]
    assert sum(hit > 0 for hit in hits) >= len(hits) // 3, f"fires in too few worlds: {hits}"
    assert sum(hits) < sum(swipes for _, _, swipes in worlds) // 2, f"fires at too many anchors: {hits}"


# --------------------------------------------------------------------- order, repetition and batches don't matter


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS[:6])
def test_findings_are_the_same_bytes_under_any_order_repetition_and_batching(seed):
    lines, ruleset = told(seed), read_ruleset(rules_of(seed), "world")
    expected = [finding_json(found) for found in judged(lines, ruleset)]
    chance = random.Random(f"order {seed}")
    for batch in (None, 1 if seed == 0 else 8, 50):
        again = lines + chance.choices(lines, k=len(lines) // 3)
        chance.shuffle(again)
        assert [finding_json(found) for found in judged(again, ruleset, batch)] == expected


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS[:6])
def test_emissions_add_up_to_the_findings_that_stand(seed):
    standing: dict[str, Finding] = {}

    def take(changes: Changes) -> None:
        for found in changes.withdrawn:
            assert standing.pop(found.finding_id) is not None
        for found in changes.raised:
            assert standing.get(found.finding_id) != found, "raised again without a change"
            standing[found.finding_id] = found

    offers = [(line, Place(file="world", line=number)) for number, line in enumerate(told(seed), start=1)]
    result = replay(offers, rulebook_of(read_ruleset(rules_of(seed), "world")), batch=13, on_changes=take)
    assert result.findings == sorted(standing.values(), key=lambda f: (f.occurred_at_ms, f.detector, f.finding_id))


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS[:4])
def test_what_stands_after_each_batch_equals_the_brute_force_on_what_was_told(seed):
    rules, lines, step = rules_of(seed), told(seed, conflicts=True), 60
    wait_ms = span(rules["nobody_at_counter"]["after"])
    standing: dict[str, Finding] = {}
    batches = iter(range(step, len(lines) + step, step))

    def check(changes: Changes) -> None:
        for found in changes.withdrawn:
            del standing[found.finding_id]
        standing.update({found.finding_id: found for found in changes.raised})
        so_far = next(batches, None)
        if so_far is not None:
            accepted, _ = accept(lines[:so_far])
            now_ms = max(event["occurred_at_ms"] for event in accepted)
            rows = [expected_decision(row) for row in findings(accepted, rules)]
            decided = [row for row in rows if row[0] != "nobody_at_counter" or row[5] + wait_ms < now_ms]
            assert sorted(map(decision_of, standing.values())) == sorted(decided)

    offers = [(line, Place(file="world", line=number)) for number, line in enumerate(lines, start=1)]
    replay(offers, rulebook_of(read_ruleset(rules, "world")), batch=step, on_changes=check)
    assert next(batches, None) is None


def test_empty_counter_is_decided_when_time_has_passed_and_not_before():
    looks = [seen(f"o{at}", at * 1000) for at in (-120, 0, 60)]
    story = encode([swipe("s"), *looks, swipe("b", 60_000, person="b", till="2"), swipe("c", 60_001, till="3")])
    raised: list[list[str]] = []
    offers = [(line, Place(file="story", line=number)) for number, line in enumerate(story, start=1)]
    rulebook = rulebook_of(read_ruleset({"nobody_at_counter": CONFIGURED["nobody_at_counter"]}, "rules.yaml"))
    replay(
        offers, rulebook, batch=1, on_changes=lambda changes: raised.append([f.settlement_id for f in changes.raised])
    )
    assert raised == [[], [], [], [], [], ["s"], []]


def test_corrections_of_faces_that_are_not_there_change_nothing():
    ruleset = read_ruleset(CONFIGURED, "rules.yaml")
    faces = [{"quality": 0.9, "visitor_id": "v"}]
    story = [*(seen(name, 0, *faces) for name in "ab"), *(swipe(name, person=name) for name in "xyz")]
    expected = [decision_of(found) for found in judged(encode(story), ruleset)]
    assert ("one_face_many_cards", "x") in {(row[0], row[2]) for row in expected}
    for face_no in (1, 2, 2**63 - 1):
        wrong = [corrected("c1", "a", None, face_no=face_no), corrected("c2", "nothing", None)]
        for batch in (None, 1):
            again = judged(encode([*story, *wrong]), ruleset, batch)
            assert [decision_of(found) for found in again] == expected


# ------------------------------------------------------------------------------------- keys don't influence each other

NAMES = {"event_id", "settlement_id", "person_id", "institution_id", "household_id", "visitor_id", "observation_id"}
NAMES |= {"holder_person_id", "agent_person_id", "drug_code", "generic_code", "refers_to", "till_id", "camera_id"}


def renamed(value: Any, name: str = "") -> Any:
    """Returns the event with every name in it changed, so that it shares no key with the world it came from."""
    if isinstance(value, dict):
        return {inner: renamed(kept, inner) for inner, kept in value.items()}
    if isinstance(value, list):
        return [renamed(kept, name) for kept in value]
    return f"{value}-other" if name in NAMES | {"trace_codes"} and value is not None else value


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS[:10])
def test_keys_do_not_influence_each_other(seed):
    ruleset = read_ruleset(rules_of(seed), "world")
    one, other = encode(world(seed)), encode(renamed(world(seed + 1000)))
    apart = [*judged(one, ruleset), *judged(other, ruleset)]
    together = one + other
    random.Random(seed).shuffle(together)
    assert sorted(map(finding_json, judged(together, ruleset))) == sorted(map(finding_json, apart))
    assert sorted(map(finding_json, judged(together, ruleset, 50))) == sorted(map(finding_json, apart))


# ---------------------------------------------------------------------------------------------------- pure functions


def accepted_events(lines: list[bytes]) -> list[AnyEvent]:
    known: dict[str, AnyEvent] = {}
    for line in lines:
        event = decode_event(line)
        if not isinstance(event, InvalidEvent):
            known.setdefault(identity_of(event), event)
    return list(known.values())


def slab_of_world(seed: int) -> Slab:
    events = accepted_events(told(seed))
    owners = {(e.settlement_id, e.institution_id, e.person_id) for e in events if isinstance(e, Swipe)}
    undone = [e for e in events if isinstance(e, Reversal)]
    undone = [e for e in undone if (e.settlement_id, e.institution_id, e.person_id) in owners]
    undone.sort(key=lambda e: e.occurred_at_ms, reverse=True)
    corrections = [e for e in events if isinstance(e, VisitorCorrection)]
    corrections.sort(key=lambda e: (e.occurred_at_ms, e.event_id))
    return slab_of(
        events,
        reversed_at_ms={e.settlement_id: e.occurred_at_ms for e in undone},
        corrections={(e.observation_id, e.face_no): e.visitor_id for e in corrections},
    )


def contents(value: object, path: str = "slab") -> Iterator[tuple[str, Any]]:
    """Yields every array and every other thing that a slab holds, with where it is."""
    if is_dataclass(value):
        for column in fields(value):
            yield from contents(getattr(value, column.name), f"{path}.{column.name}")
    elif isinstance(value, Numbering):
        yield path, list(value.names)
    else:
        yield path, value


@every_rule
@pytest.mark.parametrize("seed", SEEDS[:5])
def test_rule_changes_nothing_of_its_slab(rule, seed):
    slab = slab_of_world(seed)
    before = {path: copy.deepcopy(value) for path, value in contents(slab)}
    for _, value in contents(slab):
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    module = rule_modules()[rule]
    first: list[Firing] = module.detect(slab, parameters_of(rule))
    assert module.detect(slab, parameters_of(rule)) == first
    for path, value in contents(slab):
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, before[path], err_msg=path)
        else:
            assert value == before[path], path


@every_rule
def test_rule_of_an_empty_slab_finds_nothing(rule):
    assert rule_modules()[rule].detect(slab_of([]), parameters_of(rule)) == []


@pytest.mark.parametrize("seed", SEEDS[:10])
def test_evidence_cites_events_that_were_given(seed):
    lines = told(seed)
    events = accepted_events(lines)
    swipes = {event.settlement_id: event.occurred_at_ms for event in events if isinstance(event, Swipe)}
    beside = (FaceObserved, StockMovement)
    cited = swipes | {event.event_id: event.occurred_at_ms for event in events if isinstance(event, beside)}
    undone = {(e.settlement_id, e.occurred_at_ms) for e in events if isinstance(e, Reversal)}
    for found in judged(lines, read_ruleset(rules_of(seed), "world")):
        assert found.evidence == sorted(set(found.evidence), key=lambda name: (cited[name], name))
        if found.detector == "settle_refund":
            assert (found.settlement_id, found.occurred_at_ms) in undone
        else:
            assert swipes[found.settlement_id] == found.occurred_at_ms


PURE_IMPORTS = {
    "__future__",
    "bisect",
    "collections",
    "dataclasses",
    "datetime",
    "detectors",
    "events",
    "fractions",
    "functools",
    "itertools",
    "math",
    "msgspec",
    "numpy",
    "statistics",
    "typing",
    "zoneinfo",
}
IMPURE_NAMES = {
    "open",
    "print",
    "input",
    "exec",
    "eval",
    "now",
    "utcnow",
    "today",
    "random",
    "fromfile",
    "tofile",
    "save",
}


@every_rule
def test_rule_does_no_io_and_reads_no_clock(rule):
    path = CHECKOUT / "detectors" / "rules" / f"{rule}.py"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert {name.name.partition(".")[0] for name in node.names} <= PURE_IMPORTS
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] in PURE_IMPORTS
        elif isinstance(node, ast.Name):
            assert node.id not in IMPURE_NAMES
        elif isinstance(node, ast.Attribute):
            assert node.attr not in IMPURE_NAMES


# -------------------------------------------------------------------------------------------------------- parameters


def parameters_of(rule: str) -> Any:
    return convert_parameters(rule_modules()[rule].Parameters, written_parameters(rule))


def written_parameters(rule: str) -> Row:
    return {name: value for name, value in CONFIGURED[rule].items() if name not in RuleSettings.__struct_fields__}


@every_rule
def test_rule_is_configured_with_the_contracts_values_which_are_its_defaults(rule):
    kind = rule_modules()[rule].Parameters
    contract = {name: float(value) if is_decimal(value) else value for name, value in DEFAULTS[rule].items()}
    assert kind() == parameters_of(rule) == convert_parameters(kind, contract)


def is_decimal(value: object) -> bool:
    return isinstance(value, str) and value.replace(".", "", 1).isdigit() and "." in value


def wrong_values(value: object) -> list[object]:
    """Returns what can never stand where this value stands."""
    if isinstance(value, str):
        return ["", "10 minutes", "-10m", -1, None, "catastrophic"]
    if isinstance(value, list):
        return [[], "none", [None], ["cash"], 3]
    return [-1, "many", None, [], True, float("nan"), float("inf")]


def wrong_settings(rule: str) -> Iterator[tuple[str, Row]]:
    """Yields a rule's entry with one wrong value in it, and the key that is wrong."""
    for name, value in written_parameters(rule).items():
        for wrong in wrong_values(value):
            yield f"{rule}.{name}", {**CONFIGURED[rule], name: wrong}
        if isinstance(value, list) and isinstance(value[-1], dict):
            last = len(value) - 1
            for inner, inner_value in [*value[-1].items(), ("no_such_setting", "x")]:
                for wrong in wrong_values(inner_value):
                    tiers = [*value[:-1], {**value[-1], inner: wrong}]
                    yield f"{rule}.{name}[{last}].{inner}", {**CONFIGURED[rule], name: tiers}
    yield f"{rule}.no_such_setting", {**CONFIGURED[rule], "no_such_setting": 1}


@every_rule
def test_parameter_out_of_range_is_a_configuration_error_that_names_the_key(rule):
    named = [(key, entry, key_named_by_error(rule, entry)) for key, entry in wrong_settings(rule)]
    assert [row for row in named if not row[2].startswith(row[0])] == []


def key_named_by_error(rule: str, entry: Row) -> str:
    try:
        read_ruleset({rule: entry}, "rules.yaml")
    except ConfigError as error:
        return error.key
    return "no error"


def test_rules_that_do_not_exist_are_a_configuration_error():
    with pytest.raises(ConfigError, match="no_such_rule"):
        read_ruleset({"no_such_rule": {}}, "rules.yaml")


# ---------------------------------------------------------------------------------------------------------- examples


def examples() -> list[tuple[str, Example]]:
    return [(rule, example) for rule in RULES for example in rule_modules()[rule].EXAMPLES]


@pytest.mark.parametrize(("rule", "example"), examples(), ids=lambda value: getattr(value, "title", value))
def test_example_fires_where_it_says_and_nowhere_else(rule, example):
    lines = encode(example.events)
    ruleset = read_ruleset({rule: CONFIGURED[rule]}, "rules.yaml")
    for batch in (None, 1):
        assert {found.settlement_id: found.severity for found in judged(lines, ruleset, batch)} == example.fires
    accepted, dead = accept(lines)
    assert {
        row["settlement_id"]: row["severity"] for row in findings(accepted, {rule: DEFAULTS[rule]})
    } == example.fires
    assert dead == []


@every_rule
def test_rule_has_examples_that_fire_and_that_do_not(rule):
    own = rule_modules()[rule].EXAMPLES
    assert any(example.fires for example in own)
    assert any(not example.fires for example in own)


@every_rule
def test_findings_of_the_examples_fill_every_place_in_the_texts(rule):
    ruleset = read_ruleset({rule: CONFIGURED[rule]}, "rules.yaml")
    texts = ruleset.entries[0].settings.texts
    for example in rule_modules()[rule].EXAMPLES:
        for found in judged(encode(example.events), ruleset):
            for language in LANGUAGES:
                wording = wording_of(texts, language, found)
                assert ABSENT not in wording.fact + wording.action
