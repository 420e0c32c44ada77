"""History loaded into a product: it counts from the first live swipe on, and nobody is reminded of it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from detectors.examples import swipe
from storage.database import Database, default_url
from storage.models import AlertRow, FindingRow
from tests.app.running import run, serving

pytestmark = pytest.mark.slow

DAY_MS = 86_400_000
HOLDER = "329900-1"


def bought(name: str, days_ago: float, now_ms: int) -> bytes:
    at_ms = now_ms - round(days_ago * DAY_MS)
    return json.dumps(swipe(name, "0d", HOLDER, occurred_at_ms=at_ms)).encode()


def counted(data: Path) -> tuple[int, int]:
    """Returns how many findings stand and how many alerts there are."""
    database = Database.open(default_url(data))
    with database.read() as session:
        standing = select(func.count()).select_from(FindingRow).where(FindingRow.status == "raised")
        counts = session.scalar(standing), session.scalar(select(func.count()).select_from(AlertRow))
    database.close()
    return counts[0] or 0, counts[1] or 0


@pytest.mark.slow
def test_imported_history_counts_for_live_swipes_and_reminds_nobody(tmp_path):
    now_ms, data, history = time.time_ns() // 1_000_000, tmp_path / "data", tmp_path / "history.jsonl"
    old = [bought(f"old{number}", 20 + number / 100, now_ms) for number in range(9)]
    ancient = bought("ancient", 400, now_ms)
    history.write_bytes(b"\n".join([*old, ancient, old[0], b"not json"]))
    done = run("import", str(history), "--data", str(data))
    assert done.returncode == 0
    assert "10 accepted, 1 duplicates, 1 dead letters; " in done.stderr
    again = run("import", str(history), "--data", str(data))
    assert "0 accepted, 11 duplicates" in again.stderr

    exported = tmp_path / "exported.jsonl"
    run("export", "--data", str(data), "--out", str(exported))
    assert exported.read_bytes().splitlines() == [*old, ancient]
    replayed = run("replay", str(exported)).stdout
    assert replayed
    assert run("findings", "--data", str(data)).stdout == replayed
    assert counted(data) == (len(replayed.splitlines()), 0)

    with serving(data) as served:
        assert counted(data)[1] == 0
        httpx.post(
            f"{served.address}/v1/events",
            content=bought("live", 0, now_ms),
            headers={"Authorization": f"Bearer {served.sender_token()}"},
        ).raise_for_status()
        frequent: list[dict[str, Any]] = []
        deadline = time.monotonic() + 30
        while not frequent and time.monotonic() < deadline:
            found = map(json.loads, run("findings", "--data", str(data)).stdout.splitlines())
            frequent = [one for one in found if one["settlement_id"] == "live"]
        assert [(one["detector"], one["measure"]["count"]) for one in frequent] == [("frequent_purchase", 10)]
        assert counted(data)[1] == 1


def test_history_is_not_loaded_into_a_running_product(tmp_path):
    history = tmp_path / "history.jsonl"
    history.write_bytes(bought("old", 20, time.time_ns() // 1_000_000))
    with serving(tmp_path / "data"):
        done = run("import", str(history), "--data", str(tmp_path / "data"))
    assert done.returncode == 2
    assert "no other swipewatch runs on it" in done.stderr
