"""`swipewatch serve` as a city runs it: published events become findings, through kill -9 and restarts."""

from __future__ import annotations

import json
import random
import re
import signal
import time
from pathlib import Path

import httpx
import pytest

from config.settings import packaged
from tests.app.running import run, serving
from tests.worlds import encode, world

pytestmark = pytest.mark.crash

DAY_MS = 86_400_000


def recent_lines(seed: int) -> list[bytes]:
    """Returns a world moved so that as much of it as possible is neither too late nor in the future now."""
    events = world(seed)
    times = [event["occurred_at_ms"] for event in events if event["type"] == "swipe"]
    latest = max(times, key=lambda now: sum(now - 6 * DAY_MS <= time <= now for time in times))
    move = int(time.time() * 1000) - 60_000 - latest
    for event in events:
        for name, value in event.items():
            if name.endswith("_ms") and isinstance(value, int):
                event[name] = value + move
        event.pop("received_at_ms", None)
    lines = encode(events)
    random.Random(seed).shuffle(lines)
    return lines


def test_published_killed_and_started_again_the_findings_equal_a_replay_of_the_export(tmp_path):
    data, events = tmp_path / "data", tmp_path / "events.jsonl"
    lines = recent_lines(11)
    events.write_bytes(b"\n".join(lines))
    with serving(data) as first:
        token = first.sender_token()
        half = tmp_path / "half.jsonl"
        half.write_bytes(b"\n".join(lines[: len(lines) // 2]))
        assert run("publish", str(half), "--to", first.address, "--token", token).returncode == 0
        first.kill()
    with serving(data) as second:
        assert "send events with token" not in second.first_lines
        done = run("publish", str(events), "--to", second.address, "--token", token)
        assert done.returncode == 0, done.stderr
        said = re.search(r"(\d+) duplicates", done.stderr)
        assert said
        assert int(said[1]) > 0
        found = run("findings", "--data", str(data), "--wait", timeout=150)
    assert found.returncode == 0, found.stderr
    exported = tmp_path / "export.jsonl"
    assert run("export", "--data", str(data), "--out", str(exported)).returncode == 0
    assert found.stdout
    assert found.stdout == run("replay", str(exported)).stdout
    assert run("findings", "--data", str(data)).stdout == found.stdout


def test_rules_changed_and_rolled_back_while_it_runs_judge_as_a_replay_with_the_exported_versions(tmp_path):
    data, events, rules = tmp_path / "data", tmp_path / "events.jsonl", tmp_path / "new.yaml"
    lines = recent_lines(12)
    rules.write_text(packaged("rules.yaml").read_text().replace("window: 10m", "window: 25m"))
    since = str(int(time.time() * 1000) - 2 * DAY_MS)
    with serving(data) as product:
        token = product.sender_token()
        for number, part in enumerate((lines[::3], lines[1::3], lines[2::3])):
            if number == 1:
                done = run("rules", "activate", str(rules), "--from", since, "--data", str(data))
                assert done.returncode == 0, done.stderr
            if number == 2:
                assert run("rules", "mode", "frequent_purchase", "shadow", "--data", str(data)).returncode == 0
                assert run("rules", "rollback", "--data", str(data)).returncode == 0
            events.write_bytes(b"\n".join(part))
            assert run("publish", str(events), "--to", product.address, "--token", token).returncode == 0
        assert run("findings", "--data", str(data), "--wait", timeout=150).returncode == 0
        expected = replayed(data, tmp_path)
        assert len({json.loads(line)["rules_version"] for line in expected.splitlines()}) >= 2
        deadline = time.monotonic() + 20
        while run("findings", "--data", str(data)).stdout != expected:
            assert time.monotonic() < deadline, "what stands is not what a replay finds"
    with serving(data):
        assert run("findings", "--data", str(data), "--wait", timeout=150).stdout == expected


def replayed(data: Path, tmp_path: Path) -> str:
    """Returns what a replay of the exported log by the exported versions finds."""
    exported, versions = tmp_path / "export.jsonl", tmp_path / "versions"
    assert run("export", "--data", str(data), "--out", str(exported)).returncode == 0
    assert run("rules", "export", str(versions), "--data", str(data)).returncode == 0
    found = run("replay", str(exported), "--rules", str(versions))
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_the_200_is_sent_after_the_data_is_on_the_disk(tmp_path):
    trace = tmp_path / "trace"
    calls = ["strace", "-f", "-y", "-s", "96", "-e", "trace=fsync,fdatasync,sendto,recvfrom", "-o", str(trace)]
    with serving(tmp_path / "data", before=calls) as product:
        event = {
            "type": "person",
            "event_id": "p1",
            "occurred_at_ms": int(time.time() * 1000),
            "person_id": "329900-1",
            "status": "active",
            "effective_from_ms": int(time.time() * 1000),
        }
        headers = {"Authorization": f"Bearer {product.sender_token()}"}
        answer = httpx.post(f"{product.address}/v1/events", content=json.dumps(event), headers=headers, timeout=20)
        assert answer.json()["results"][0]["status"] == "accepted"
    said = trace.read_text().splitlines()
    asked = next(number for number, call in enumerate(said) if "POST /v1/events" in call)
    told = next(number for number, call in enumerate(said) if number > asked and "HTTP/1.1 200" in call)
    synced = [call for call in said[asked:told] if re.search(r"f(data)?sync\(\d+<[^>]*swipewatch\.db-wal>", call)]
    assert synced, "\n".join(said[asked : told + 1])


def test_a_data_folder_has_one_product(tmp_path):
    with serving(tmp_path / "data"):
        done = run("serve", "--data", str(tmp_path / "data"), "--port", "0")
    assert done.returncode == 2
    assert "--data" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_stops_every_part_and_ends_with_0(tmp_path, number):
    with serving(tmp_path / "data") as product:
        product.process.send_signal(number)
        assert product.process.wait(20) == 0


def test_a_taken_port_is_said_before_anything_starts(tmp_path):
    with serving(tmp_path / "data") as product:
        port = product.address.rsplit(":", 1)[1]
        done = run("serve", "--data", str(tmp_path / "other"), "--port", port)
    assert done.returncode == 2
    assert port in done.stderr
    assert not (tmp_path / "other").exists()
