"""Searches over 100,000 alerts: what they find equals a plain reading, and how much they look at stays small."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

from storage.alerts.search import AlertFilter, places
from storage.alerts.terms import TAIL_CHARACTERS, person_term, rule_term
from storage.database import Database, default_url
from storage.models import AlertRow, AlertTermRow, ReviewedRow
from storage.queries.alerts import AlertQueries
from tests.web.world import World, swipe_event

ALERTS = 100_000
STORES = [f"P320200{number:05d}" for number in range(400)]
RULES = [f"rule_{number}" for number in range(20)]
STATES = ["closed"] * 90 + ["answered"] * 6 + ["withdrawn"] * 3 + ["open"]
SEVERITIES = ["low"] * 6 + ["medium"] * 3 + ["high"]
PAGE = 50


class Made(msgspec.Struct, frozen=True, kw_only=True):
    opened_at_ms: int
    alert_id: str
    institution_id: str
    detector: str
    severity: str
    state: str
    settlement_id: str
    person_id: str

    @property
    def place(self) -> tuple[int, str]:
        return self.opened_at_ms, self.alert_id


def made() -> list[Made]:
    rnd = random.Random(11)
    return [
        Made(
            opened_at_ms=1_790_000_000_000 + number // 3 * 1_000,
            alert_id=f"{rnd.getrandbits(64):016x}",
            institution_id=rnd.choice(STORES),
            detector=rnd.choice(RULES),
            severity="critical" if number == 17 else rnd.choice(SEVERITIES),
            state=rnd.choice(STATES),
            settlement_id=f"SETL{rnd.randrange(10**8):08d}",
            person_id=f"person-{rnd.randrange(2_000)}",
        )
        for number in range(ALERTS)
    ]


@pytest.fixture(scope="module")
def all_alerts() -> list[Made]:
    return made()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory, all_alerts: list[Made]) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("alerts")
    opened = Database.open(default_url(folder))
    with opened.session() as session:
        session.execute(insert(AlertRow), [row_of(one) for one in all_alerts])
        session.execute(insert(AlertTermRow), [term for one in all_alerts for term in terms_of(one)])
        session.execute(
            insert(ReviewedRow),
            [
                {"username": "done", "alert_id": one.alert_id, "at_ms": 1}
                for one in all_alerts
                if one.opened_at_ms % 2_000
            ],
        )
    yield opened
    opened.close()
    shutil.rmtree(folder)


def row_of(one: Made) -> dict[str, object]:
    return {
        "alert_id": one.alert_id,
        "episode_key": one.person_id,
        "institution_id": one.institution_id,
        "till_id": "1",
        "detector": one.detector,
        "severity": one.severity,
        "route": "both",
        "state": one.state,
        "settlement_id": one.settlement_id,
        "opened_at_ms": one.opened_at_ms,
        "changed_at_ms": one.opened_at_ms,
        "last_anchor_ms": one.opened_at_ms,
        "body": {"frame": {"zh": "x" * 400, "en": "y" * 400}},
    }


def terms_of(one: Made) -> Iterator[dict[str, object]]:
    receipt = f"receipt:{one.settlement_id[-TAIL_CHARACTERS:][::-1]}"
    for term in (rule_term(one.detector), person_term(one.person_id), receipt):
        yield {"term": term, "opened_at_ms": one.opened_at_ms, "alert_id": one.alert_id}


def is_wanted(one: Made, wanted: AlertFilter) -> bool:
    asked = [
        one.settlement_id.endswith(wanted.receipt),
        not wanted.person_id or one.person_id == wanted.person_id,
        not wanted.rule or one.detector == wanted.rule,
        not wanted.institution_ids or one.institution_id in wanted.institution_ids,
        not wanted.severities or one.severity in wanted.severities,
        not wanted.states or one.state in wanted.states,
        wanted.from_ms is None or one.opened_at_ms >= wanted.from_ms,
        wanted.to_ms is None or one.opened_at_ms < wanted.to_ms,
        not wanted.unreviewed_by or not one.opened_at_ms % 2_000,
    ]
    return all(asked)


WANTED = {
    "everything": AlertFilter(),
    "a store": AlertFilter(institution_ids=(STORES[7],)),
    "stores": AlertFilter(institution_ids=tuple(STORES[:3])),
    "what waits": AlertFilter(states=("open", "delivered", "seen", "escalated")),
    "the one that is critical": AlertFilter(severities=("critical",)),
    "a receipt": AlertFilter(receipt="4711"),
    "a person": AlertFilter(person_id="person-42"),
    "a rule": AlertFilter(rule="rule_3"),
    "a rule, a state and a severity": AlertFilter(rule="rule_3", states=("withdrawn",), severities=("high",)),
    "a person and a rule": AlertFilter(person_id="person-42", rule="rule_3"),
    "a store and a receipt": AlertFilter(institution_ids=tuple(STORES[:200]), receipt="471"),
    "a time": AlertFilter(from_ms=1_790_000_500_000, to_ms=1_790_000_700_000),
    "a store, a time and a state": AlertFilter(
        institution_ids=(STORES[9],), from_ms=1_790_000_500_000, to_ms=1_790_020_700_000, states=("closed",)
    ),
    "not reviewed": AlertFilter(unreviewed_by="done"),
    "a rule, not reviewed": AlertFilter(rule="rule_5", unreviewed_by="done"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WANTED)
def test_a_search_finds_what_a_plain_reading_finds(database: Database, all_alerts: list[Made], name: str) -> None:
    wanted = WANTED[name]
    expected = sorted((one.place for one in all_alerts if is_wanted(one, wanted)), reverse=True)
    assert expected
    with database.read() as session:
        assert places(session, wanted, ALERTS) == expected


@contextmanager
def counted(database: Database) -> Iterator[tuple[Session, list[int]]]:
    """Counts hundreds of steps of SQLite's own machine: what a query costs, on any computer."""
    hundreds = [0]

    def step() -> int:
        hundreds[0] += 1
        return 0

    with database.read() as session:
        raw = session.connection().connection.driver_connection
        assert raw is not None
        raw.set_progress_handler(step, 100)
        try:
            yield session, hundreds
        finally:
            raw.set_progress_handler(None, 0)


# In steps. What few alerts have and no index leads to costs a look at each in the order's index, some 15 steps.
MOST_STEPS = {"the one that is critical": 2_000_000}


@pytest.mark.slow
@pytest.mark.parametrize("name", WANTED)
def test_a_page_costs_no_more_for_the_alerts_that_are_not_on_it(database: Database, name: str) -> None:
    with counted(database) as (session, hundreds):
        places(session, WANTED[name], PAGE)
    assert 0 < hundreds[0] * 100 < MOST_STEPS.get(name, 60_000)


@pytest.mark.slow
def test_the_last_page_costs_as_little_as_the_first(database: Database, all_alerts: list[Made]) -> None:
    oldest = min(one.place for one in all_alerts)
    with counted(database) as (session, hundreds):
        assert places(session, AlertFilter(), PAGE, (oldest[0] + 3_000, ""))
    assert 0 < hundreds[0] * 100 < 5_000


@pytest.mark.slow
def test_pages_follow_each_other_without_gap_or_repeat(database: Database, all_alerts: list[Made]) -> None:
    wanted, before, seen = WANTED["a store"], None, []
    with database.read() as session:
        while some := places(session, wanted, 7, before):
            seen += some
            before = some[-1]
    assert seen == sorted((one.place for one in all_alerts if is_wanted(one, wanted)), reverse=True)


@pytest.mark.slow
def test_a_count_stops_where_it_is_told_to(database: Database) -> None:
    queries = AlertQueries(database)
    assert queries.count_wanted(AlertFilter(), 1_000) == 1_000
    assert queries.count_wanted(AlertFilter(severities=("critical",)), 1_000) == 1


def test_an_alert_is_found_by_every_receipt_person_and_rule_behind_it(world: World) -> None:
    settlements = [world.settlement() for _ in range(3)]
    for number, settlement in enumerate(settlements):
        world.log(msgspec.json.encode(swipe_event(settlement, person_id=f"329900-{number}")))
    world.raise_alert("card_batch", settlement=settlements[-1], evidence=settlements)
    world.raise_alert("frequent_purchase", person="329900-7")
    queries = AlertQueries(world.database)
    batch = queries.search(AlertFilter(rule="card_batch"), 5)
    assert len(batch) == 1
    for wanted in (
        *(AlertFilter(receipt=settlement[-6:]) for settlement in settlements),
        *(AlertFilter(person_id=f"329900-{number}") for number in range(3)),
    ):
        assert queries.search(wanted, 5) == batch
    assert [one.detector for one in queries.search(AlertFilter(person_id="329900-7"), 5)] == ["frequent_purchase"]
    assert queries.is_known_person("329900-1")
    assert not queries.is_known_person("329900-9")
