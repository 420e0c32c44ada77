"""What the product's replay says of a few events: whole, and live event by event in any order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from detectors.catalogue import Ruleset, read_ruleset, rulebook_of
from events.dead_letters import Place
from events.findings import Finding, finding_json
from streams.changes import Changes
from streams.replay import replay
from tests.worlds import encode

Row = dict[str, Any]

CONFIGURED: dict[str, Row] = yaml.safe_load(
    Path(__file__).parents[1].joinpath("config", "rules.yaml").read_text(encoding="utf-8")
)


def found_by(rule: str, *told: Row, **settings: Any) -> list[Finding]:
    """Returns the findings of one rule, the same whole and event by event, as told and backwards."""
    ruleset = read_ruleset({rule: CONFIGURED[rule] | settings}, "rules.yaml")
    whole = _replayed(told, ruleset, None)
    for order in (told, told[::-1]):
        assert list(map(finding_json, _replayed(order, ruleset, 1))) == list(map(finding_json, whole))
    return whole


def fired(rule: str, *told: Row, **settings: Any) -> dict[str, str]:
    """Returns where one rule fires: settlement_id → severity."""
    return {finding.settlement_id: finding.severity for finding in found_by(rule, *told, **settings)}


def changes_by(rule: str, *told: Row, **settings: Any) -> list[str]:
    """Returns what each event changed: `+s` for a finding raised at s, `-s` for one withdrawn."""
    ruleset = read_ruleset({rule: CONFIGURED[rule] | settings}, "rules.yaml")
    changed: list[str] = []

    def note(changes: Changes) -> None:
        signs = [f"-{finding.settlement_id}" for finding in changes.withdrawn]
        changed.append(" ".join(signs + [f"+{finding.settlement_id}" for finding in changes.raised]))

    offers = [(line, Place(file="story", line=number)) for number, line in enumerate(encode(told), start=1)]
    replay(offers, rulebook_of(ruleset), batch=1, on_changes=note)
    return changed[: len(told)]


def _replayed(told: Sequence[Row], ruleset: Ruleset, batch: int | None) -> list[Finding]:
    offers = [(line, Place(file="story", line=number)) for number, line in enumerate(encode(told), start=1)]
    result = replay(offers, rulebook_of(ruleset), batch=batch)
    assert result.dead_letters == []
    return result.findings
