"""The embedded pipeline killed at every named step: nothing accepted is lost, nothing is told twice, live is replay."""

from __future__ import annotations

import json
import random
import signal
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest
from sqlalchemy import select

from app.rule_files import read_rules
from config.settings import packaged
from events.dead_letters import Place
from events.findings import finding_json
from storage.database import Database, default_url
from storage.findings import standing_json
from storage.log import AcceptedLog
from storage.models import AcceptedEvent, AlertFindingRow, FindingRow
from streams.embedded import Step
from streams.replay import replay
from tests.app.running import run_module
from tests.worlds import encode, world

pytestmark = pytest.mark.crash

STEPS = get_args(Step)
DAY_MS = 86_400_000


def told(seed: int) -> tuple[list[bytes], int]:
    """Returns a shuffled world with repeats, and a clock at which most of it is neither too late nor in the future."""
    events = world(seed, conflicts=True)
    lines = encode(events)
    chance = random.Random(seed)
    lines += chance.sample(lines, len(lines) // 5)
    chance.shuffle(lines)
    swipes = [event["occurred_at_ms"] for event in events if event["type"] == "swipe"]
    times = [time for time in swipes if isinstance(time, int)]
    clock_ms = max(times, key=lambda now: sum(now - 7 * DAY_MS <= time <= now + 600_000 for time in times))
    return lines, clock_ms


def run_pipeline(folder: Path, lines: Path, step: str, passes: int, clock_ms: int) -> tuple[int, list[object]]:
    """Returns exit code and answers of a pipeline process."""
    arguments = [str(folder), str(lines), step, str(passes), str(clock_ms)]
    done = run_module("tests.streams.crashing_pipeline", *arguments)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def replayed(originals: list[bytes]) -> list[bytes]:
    """Returns the JSON lines of what stands after a replay of the accepted log."""
    offers = [(original, Place(file="log", line=number)) for number, original in enumerate(originals)]
    return [finding_json(finding) for finding in replay(offers, read_rules(packaged("rules.yaml"))).findings]


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step_and_started_again_the_findings_equal_a_replay_of_the_log(tmp_path, step):
    lines, clock_ms = told(seed=STEPS.index(step))
    (tmp_path / "lines").write_bytes(b"\n".join(lines))
    data = tmp_path / "data"

    kills = 0
    accepted: set[str] = set()
    for passes in (0, 2):
        code, answers = run_pipeline(data, tmp_path / "lines", step, passes, clock_ms)
        kills += code == -signal.SIGKILL
        accepted |= {identity for answer in answers if isinstance(answer, list) for identity in answer}
        assert accepted <= set(logged_identities(data))
    assert kills >= 2, "the step was not reached"
    code, answers = run_pipeline(data, tmp_path / "lines", "none", 0, clock_ms)
    assert (code, answers[-1]) == (0, "ready")

    database = Database.open(default_url(data))
    originals = [logged.original for logged in AcceptedLog(database).read()]
    standing = list(standing_json(database))
    assert standing == replayed(originals)
    assert standing
    with database.read() as session:
        unalerted = session.scalars(select(FindingRow).where(FindingRow.alerted_revision < FindingRow.revision)).all()
        grouped = Counter(session.scalars(select(AlertFindingRow.finding_id)))
    assert not unalerted
    assert set(grouped.values()) <= {1}
    database.close()


def logged_identities(data: Path) -> list[str]:
    """Returns what the log of a stopped pipeline holds."""
    database = Database.open(default_url(data))
    with database.read() as session:
        identities = list(session.scalars(select(AcceptedEvent.identity)))
    database.close()
    return identities
