"""The command line as its users see it: results, exit codes, and errors that say the way out."""

from __future__ import annotations

import gzip
import json
import random

import pytest
import yaml

from app.commands import commands
from config.settings import packaged
from tests.app.running import run
from tests.brute_force import accept, findings
from tests.worlds import encode, world


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return [*encode(world(5, conflicts=True)), b'{"type":"swipe"', b'{"type":"nonsense","event_id":"1"}']


@pytest.mark.slow
def test_replay_prints_what_stands_and_says_what_was_set_aside(tmp_path, lines):
    events, bad = tmp_path / "events.jsonl", tmp_path / "bad.jsonl"
    events.write_bytes(b"\n".join(lines) + b"\n")
    done = run("replay", str(events), "--dead-letters", str(bad))
    accepted, dead = accept(lines)
    rules = yaml.safe_load(packaged("rules.yaml").read_text())
    found = [json.loads(line) for line in done.stdout.splitlines()]
    wanted = findings(accepted, rules)
    assert done.returncode == 0
    assert {(f["detector"], f["settlement_id"], f["severity"]) for f in found} == {
        (f["detector"], f["settlement_id"], f["severity"]) for f in wanted
    }
    assert [(f["occurred_at_ms"], f["detector"], f["finding_id"]) for f in found] == sorted(
        (f["occurred_at_ms"], f["detector"], f["finding_id"]) for f in found
    )
    letters = [json.loads(line) for line in bad.read_bytes().splitlines()]
    assert len(letters) == len(dead)
    assert {"reason", "stage", "place", "original", "detail"} <= set(letters[-1])
    assert f"{len(dead)} dead letters" in done.stderr


@pytest.mark.slow
def test_replay_of_the_same_input_gives_the_same_bytes_packed_cut_or_shuffled(tmp_path):
    lines = encode(world(6))
    plain, packed, shuffled = tmp_path / "a.jsonl", tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl"
    plain.write_bytes(b"\n".join(lines))
    packed.write_bytes(gzip.compress(b"\n".join(lines)))
    mixed = [*lines, *lines[:20]]
    random.Random(1).shuffle(mixed)
    shuffled.write_bytes(b"\n".join(mixed))
    whole = run("replay", str(plain)).stdout
    assert whole
    assert run("replay", str(packed)).stdout == whole
    assert run("replay", str(shuffled), "--batch", "13").stdout == whole
    assert run("replay", str(packed), "--parts", "3").stdout == whole


def test_emissions_tell_what_each_batch_raised_and_withdrew_and_why(tmp_path, lines):
    events, told = tmp_path / "events.jsonl", tmp_path / "emissions.jsonl"
    events.write_bytes(b"\n".join(lines))
    done = run("replay", str(events), "--batch", "5", "--emissions", str(told))
    standing = {}
    for line in told.read_bytes().splitlines():
        emitted = json.loads(line)
        assert emitted["cause"]
        standing[emitted["finding_id"]] = emitted["status"]
    raised = {name for name, status in standing.items() if status == "raised"}
    assert raised == {json.loads(line)["finding_id"] for line in done.stdout.splitlines()}


def torn_gzip() -> bytes:
    """Returns a packed file whose packed data, not its frame, is damaged."""
    packed = bytearray(gzip.compress(random.Random(1).randbytes(5_000).hex().encode()))
    packed[40:90] = b"\xff" * 50
    return bytes(packed)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["replay", "/nowhere/events.jsonl"], "/nowhere/events.jsonl"),
        (["replay", "{torn}"], "torn.jsonl.gz"),
        (["replay", "{columns}"], "events.parquet"),
        (["convert", "{columns}", "--out", "events.csv"], "--out"),
        (["replay", "{bad}", "--dead-letters", "/nowhere/letters.jsonl"], "--dead-letters"),
        (["check-config", "--config", "{bad}"], "web.port = 70000"),
        (["check-config", "--rules", "{rules}"], "closed_hours.grace = 'soon'"),
        (["replay", "{bad}", "--parts", "2", "--batch", "9"], "--parts"),
        (["publish", "{bad}", "--to", "ftp://x"], "--to"),
        (["publish", "{bad}", "--to", "http://127.0.0.1:1", "--rate", "many"], "--rate"),
        (["findings", "--data", "/nowhere"], "--data"),
        (["demo", "--photographs", "/nowhere"], "make setup"),
    ],
)
def test_what_is_configured_wrongly_ends_with_2_and_says_what_and_where(tmp_path, arguments, said):
    bad, rules, torn = tmp_path / "bad.yaml", tmp_path / "rules.yaml", tmp_path / "torn.jsonl.gz"
    torn.write_bytes(torn_gzip())
    columns = tmp_path / "events.parquet"
    columns.write_bytes(b"PAR1")
    bad.write_text("web: {port: 70000}")
    rules.write_text(packaged("rules.yaml").read_text().replace("grace: 15m", "grace: soon"))
    done = run(*(argument.format(bad=bad, rules=rules, torn=torn, columns=columns) for argument in arguments))
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_check_config_prints_every_value_with_its_source(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("web: {port: 8999}")
    done = run("check-config", "--config", str(file))
    assert done.returncode == 0
    assert f"web.port = 8999    ({file})" in done.stdout
    assert "web.host = 127.0.0.1    (default.yaml)" in done.stdout
    assert "card_batch: live" in done.stdout


def test_every_command_explains_itself():
    overview = run("--help").stdout
    for command in commands.registered_commands:
        assert command.callback
        assert (command.name or command.callback.__name__) in overview
        assert command.callback.__doc__


def test_shipped_rules_say_nothing_that_a_terminal_must_not_show():
    rules = yaml.safe_load(packaged("rules.yaml").read_text())
    shown = str([entry["texts"] for entry in rules.values()])
    assert "deceased" not in shown
    assert "死" not in shown
