from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from events.codec import decode_event
from events.dead_letters import InvalidEvent
from storage.database import Database, default_url
from storage.log import AcceptedLog
from storage.queries.alerts import AlertQueries
from storage.queries.evidence import Still
from storage.queries.notices import Audience, NoticeQueries, Wish
from storage.queries.numbers import NumberQueries
from storage.queries.summaries import telling_still
from tests.alerts.builders import OTHER_STORE, STORE, finding
from tests.web.world import World, record_of, swipe_event

DAY_MS = 86_400_000
TODAY_MS = 1_790_784_000_000


def receive(database: Database, number: int, *, occurred_ms: int, total_fen: int = 500) -> None:
    event = msgspec.json.encode(swipe_event(str(number), at_ms=occurred_ms, total_fen=total_fen, fund_fen=100))
    decoded = decode_event(event)
    assert not isinstance(decoded, InvalidEvent)
    with database.session() as session:
        AcceptedLog(database).append(session, [record_of(event, decoded, "his", TODAY_MS)])


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database.open(default_url(tmp_path))


def test_a_days_swipes_are_those_that_happened_that_day_whenever_they_came(database: Database) -> None:
    for number, occurred_ms in enumerate((TODAY_MS - 1, TODAY_MS, TODAY_MS + DAY_MS - 1, TODAY_MS + DAY_MS)):
        receive(database, number, occurred_ms=occurred_ms, total_fen=100 * number)
    numbers = NumberQueries(database).numbers(TODAY_MS, TODAY_MS + DAY_MS)
    assert (numbers.swipes, numbers.total_fen, numbers.fund_fen) == (2, 300, 200)
    database.close()


def test_sums_are_those_of_a_plain_sum_wherever_the_minutes_begin(database: Database) -> None:
    rnd = random.Random(7)
    times = [rnd.randrange(TODAY_MS - DAY_MS, TODAY_MS + DAY_MS) for _ in range(60)]
    for number, at_ms in enumerate(times):
        receive(database, number, occurred_ms=at_ms, total_fen=number)
    for from_ms in range(TODAY_MS - DAY_MS, TODAY_MS + DAY_MS, 37 * 60_000):
        numbers = NumberQueries(database).numbers(from_ms, TODAY_MS)
        inside = [number for number, at_ms in enumerate(times) if from_ms <= at_ms < TODAY_MS]
        assert (numbers.swipes, numbers.total_fen) == (len(inside), sum(inside))
    database.close()


def test_an_empty_database_has_numbers_too(database: Database) -> None:
    numbers = NumberQueries(database).numbers(TODAY_MS, TODAY_MS + DAY_MS)
    assert (numbers.swipes, numbers.alerts, numbers.answer_seconds) == (0, 0, None)
    assert AlertQueries(database).last_entry_id() == 0
    assert AlertQueries(database).dossier("x") is None
    database.close()


def still(name: str, observation_id: str, at_ms: int) -> Still:
    return Still(still_id=name, observation_id=observation_id, settlement_id="S", camera_id="c", captured_at_ms=at_ms)


def test_the_picture_shown_is_one_that_was_counted_else_the_nearest_to_the_swipe() -> None:
    near, far, counted = still("near", "o1", 1_000), still("far", "o2", 9_000), still("counted", "o3", 5_000)
    assert telling_still([far, near, counted], {"o3"}, 1_000) == "counted"
    assert telling_still([far, near], {"o3"}, 1_200) == "near"
    assert telling_still([], {"o3"}, 1_200) is None


def test_the_answer_time_is_the_median_from_opened_to_answered(world: World) -> None:
    for seconds in (5, 7, 60):
        found = world.raise_alert()
        alert = AlertQueries(world.database).recent_alerts(1)[0]
        assert alert.settlement_id == found.settlement_id
        world.projector.answer(alert.alert_id, "ankang", "checked", "", alert.opened_at_ms + seconds * 1_000)
    world.raise_alert()
    numbers = NumberQueries(world.database).numbers(0, world.now_ms() + 1)
    assert (numbers.alerts, numbers.answered, numbers.waiting, numbers.answer_seconds) == (4, 3, 1, 7.0)


def test_a_dossier_holds_every_event_that_was_counted(world: World) -> None:
    settlements = [world.settlement() for _ in range(4)]
    for settlement in settlements:
        world.log(msgspec.json.encode(swipe_event(settlement)))
    world.raise_alert("card_batch", settlement=settlements[2], evidence=settlements[:3])
    queries = AlertQueries(world.database)
    dossier = queries.dossier(queries.recent_alerts(1)[0].alert_id)
    assert dossier is not None
    assert sorted(event.identity for event in dossier.events) == settlements[:3]


NOBODY = Audience(institution_ids=("P-NOWHERE",))


@pytest.mark.slow
@pytest.mark.parametrize("near", [0, 3, 1_000])
def test_many_terminals_asked_together_read_what_each_reads_alone(
    world: World, monkeypatch: pytest.MonkeyPatch, near: int
) -> None:
    monkeypatch.setattr("storage.queries.notices._NEAR_NOTICES", near)
    rnd, queries = random.Random(near), NoticeQueries(world.database)
    stores, tills = (STORE, OTHER_STORE), ("1", "2")
    for _ in range(12):
        store, till = rnd.choice(stores), rnd.choice(tills)
        at_ms, settlement = world.now_ms() - 1_000, world.settlement()
        world.write([finding("card_batch", store=store, till=till, at_ms=at_ms, settlement=settlement)])
    everything = Audience(institution_ids=("*",))
    told = queries.notices_after(everything, 0, 100)
    assert len(told) > 1
    last, heard = told[-1].notice_id, frozenset(one.alert_id for one in told)
    audiences = [everything, NOBODY] + [
        Audience(institution_ids=ids, till_id=till)
        for ids in ((STORE,), (OTHER_STORE,), stores)
        for till in (None, *tills)
    ]
    wishes = [
        Wish(audience=one, after=after, heard=heard)
        for one in audiences
        for after in (-1, last // 2, last - 1, last, last + 2)
    ]
    for limit in (2, 100):
        for wish, news in zip(wishes, queries.news(wishes, limit), strict=True):
            alone = queries.notices_after(wish.audience, wish.after, limit)
            assert list(news.notices) == alone
            assert news.complete == (len(alone) < limit)
            assert news.up_to == (max(last, wish.after) if news.complete else alone[-1].notice_id)
            others = heard - {one.alert_id for one in alone}
            latest = [queries.told_alert(wish.audience, alert_id) for alert_id in others]
            due = [one for one in latest if one is not None and one.notice_id <= news.up_to]
            assert sorted(one.notice_id for one in news.changed) == sorted(one.notice_id for one in due)
