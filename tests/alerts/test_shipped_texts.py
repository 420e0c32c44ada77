from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from alerts.grouping import latest_by_detector
from alerts.policy import Policy, RulePolicy, StoreInfo
from alerts.reminders import card_of
from alerts.texts import ABSENT, LANGUAGES, validate_texts, value_names, wording_of
from config.settings import packaged, read_yaml
from detectors.catalogue import Entry, read_ruleset, rule_modules, rulebook_of
from events.dead_letters import Place
from events.findings import Finding, Key
from streams.replay import replay
from tests.worlds import encode
from web.texts import Catalogue

RULES_FILE: Path = packaged("rules.yaml")
RULESET = read_ruleset(read_yaml(RULES_FILE), "rules.yaml")
RULEBOOK = rulebook_of(RULESET)
ENTRIES = {entry.name: entry for entry in RULESET.entries}

every_entry = pytest.mark.parametrize("entry", ENTRIES.values(), ids=list(ENTRIES))


def findings_of(entry: Entry) -> list[Finding]:
    """Returns what the rule's own examples fire."""
    return [
        finding
        for example in rule_modules()[entry.name].EXAMPLES
        for finding in replay([(line, Place()) for line in encode(example.events)], RULEBOOK).findings
        if finding.detector == entry.name
    ]


@every_entry
def test_shipped_texts_name_only_what_the_rule_measures(entry):
    found = findings_of(entry)
    assert found
    validate_texts("rules.yaml", entry.name, entry.settings.texts, value_names(found))


@every_entry
def test_shipped_texts_are_filled_completely(entry):
    for finding in findings_of(entry):
        for language in LANGUAGES:
            wording = wording_of(entry.settings.texts, language, finding)
            for text in (wording.fact, wording.action):
                assert ABSENT not in text
                assert "{" not in text
                assert "None" not in text


@every_entry
def test_shipped_cards_name_nobody(entry):
    policy = Policy(
        rules={entry.name: RulePolicy(route="store", texts=entry.settings.texts)},
        store_names={"P32990000001": StoreInfo(name_zh="药店", name_en="Pharmacy")},
    )
    for finding in findings_of(entry):
        marked: Key = {field: f"marked-{field}" for field in finding.key}
        told = msgspec.structs.replace(finding, key=marked, evidence=["marked-event"])
        assert "marked" not in str(card_of(latest_by_detector([told]), policy))


@every_entry
def test_every_value_and_key_of_a_shipped_rule_has_a_name_on_the_screens(entry):
    named = Catalogue.load().keys()
    assert f"rule.{entry.name}" in named
    for finding in findings_of(entry):
        assert {f"measure.{name}" for name in (*finding.measure, *finding.threshold)} <= named
        assert {f"key.{name}" for name in finding.key} <= named
