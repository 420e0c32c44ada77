"""The versions that a product keeps: what comes in at a start, and what its database says is in force."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import pytest
import structlog

from app.kept_rules import KeptRules
from app.rule_files import RuleFile, parse_rules, read_rule_files, read_rules
from app.rule_watch import RuleWatch
from detectors.catalogue import Rulebook, first_difference_ms
from events.errors import ConfigError, TransientError
from events.metrics import RULES_HALTED
from storage.database import Database, default_url
from storage.projector import Projector
from storage.rule_halts import RuleHalts
from storage.rule_versions import RuleVersions, StoredVersion
from tests.app.rule_texts import split
from tests.storage.projections import write
from tests.storage.test_rule_halts import LIMIT, breaking, flood
from web.measurements import Measurements

DAY_MS = 86_400_000
NOW_MS = 1_790_827_200_000


@pytest.fixture
def database(tmp_path):
    opened = Database.open(default_url(tmp_path / "data"))
    yield opened
    opened.close()


@pytest.fixture
def kept(database) -> KeptRules:
    return KeptRules(database)


def file(count: int) -> RuleFile:
    content = split(count)
    return RuleFile(source=f"{count}.yaml", content=content, ruleset=parse_rules(content, f"{count}.yaml"))


def started(kept: KeptRules, count: int, now_ms: int, *, given: bool = True) -> list[tuple[int, int]]:
    """Returns (count, from) of every version after a start with such a file."""
    kept.take_in([file(count)], Path("rules.yaml"), given=given, now_ms=now_ms)
    return in_force(kept)


def in_force(kept: KeptRules) -> list[tuple[int, int]]:
    versions = kept.rulebook().versions
    return [(one.entries[0].parameters.count, one.effective_from_ms) for one in versions]  # type: ignore[attr-defined]


def test_the_first_rules_are_in_force_for_all_time(kept):
    assert started(kept, 2, NOW_MS) == [(2, 0)]


def test_a_start_with_the_same_rules_changes_nothing(kept):
    started(kept, 2, NOW_MS)
    assert started(kept, 2, NOW_MS + 1) == [(2, 0)]
    assert kept.latest_number() == 1


def test_a_start_with_other_rules_puts_them_into_force_from_then_on(kept):
    started(kept, 2, NOW_MS)
    assert started(kept, 3, NOW_MS + 1) == [(2, 0), (3, NOW_MS + 1)]
    assert started(kept, 2, NOW_MS + 2) == [(2, 0), (3, NOW_MS + 1), (2, NOW_MS + 2)]


def test_what_a_command_has_put_into_force_outlives_a_restart_with_the_same_file(kept):
    started(kept, 2, NOW_MS)
    kept.store(file(4), NOW_MS + 5, "command", NOW_MS + 5, "chen")
    with structlog.testing.capture_logs() as logs:
        assert started(kept, 2, NOW_MS + 9) == [(2, 0), (4, NOW_MS + 5)]
    assert [line["event"] for line in logs] == ["rules.overruled"]
    assert started(kept, 3, NOW_MS + 10)[-1] == (3, NOW_MS + 10)


def test_rules_that_ship_give_way_to_any_that_somebody_named(kept):
    assert started(kept, 2, NOW_MS, given=False) == [(2, 0)]
    assert started(kept, 3, NOW_MS + 1, given=False) == [(2, 0), (3, NOW_MS + 1)]
    kept.store(file(4), NOW_MS + 5, "command", NOW_MS + 5, "chen")
    assert started(kept, 5, NOW_MS + 9, given=False)[-1] == (4, NOW_MS + 5)
    assert started(kept, 6, NOW_MS + 10)[-1] == (6, NOW_MS + 10)
    assert started(kept, 7, NOW_MS + 11, given=False)[-1] == (6, NOW_MS + 10)


def folder(directory: Path, **contents: str) -> Path:
    directory.mkdir(exist_ok=True)
    for name, content in contents.items():
        (directory / f"{name}.yaml").write_text(content)
    return directory


def take_in(kept: KeptRules, path: Path, now_ms: int) -> None:
    kept.take_in(read_rule_files(path), path, given=True, now_ms=now_ms)
    assert first_difference_ms(kept.rulebook(), read_rules(path)) is None


def test_a_folder_judges_as_it_says_whatever_was_in_force_before(kept, tmp_path):
    started(kept, 9, NOW_MS, given=False)
    path = folder(tmp_path / "rules", a=split(2), b=split(3, since=str(NOW_MS - DAY_MS)))
    take_in(kept, path, NOW_MS)
    folder(path, c=split(4, since=str(NOW_MS + DAY_MS)))
    take_in(kept, path, NOW_MS + 1)
    number = kept.latest_number()
    take_in(kept, path, NOW_MS + 2)
    assert kept.latest_number() == number
    (path / "b.yaml").unlink()
    take_in(kept, path, NOW_MS + 3)
    assert in_force(kept)[-1] == (4, NOW_MS + DAY_MS)


def test_a_folder_does_not_undo_what_a_command_did_since_unless_it_changed(kept, tmp_path):
    path = folder(tmp_path / "rules", a=split(2), b=split(3, since=str(NOW_MS)))
    take_in(kept, path, NOW_MS)
    kept.store(file(7), NOW_MS + 5, "command", NOW_MS + 5, "chen")
    kept.take_in(read_rule_files(path), path, given=True, now_ms=NOW_MS + 9)
    assert in_force(kept)[-1] == (7, NOW_MS + 5)
    folder(path, c=split(5, since=str(NOW_MS + 20)))
    take_in(kept, path, NOW_MS + 10)


def broken(database: Database) -> None:
    """A version is stored that this swipewatch cannot read, as a newer one's command could."""
    RuleVersions(database).append(
        [
            StoredVersion(
                version="0" * 16,
                effective_from_ms=NOW_MS,
                content=split().replace("count:", "counts:"),
                origin="command",
                stored_at_ms=NOW_MS,
                stored_by="chen",
            )
        ]
    )


def test_a_version_that_cannot_be_read_is_an_error_that_names_it(kept, database):
    started(kept, 2, NOW_MS)
    broken(database)
    with pytest.raises(ConfigError, match=r"rule version 2 in the database: split_settlement\.counts"):
        kept.rulebook()
    kept.store(file(3), 0, "command", NOW_MS, "chen")
    assert in_force(kept) == [(3, 0)]


# ------------------------------------------------------------------------------------------------------ the watch


class Told:
    """A pipeline that keeps what it is told, and can be away."""

    def __init__(self) -> None:
        self.rulebooks: list[Rulebook] = []
        self.away = False

    def change(self, rulebook: Rulebook) -> Future[None]:
        if self.away:
            raise TransientError("the pipeline is starting")
        self.rulebooks.append(rulebook)
        done: Future[None] = Future()
        done.set_result(None)
        return done


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def watch(kept, database, told) -> RuleWatch:
    started(kept, 2, NOW_MS)
    return RuleWatch(kept, RuleHalts(database), told.change, Measurements(), kept.latest_number())


def test_the_watch_tells_each_new_version_once(watch, told, database):
    watch.look()
    assert told.rulebooks == []
    KeptRules(database).store(file(5), NOW_MS, "command", NOW_MS, "chen")
    watch.look()
    watch.look()
    assert [rulebook.version_starts for rulebook in told.rulebooks] == [(0, NOW_MS)]


def test_the_watch_tells_a_version_again_that_the_pipeline_could_not_take(watch, kept, told):
    kept.store(file(5), NOW_MS, "command", NOW_MS, "chen")
    told.away = True
    watch.look()
    assert told.rulebooks == []
    told.away = False
    watch.look()
    assert len(told.rulebooks) == 1


def test_a_version_that_cannot_be_read_changes_nothing_and_is_said_once(watch, told, database, kept):
    broken(database)
    with structlog.testing.capture_logs() as logs:
        watch.look()
        watch.look()
    assert told.rulebooks == []
    assert [line["event"] for line in logs] == ["rules.unreadable"]
    assert "split_settlement.counts" in logs[0]["error"]
    kept.store(file(3), 0, "command", NOW_MS, "chen")
    watch.look()
    assert len(told.rulebooks) == 1


def test_the_watch_says_which_rules_were_halted_and_resumed(kept, database, told):
    measurements, halts = Measurements(), RuleHalts(database)
    watch = RuleWatch(kept, halts, told.change, measurements, 0)
    with structlog.testing.capture_logs() as logs:
        watch.look()
        write(Projector(database, breaking()), *flood(LIMIT + 1))
        watch.look()
        watch.look()
        assert b"swipewatch_rules_halted 1.0" in measurements.exposition()
        halts.resume("holder_mismatch", "chen", NOW_MS)
        watch.look()
    assert [(line["event"], line["rule"]) for line in logs] == [
        ("rule.halted", "holder_mismatch"),
        ("rule.resumed", "holder_mismatch"),
    ]
    assert f"{RULES_HALTED.name} 0.0".encode() in measurements.exposition()
