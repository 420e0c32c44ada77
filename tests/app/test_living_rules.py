"""Rules that change while the product runs: recorded silently first, then told; exact at once; the old ones' words."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from alerts.policy import Policy
from app.configuration import alert_policy, read_configuration
from app.kept_rules import KeptRules
from app.rule_files import RuleFile, parse_rules
from app.rule_watch import RuleWatch
from detectors.catalogue import Rulebook
from events.dead_letters import Place
from events.findings import finding_json
from events.types import AnyEvent
from storage.database import Database, default_url
from storage.projector import AlertChange, Projector
from storage.rule_halts import RuleHalts
from streams.embedded import Pipeline, PipelineStopped
from streams.replay import replay
from tests.app.rule_texts import split
from tests.brute_force.stories import NOON, swipe
from tests.storage.projections import alerts, notices
from tests.worlds import encode
from web.measurements import Measurements

MINUTE_MS = 60_000
DEADLINE_S = 20.0


class Quiet:
    """A listener that only keeps why the pipeline failed."""

    reason = ""

    def accepted(self, events: Sequence[AnyEvent]) -> None:
        """Nobody listens."""

    def alerts_changed(self, changes: Sequence[AlertChange]) -> None:
        """Nobody listens."""

    def failed(self, reason: str) -> None:
        self.reason = reason


class Product:
    """A pipeline, its rules and their watch on a real database; time stands where the test puts it."""

    def __init__(self, directory: Path, content: str) -> None:
        self.now_ms = NOON
        self.database = Database.open(default_url(directory))
        self.kept, self.lines = KeptRules(self.database), list[bytes]()
        self.configuration = read_configuration()
        if self.kept.latest_number() == 0:
            self.kept.take_in([file(content)], Path("rules.yaml"), given=True, now_ms=self.now_ms)
        rulebook = self.kept.rulebook()
        self.listener = Quiet()
        self.projector = Projector(self.database, self.policy(rulebook))
        self.pipeline = Pipeline(
            database=self.database,
            projector=self.projector,
            rulebook=rulebook,
            listener=self.listener,
            clock_ms=lambda: self.now_ms,
        )
        halts, number = RuleHalts(self.database), self.kept.latest_number()
        self.watch = RuleWatch(
            self.kept,
            halts,
            lambda rules: self.pipeline.change_rules(rules, self.policy(rules)),
            Measurements(),
            number,
        )
        self.pipeline.start()
        ends = time.monotonic() + DEADLINE_S
        while not self.pipeline.is_ready():
            assert time.monotonic() < ends, self.listener.reason
            time.sleep(0.01)

    def policy(self, rulebook: Rulebook) -> Policy:
        return alert_policy(self.configuration, rulebook)

    def close(self) -> None:
        self.pipeline.stop()
        self.database.close()

    def sells(self, minute: int, name: str, person: str, late_ms: int = 0) -> None:
        """It is that minute, and a swipe comes that was made then or so much before; afterwards it is judged."""
        self.now_ms = NOON + minute * MINUTE_MS
        lines = encode([swipe(name, minute * MINUTE_MS - late_ms, person)])
        self.lines += lines
        self.pipeline.submit("his", lines).result(DEADLINE_S)
        self.pipeline.change_rules(self.kept.rulebook(), self.policy(self.kept.rulebook())).result(DEADLINE_S)

    def obeys(self, content: str, minute: int) -> None:
        """A rule file is activated as of that minute, and the running product has seen it."""
        self.kept.store(file(content), NOON + minute * MINUTE_MS, "command", self.now_ms, "chen")
        self.watch.look()

    def found(self) -> list[tuple[str, str]]:
        return sorted((one.settlement_id, one.mode) for one in self.projector.standing())

    def alerted(self) -> list[str]:
        return [alert.settlement_id for alert in alerts(self.database)]


def file(content: str) -> RuleFile:
    return RuleFile(source="rules.yaml", content=content, ruleset=parse_rules(content, "rules.yaml"))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def product(directory: Path) -> Iterator[Product]:
    opened = Product(directory, split(mode="shadow"))
    yield opened
    opened.close()


def test_what_a_shadow_rule_finds_is_recorded_and_reaches_neither_alerts_nor_terminals(product):
    product.sells(0, "a", "p")
    product.sells(1, "b", "p")
    assert product.found() == [("b", "shadow")]
    assert alerts(product.database) == []
    assert notices(product.database) == []
    assert product.projector.project_alerts(product.now_ms) == []


def test_turned_live_later_a_rule_alerts_only_what_is_swiped_from_then_on(product):
    product.sells(0, "a", "p")
    product.sells(1, "b", "p")
    product.obeys(split(), 2)
    assert product.found() == [("b", "shadow")]
    product.sells(3, "c", "p")
    assert product.found() == [("b", "shadow"), ("c", "live")]
    assert product.alerted() == ["c"]
    assert [notice.kind for notice in notices(product.database)] == ["reminder"]


def test_turned_silent_a_rule_takes_back_nothing_of_before_and_tells_nothing_more(product):
    product.obeys(split(), 0)
    product.sells(1, "a", "p")
    product.sells(2, "b", "p")
    product.obeys(split(mode="shadow"), 3)
    product.sells(4, "c", "p")
    assert product.found() == [("b", "live"), ("c", "shadow")]
    assert product.alerted() == ["b"]
    assert [notice.kind for notice in notices(product.database)] == ["reminder"]


def test_a_version_that_comes_late_undoes_and_makes_what_was_decided_since_its_time(product):
    product.obeys(split(2), 0)
    for minute, name in enumerate("abc", start=1):
        product.sells(minute, name, "p")
    assert product.alerted() == ["c"]  # one alert, about the latest of its facts
    product.obeys(split(4), 2)
    assert product.found() == []
    assert [alert.state for alert in alerts(product.database)] == ["withdrawn"]
    assert notices(product.database)[-1].kind == "withdrawn"
    product.obeys(split(3), 3)
    assert product.found() == [("c", "live")]


@pytest.mark.slow
def test_what_stands_after_every_change_is_what_a_replay_with_the_kept_versions_finds(product):
    contents = iter([split(2), split(3), split(1, mode="shadow"), split(2)])
    for minute in range(20):
        product.sells(minute, f"s{minute:02}", f"p{minute % 3}")
        if minute % 5 == 4:
            product.obeys(next(contents), minute - 1)
        offers = [(line, Place(file="life", line=number)) for number, line in enumerate(product.lines, start=1)]
        expected = [finding_json(one) for one in replay(offers, product.kept.rulebook()).findings]
        assert list(product.projector.findings_json()) == expected


def test_a_product_that_was_killed_comes_back_with_the_versions_it_had(directory):
    first = Product(directory, split(mode="shadow"))
    first.sells(0, "a", "p")
    first.sells(1, "b", "p")
    first.kept.store(file(split()), NOON + MINUTE_MS, "command", first.now_ms, "chen")  # it dies before it sees that
    first.close()
    second = Product(directory, split(mode="shadow"))
    assert second.found() == [("b", "live")]
    assert second.alerted() == ["b"]
    second.close()


def test_a_pipeline_that_has_stopped_takes_no_rules(directory):
    product = Product(directory, split())
    product.close()
    with pytest.raises(PipelineStopped):
        product.pipeline.change_rules(Rulebook(versions=()), Policy(rules={}))
    product.watch.look()


def test_an_alert_is_told_in_the_words_of_its_own_version(product):
    product.obeys(split(), 0)
    product.sells(1, "a", "p")
    product.sells(2, "b", "p")
    product.obeys(split().replace("settlements within", "slips in"), 3)
    product.sells(4, "c", "q")
    product.sells(5, "d", "q")
    told = [str(notice.body["frame"]) for notice in notices(product.database)]
    assert ["settlements within" in frame for frame in told] == [True, False]
    assert ["slips in" in frame for frame in told] == [False, True]
    product.obeys("{}", 6)
    product.sells(7, "e", "p", late_ms=6 * MINUTE_MS - 1)  # it was swiped before b, which counts it now
    first = alerts(product.database)[0]
    assert "3 settlements within" in str(first.body)
    assert first.route == "both"
