from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from storage.database import Database, default_url
from storage.models import AcceptedEvent
from storage.queries import Queries, Still, _telling_still
from tests.web.world import World, swipe_event

DAY_MS = 86_400_000
TODAY_MS = 1_790_784_000_000


def receive(database: Database, number: int, *, kind: str = "swipe", occurred_ms: int, received_ms: int) -> None:
    with database.session() as session:
        session.add(
            AcceptedEvent(
                identity=f"{kind}:{number}",
                digest=b"",
                type=kind,
                settlement_id=str(number),
                institution_id="P1",
                occurred_at_ms=occurred_ms,
                received_at_ms=received_ms,
                sender="his",
                original=b"{}",
            )
        )


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database.open(default_url(tmp_path))


def test_a_days_swipes_are_those_that_happened_and_came_that_day(database: Database) -> None:
    receive(database, 1, occurred_ms=TODAY_MS - 5, received_ms=TODAY_MS - 4)
    receive(database, 2, occurred_ms=TODAY_MS - 5, received_ms=TODAY_MS + 5)
    receive(database, 3, occurred_ms=TODAY_MS, received_ms=TODAY_MS + 6)
    receive(database, 4, kind="person", occurred_ms=TODAY_MS, received_ms=TODAY_MS + 6)
    queries = Queries(database)
    assert queries.numbers(TODAY_MS).swipes == 1
    receive(database, 5, occurred_ms=TODAY_MS + 9, received_ms=TODAY_MS + 10)
    assert queries.numbers(TODAY_MS).swipes == 2
    assert queries.numbers(TODAY_MS + DAY_MS).swipes == 0
    assert queries.numbers(TODAY_MS).swipes == 2
    database.close()


def test_the_count_is_that_of_a_plain_count_wherever_the_day_begins(database: Database) -> None:
    rnd = random.Random(7)
    times = sorted(rnd.randrange(TODAY_MS - DAY_MS, TODAY_MS + DAY_MS) for _ in range(40))
    for number, at_ms in enumerate(times):
        receive(database, number, occurred_ms=at_ms, received_ms=at_ms)
    for since_ms in [TODAY_MS - 2 * DAY_MS, *times, TODAY_MS + 2 * DAY_MS]:
        assert Queries(database).numbers(since_ms).swipes == sum(at_ms >= since_ms for at_ms in times)
    database.close()


def test_an_empty_database_has_numbers_too(database: Database) -> None:
    numbers = Queries(database).numbers(TODAY_MS)
    assert (numbers.swipes, numbers.alerts, numbers.answer_seconds) == (0, 0, None)
    assert Queries(database).last_entry_id() == 0
    assert Queries(database).dossier("x") is None
    database.close()


def still(name: str, observation_id: str, at_ms: int) -> Still:
    return Still(still_id=name, observation_id=observation_id, settlement_id="S", camera_id="c", captured_at_ms=at_ms)


def test_the_picture_shown_is_one_that_was_counted_else_the_nearest_to_the_swipe() -> None:
    near, far, counted = still("near", "o1", 1_000), still("far", "o2", 9_000), still("counted", "o3", 5_000)
    assert _telling_still([far, near, counted], {"o3"}, 1_000) == "counted"
    assert _telling_still([far, near], {"o3"}, 1_200) == "near"
    assert _telling_still([], {"o3"}, 1_200) is None


def test_the_answer_time_is_the_median_from_opened_to_answered(world: World) -> None:
    for seconds in (5, 7, 60):
        found = world.raise_alert()
        alert = Queries(world.database).recent_alerts(1)[0]
        assert alert.settlement_id == found.settlement_id
        world.projector.answer(alert.alert_id, "ankang", "checked", "", alert.opened_at_ms + seconds * 1_000)
    world.raise_alert()
    numbers = Queries(world.database).numbers(0)
    assert (numbers.alerts, numbers.answered, numbers.waiting, numbers.answer_seconds) == (4, 3, 1, 7.0)


def test_a_dossier_holds_every_event_that_was_counted(world: World) -> None:
    settlements = [world.settlement() for _ in range(4)]
    for settlement in settlements:
        world.log(msgspec.json.encode(swipe_event(settlement)))
    world.raise_alert("card_batch", settlement=settlements[2], evidence=settlements[:3])
    queries = Queries(world.database)
    dossier = queries.dossier(queries.recent_alerts(1)[0].alert_id)
    assert dossier is not None
    assert sorted(event.identity for event in dossier.events) == settlements[:3]
