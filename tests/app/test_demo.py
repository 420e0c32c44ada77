"""The demo shows its cases from real pixels by itself, and a restart tells nothing twice."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from simulator.city import person_id
from tests.app.running import CHECKOUT, run

pytestmark = pytest.mark.slow

PHOTOGRAPHS = CHECKOUT / ".cache" / "demo"
CASES = {"holder_mismatch", "one_face_many_cards", "nobody_at_counter", "impossible_travel", "card_batch"}
WITHIN_MS = 100_000
SEEN = "SELECT original FROM accepted_event WHERE type = 'face_observed'"


def rows(data: Path, query: str, *values: str) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(data / "swipewatch.db")
    try:
        return database.execute(query, values).fetchall()
    finally:
        database.close()


@pytest.mark.timeout(400)
def test_demo_shows_its_cases_within_100_s_and_a_second_start_repeats_none(tmp_path):
    if not (PHOTOGRAPHS / "obama.jpg").exists():
        pytest.skip("the demo's photographs are not there: make setup fetches them")
    data = tmp_path / "data"
    first = run("demo", "--port", "0", "--for", "105s", "--data", str(data), timeout=300)
    assert first.returncode == 0, first.stderr
    assert "demo ended" in first.stdout

    started = rows(data, "SELECT min(received_at_ms) FROM accepted_event")[0][0]
    late = "SELECT count(*) FROM accepted_event WHERE type = 'swipe' AND occurred_at_ms < received_at_ms - 5000"
    assert rows(data, late) == [(0,)]
    findings = [json.loads(body) for (body,) in rows(data, "SELECT body FROM finding WHERE status = 'raised'")]
    decided = dict(rows(data, "SELECT detector, min(decided_at_ms) FROM finding GROUP BY detector"))
    assert {finding["detector"] for finding in findings} == CASES
    assert max(decided.values()) - started < WITHIN_MS
    assert not [finding for finding in findings if finding["key"].get("person_id") == person_id(1)]
    compared = [json.loads(original) for (original,) in rows(data, SEEN)]
    verdicts = {face["verdict"] for observed in compared for face in observed["faces"] if face.get("verdict")}
    assert {"match", "mismatch"} <= verdicts
    mismatched = next(finding for finding in findings if finding["detector"] == "holder_mismatch")
    assert rows(data, "SELECT 1 FROM still WHERE settlement_id = ?", mismatched["settlement_id"])

    told = rows(data, "SELECT notice_id, alert_id, kind, body FROM notice ORDER BY notice_id")
    second = run("demo", "--port", "0", "--for", "6s", "--data", str(data), timeout=120)
    assert second.returncode == 0, second.stderr
    again = rows(data, "SELECT notice_id, alert_id, kind, body FROM notice ORDER BY notice_id")
    assert again[: len(told)] == told
    assert {alert for _, alert, _, _ in again[len(told) :]}.isdisjoint({alert for _, alert, _, _ in told})
