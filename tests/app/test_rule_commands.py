"""`swipewatch rules …` as a person types it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from app.clock import now_ms
from app.commands import commands
from app.kept_rules import KeptRules
from app.rule_files import RuleFile, parse_rules, read_rules
from events.errors import ConfigError
from storage.database import Database, default_url
from storage.projector import Projector
from storage.rule_halts import RuleHalts
from tests.app.rule_texts import split
from tests.storage.projections import alerts, write
from tests.storage.test_rule_halts import LIMIT, breaking, flood

HOUR_MS = 3_600_000
FIRST = parse_rules(split(2), "first.yaml").version
SECOND = parse_rules(split(3), "second.yaml").version


def typed(*arguments: str) -> Result:
    try:
        return CliRunner().invoke(commands, arguments, catch_exceptions=False)
    finally:
        structlog.reset_defaults()  # the command's log goes to the runner's own stderr, which is closed now


class Desk:
    """A data folder of a product that has run with a first rule file, and a person who types."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.data = directory, directory / "data"
        self.database = Database.open(default_url(self.data))
        self.kept = KeptRules(self.database)
        first = RuleFile(source="first.yaml", content=split(2), ruleset=parse_rules(split(2), "first.yaml"))
        self.kept.take_in([first], directory / "first.yaml", given=True, now_ms=now_ms() - HOUR_MS)

    def types(self, *arguments: str) -> str:
        """Returns what a command printed. Raises: ConfigError, which ends it with 2."""
        done = typed("rules", *arguments, "--data", str(self.data))
        assert done.exit_code == 0, done.output
        return done.output

    def writes(self, content: str) -> str:
        file = self.directory / "new.yaml"
        file.write_text(content)
        return str(file)

    def counts(self) -> list[int]:
        """Returns the count of each version by time."""
        entries = (ruleset.entries[0].parameters for ruleset in self.kept.rulebook().versions)
        return [parameters.count for parameters in entries]  # type: ignore[attr-defined]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk(tmp_path)
    yield opened
    opened.database.close()


def test_check_says_what_would_change_and_changes_nothing(desk):
    said = desk.types("check", desk.writes(split(3, mode="shadow")))
    assert f"compared with {FIRST}, in force now" in said
    assert "~ split_settlement: mode live → shadow; count 2 → 3" in said
    assert desk.counts() == [2]
    assert "nothing changes" in desk.types("check", desk.writes(split(2)))


CLOSED = """\
closed_hours:
  mode: live
  route: centre
  texts:
    zh: { fact: "打烊后结算", action: "核对" }
    en: { fact: "after hours", action: "check" }
"""


def test_check_names_rules_that_are_new_and_gone(desk):
    said = desk.types("check", desk.writes(CLOSED))
    assert "+ closed_hours: live, route centre" in said
    assert "- split_settlement" in said


def test_check_without_a_product_compares_with_the_rules_that_ship(tmp_path):
    file = tmp_path / "new.yaml"
    file.write_text(split())
    done = typed("rules", "check", str(file), "--data", str(tmp_path / "none"))
    assert done.exit_code == 0
    assert "the rules that ship" in done.output
    assert not (tmp_path / "none").exists()


def test_check_warns_of_a_look_further_back_than_ever(desk):
    said = desk.types("check", desk.writes(split().replace("10m", "20m")))
    assert "looks back 20m, further than any version before (10m)" in said


def test_activated_rules_are_in_force_from_now_on(desk):
    before_ms = now_ms()
    said = desk.types("activate", desk.writes(split(3)), "--note", "three are enough")
    assert f"version {SECOND} is in force from" in said
    assert "~ split_settlement: count 2 → 3" in said
    assert desk.counts() == [2, 3]
    assert before_ms <= desk.kept.rulebook().version_starts[1] <= now_ms()
    listed = desk.types("list")
    assert re.search(rf"^\* +2 {SECOND}  from .*three are enough", listed, flags=re.MULTILINE)
    assert re.search(rf"^ +1 {FIRST}  from the beginning", listed, flags=re.MULTILINE)


def test_a_broken_file_changes_nothing(desk):
    with pytest.raises(ConfigError, match=r"new\.yaml: split_settlement\.count = 0"):
        desk.types("activate", desk.writes(split(0)))
    assert desk.counts() == [2]


def test_rules_in_force_are_not_stored_again(desk):
    assert "in force already" in desk.types("activate", desk.writes("# only a comment more\n" + split(2)))
    assert desk.kept.latest_number() == 1


def test_rules_can_be_planned_and_a_plan_gives_way_to_what_is_activated_later(desk):
    then = datetime.fromtimestamp(now_ms() / 1000 + 3600, tz=UTC).isoformat()
    desk.types("activate", desk.writes(split(4)), "--from", then)
    assert desk.counts() == [2, 4]
    assert re.search(rf"^\* +1 {FIRST}", desk.types("list"), flags=re.MULTILINE)
    said = desk.types("activate", desk.writes(split(3)))
    assert "in the place of" in said
    assert desk.counts() == [2, 3]


def test_a_file_may_plan_itself_but_a_past_time_is_only_taken_from_the_command(desk):
    desk.types("activate", desk.writes(split(4, since=str(now_ms() + HOUR_MS))))
    assert desk.counts() == [2, 4]
    past = str(now_ms() - HOUR_MS // 2)
    with pytest.raises(ConfigError, match="a time to come"):
        desk.types("activate", desk.writes(split(3, since=past)))
    desk.types("activate", desk.writes(split(3, since=past)), "--from", past)
    assert desk.counts() == [2, 3]
    assert desk.kept.rulebook().version_starts[1] == int(past)


@pytest.mark.parametrize("since", ["soon", "-5", "2026-03-01"])
def test_a_time_that_is_none_is_refused(desk, since):
    with pytest.raises(ConfigError, match="--from"):
        desk.types("activate", desk.writes(split(3)), "--from", since)


def test_rolled_back_the_version_before_is_in_force_again_under_its_own_name(desk):
    desk.types("activate", desk.writes(split(3)))
    said = desk.types("rollback")
    assert f"version {FIRST} is in force from" in said
    assert desk.counts() == [2, 3, 2]
    versions = desk.kept.rulebook().versions
    assert versions[2].version == versions[0].version


def test_a_version_can_be_named_to_roll_back_to(desk):
    for count in (3, 4):
        desk.types("activate", desk.writes(split(count)))
    desk.types("rollback", FIRST[:6])
    assert desk.counts() == [2, 3, 4, 2]


@pytest.mark.parametrize("wanted", ["ffffffff", "ff"])
def test_a_version_that_never_was_cannot_be_rolled_back_to(desk, wanted):
    desk.types("activate", desk.writes(split(3)))
    with pytest.raises(ConfigError, match="VERSION"):
        desk.types("rollback", wanted)


def test_without_an_earlier_version_there_is_nothing_to_roll_back_to(desk):
    with pytest.raises(ConfigError, match="an earlier version"):
        desk.types("rollback")


def test_the_mode_of_one_rule_is_changed_and_nothing_else(desk):
    said = desk.types("mode", "split_settlement", "shadow")
    assert said.splitlines()[-1] == "~ split_settlement: mode live → shadow"
    desk.types("mode", "split_settlement", "live")
    versions = desk.kept.rulebook().versions
    assert versions[0].version == versions[2].version != versions[1].version
    with pytest.raises(ConfigError, match="one of split_settlement"):
        desk.types("mode", "card_ring", "off")


def test_exported_versions_are_a_folder_that_says_the_same(desk):
    desk.types("activate", desk.writes("# a comment\n" + split(3)))
    desk.types("rollback")
    folder = desk.directory / "exported"
    desk.types("export", str(folder))
    exported, kept = read_rules(folder), desk.kept.rulebook()
    assert exported.version_starts == kept.version_starts
    assert [one.version for one in exported.versions] == [one.version for one in kept.versions]


def test_a_halted_rule_is_listed_and_resumed(desk):
    projector = Projector(desk.database, breaking())
    write(projector, *flood(LIMIT + 1))
    assert "halted: holder_mismatch since" in desk.types("list")
    assert "makes alerts again" in desk.types("resume", "holder_mismatch")
    assert RuleHalts(desk.database).standing() == []
    with pytest.raises(ConfigError, match=r"a rule that is halted \(none is\)"):
        desk.types("resume", "holder_mismatch")
    assert len(alerts(desk.database)) == LIMIT


def test_a_folder_that_is_no_products_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="--data"):
        typed("rules", "list", "--data", str(tmp_path / "no"))
