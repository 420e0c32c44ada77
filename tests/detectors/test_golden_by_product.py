"""The cases worked out by hand in tests/brute_force, tried on the product's replay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from detectors.catalogue import read_ruleset, rulebook_of
from events.dead_letters import Place
from events.findings import Finding
from streams.replay import replay
from tests.brute_force import stories
from tests.brute_force.test_golden import *  # noqa: F403 - every case there is a test here
from tests.brute_force.test_golden_centre import *  # noqa: F403 - as above

Row = dict[str, Any]

CONFIGURED: dict[str, Row] = yaml.safe_load(Path(__file__).parents[2].joinpath("config", "rules.yaml").read_bytes())


def from_the_middle(lines: list[bytes]) -> list[bytes]:
    return lines[len(lines) // 2 :] + lines[: len(lines) // 2]


def from_the_end(lines: list[bytes]) -> list[bytes]:
    return lines[::-1]


def as_told(lines: list[bytes]) -> list[bytes]:
    return lines


TOLD = ("detector", "key", "settlement_id", "severity", "institution_id", "occurred_at_ms", "evidence")
ORDERS = {"as told": as_told, "from the end": from_the_end, "from the middle": from_the_middle}


WAYS = [(None, "as told"), *(pytest.param((1, order), marks=pytest.mark.slow) for order in ORDERS)]


@pytest.fixture(autouse=True, params=WAYS, ids=str)
def judge_by_product(request, monkeypatch):
    monkeypatch.setattr(stories, "judge", product_judge(*request.param))


def product_judge(batch: int | None, order: str) -> Callable[[list[bytes], dict[str, Row]], list[Row]]:
    """Returns a judge of stories that asks the product's replay, whole or in batches, in one of the ORDERS."""

    def judge(lines: list[bytes], rules: dict[str, Row]) -> list[Row]:
        entries = {name: CONFIGURED[name] | as_configured(settings) for name, settings in rules.items()}
        offers = [(line, Place(file="story", line=number)) for number, line in enumerate(ORDERS[order](lines), start=1)]
        found = replay(offers, rulebook_of(read_ruleset(entries, "story")), batch=batch).findings
        rows = [{name: getattr(finding, name) for name in TOLD} | fixed_measure_of(finding) for finding in found]
        return sorted(rows, key=lambda row: (row["occurred_at_ms"], row["detector"], row["settlement_id"]))

    return judge


def fixed_measure_of(finding: Finding) -> Row:
    """Returns the measure where the contract says what is in it."""
    return {"measure": finding.measure} if finding.detector == "trace_code_reuse" else {}


def as_configured(settings: Row) -> Row:
    """Returns settings with decimals written as numbers, as a configuration file has them."""
    written = {name: value for name, value in settings.items() if isinstance(value, str) and value[0].isdigit()}
    decimals = {
        name: float(value) for name, value in written.items() if "." in value and value.replace(".", "", 1).isdigit()
    }
    return settings | decimals
