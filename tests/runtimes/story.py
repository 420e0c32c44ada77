"""One story, told to a runtime: a world arrives in three parts, with a kill, other rules and a restart between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import yaml
from sqlalchemy import select

from alerts.routing import is_alertable
from app.rule_files import parse_rules
from detectors.catalogue import Rulebook
from detectors.examples import swipe
from events.dead_letters import Place
from events.findings import finding_json
from storage.database import Database
from storage.findings import standing_findings, standing_json
from storage.log import AcceptedLog
from storage.models import AlertFindingRow, FindingRow
from streams.replay import replay
from tests.app.running import run
from tests.brute_force import accept
from tests.brute_force.acceptance import content, identity, read
from tests.detectors.test_laws import rules_of
from tests.kafka.workers import world_of_now
from tests.runtimes.port import POISON, Fate, Runtime
from tests.web.world import now_ms
from tests.worlds import DAY

SEED: Final = 1
WORLD: Final = 330
TOGETHER: Final = 40
SETTLES_WITHIN_S: Final = 30.0


@dataclass(frozen=True)
class Script:
    """What is sent and put into force; the same for every runtime."""

    lines: tuple[bytes, ...]
    first_rules: str
    second_rules: str
    second_from_ms: int
    late: frozenset[bytes]

    @property
    def in_time(self) -> list[bytes]:
        """What is sent and not too late, in its order."""
        return [line for line in self.lines if line not in self.late]

    def rulebook(self) -> Rulebook:
        """Returns the rules of all time."""
        second = parse_rules(self.second_rules, "second")
        second = msgspec.structs.replace(second, effective_from_ms=self.second_from_ms)
        first = msgspec.structs.replace(parse_rules(self.first_rules, "first"), effective_from_ms=0)
        return Rulebook(versions=(first, second))

    def findings(self) -> list[bytes]:
        """Returns what stands after all of it, by a replay of what was sent."""
        offers = [(line, Place(file="sent", line=number)) for number, line in enumerate(self.in_time, start=1)]
        return [finding_json(one) for one in replay(offers, self.rulebook()).findings]

    def fates(self) -> list[Fate]:
        """Returns what becomes of each line, read by those who know nothing of the product."""
        kept: dict[tuple[str, ...], object] = {}
        return [self._fate_of(line, kept) for line in self.lines]

    def _fate_of(self, line: bytes, kept: dict[tuple[str, ...], object]) -> Fate:
        event, problem = read(line)
        if problem:
            return "unreadable"
        if line in self.late:
            return "set_aside"
        if identity(event) not in kept:
            kept[identity(event)] = content(event)
            return "accepted"
        return "duplicate" if kept[identity(event)] == content(event) else "set_aside"

    def letters(self) -> set[tuple[str, bytes]]:
        """Returns reason and bytes of what is set aside, read by those who know nothing of the product."""
        in_time = self.in_time
        _, dead = accept(in_time)
        return {(reason, in_time[number - 1]) for reason, number in dead} | {("too_late", line) for line in self.late}


def script() -> Script:
    """Returns the story of this hour."""
    told_at_ms = now_ms()
    world = world_of_now(SEED)[:WORLD]
    late = [msgspec.json.encode({**swipe(name, "0s"), "occurred_at_ms": told_at_ms - 8 * DAY}) for name in ("L1", "L2")]
    return Script(
        lines=(*world[:150], *POISON, *world[150:], *late, *world[::9], *late),
        first_rules=yaml.safe_dump(rules_of(SEED), allow_unicode=True),
        second_rules=yaml.safe_dump(rules_of(SEED + 1), allow_unicode=True),
        second_from_ms=told_at_ms - 3 * DAY,
        late=frozenset(late),
    )


@dataclass
class Outcome:
    """What a runtime has made of the story."""

    answers: list[str] = field(default_factory=list)
    findings: list[bytes] = field(default_factory=list)
    findings_after_restart: list[bytes] = field(default_factory=list)
    replayed: list[bytes] = field(default_factory=list)
    letters: list[tuple[str, bytes]] = field(default_factory=list)
    alertable: list[str] = field(default_factory=list)
    in_alerts: list[tuple[str, bool]] = field(default_factory=list)
    """Every place of a finding in an alert: the finding, and whether it stands there."""
    said: str = ""


def tell(runtime: Runtime, told: Script, folder: Path) -> Outcome:
    """Returns what has become of the story; the runtime has been started and ended in order."""
    outcome, thirds = Outcome(), len(told.lines) // 3
    first, second, third = told.lines[:thirds], told.lines[thirds : 2 * thirds], told.lines[2 * thirds :]
    try:
        runtime.start()
        outcome.answers += _send(runtime, first)
        runtime.wait_until_decided()
        outcome.answers += _send(runtime, second[: thirds // 2])
        runtime.kill()
        runtime.revive()
        outcome.answers += _send(runtime, second[thirds // 2 :])
        runtime.wait_until_decided()  # so those who decide are up, and see the new rules while they run
        _put_into_force(runtime, told, folder)
        outcome.answers += _send(runtime, third)
        wanted = told.findings()
        _poll(lambda: _decided(runtime) == wanted)
        _poll(lambda: not _unalerted(runtime))
        _look(runtime, outcome, folder)
        runtime.stop()
        runtime.start()
        outcome.findings_after_restart = _decided(runtime)
    finally:
        runtime.stop()
        outcome.said = runtime.said()
    return outcome


def _send(runtime: Runtime, lines: Sequence[bytes]) -> list[str]:
    """Returns the answers; a request has a few lines, as senders' have."""
    parts = [lines[first : first + TOGETHER] for first in range(0, len(lines), TOGETHER)]
    return [answer for part in parts for answer in runtime.send(part)]


def _put_into_force(runtime: Runtime, told: Script, folder: Path) -> None:
    file = folder / "second.yaml"
    file.write_text(told.second_rules, encoding="utf-8")
    done = run("rules", "activate", str(file), "--from", str(told.second_from_ms), "--database", runtime.url)
    assert done.returncode == 0, done.stderr


def _decided(runtime: Runtime) -> list[bytes]:
    runtime.wait_until_decided()
    database = Database.open(runtime.url)
    try:
        return list(standing_json(database))
    finally:
        database.close()


def _unalerted(runtime: Runtime) -> list[str]:
    """Returns the findings that changed since alerts were last made of them."""
    database = Database.open(runtime.url)
    try:
        with database.read() as session:
            pending = FindingRow.alerted_revision < FindingRow.revision
            return list(session.scalars(select(FindingRow.finding_id).where(pending)))
    finally:
        database.close()


def _look(runtime: Runtime, outcome: Outcome, folder: Path) -> None:
    accepted, rules, replayed = folder / "accepted.jsonl", folder / "kept-rules", folder / "replayed.jsonl"
    for command in (
        ("rules", "export", str(rules), "--database", runtime.url),
        ("export", "--database", runtime.url, "--out", str(accepted)),
        ("replay", str(accepted), "--rules", str(rules), "--out", str(replayed)),
    ):
        done = run(*command)
        assert done.returncode == 0, done.stderr
    outcome.replayed = replayed.read_bytes().splitlines()
    outcome.findings = _decided(runtime)
    database = Database.open(runtime.url)
    try:
        kept = AcceptedLog(database).dead_letters()
        outcome.letters = [(one.letter.reason, one.letter.original) for one in kept]
        outcome.alertable = [one.finding_id for one in standing_findings(database) if is_alertable(one)]
        with database.read() as session:
            places = session.execute(select(AlertFindingRow.finding_id, AlertFindingRow.standing))
            outcome.in_alerts = [(finding_id, standing) for finding_id, standing in places]
    finally:
        database.close()


def _poll(is_so: Callable[[], bool]) -> None:
    """Returns once it is so, or when it should long have been: the laws then say what is wrong."""
    ends = time.monotonic() + SETTLES_WITHIN_S
    while not is_so() and time.monotonic() < ends:
        time.sleep(0.1)
