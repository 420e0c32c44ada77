"""This is not that person, these two are one, and both undone: findings follow, and who said so is shown."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs

from app.configuration import alert_policy, read_configuration
from app.product import PipelineIntake, wait_until_ready
from app.rule_files import read_rules
from app.visitors.orders import VisitorOrders
from app.visitors.shared import NoVisitors
from config.settings import packaged
from events.errors import TransientError
from storage.access.changes import AccessChanges
from storage.faces.visitors import VisitorRecord
from storage.log import AcceptedLog
from storage.projector import Projector
from streams.embedded import Pipeline
from tests.alerts.builders import VISITOR
from tests.app.test_living_rules import Quiet
from tests.web.many_cards import three_cards
from tests.web.world import World, form_token, log_in, observation_bytes, poll, swipe_event
from web.ports import EventResult, Intake

EN = {"Accept": "text/html", "Accept-Language": "en"}
PAGE = f"/visitors/{VISITOR}"
RULE = "one_face_many_cards"


def post(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return client.post(path, data={"csrf": form_token(client), **fields}, headers=EN)


@pytest.fixture
def pipeline(world: World) -> Iterator[Pipeline]:
    """The real pipeline behind the pages: what is corrected there is accepted, judged and told by it."""
    rulebook = read_rules(packaged("rules.yaml"))
    projector = Projector(world.database, alert_policy(read_configuration(), rulebook))
    listener = Quiet()
    made = Pipeline(
        database=world.database, projector=projector, rulebook=rulebook, listener=listener, clock_ms=world.now_ms
    )
    made.start()
    wait_until_ready(made, 20)
    world.app.state.services = dataclasses.replace(world.services, intake=PipelineIntake(made))
    yield made
    made.stop()
    assert listener.reason == ""


def pay(world: World, pipeline: Pipeline, cards: Sequence[tuple[str, str]]) -> list[str]:
    """Cards are swiped minutes apart, each by a visitor; returns the settlements."""
    settlements, events = [], []
    for number, (person, visitor) in enumerate(cards):
        settlement, at_ms = world.settlement(), world.now_ms() - (len(cards) - number) * 60_000
        faces = [{"quality": 0.9, "visitor_id": visitor, "settlement_id": settlement}]
        events.append(msgspec.json.encode(swipe_event(settlement, at_ms=at_ms, person_id=person)))
        events.append(observation_bytes(f"fo-{settlement}", settlement, at_ms + 1_000, faces=faces))
        settlements.append(settlement)
    pipeline.submit("his", events).result(20)
    return settlements


def page_of(client: httpx.Client, visitor_id: str) -> str:
    """Returns the visitor's page once an alert is about them."""
    asked = f"/visitors/{visitor_id}"
    return poll(lambda: answer.text if (answer := client.get(asked, headers=EN)).is_success else None)


def standing(world: World) -> list[tuple[str, int]]:
    """Returns whose findings of the rule stand, and how many cards each counts."""
    found = [one for one in world.projector.standing() if one.detector == RULE]
    return sorted((str(one.key["visitor_id"]), int(str(one.measure["buyers"]))) for one in found)


def test_a_swipe_that_is_not_the_visitors_withdraws_the_finding_and_undone_it_stands_again(client, world, pipeline):
    settlements = pay(world, pipeline, [(f"329900-{number}", VISITOR) for number in range(3)])
    poll(lambda: standing(world) == [(VISITOR, 3)])
    log_in(client, "operator")
    assert page_of(client, VISITOR).count("This is not that person") == 3
    assert post(client, f"{PAGE}/not-this", settlement_id=settlements[1], reason="his brother").status_code == 303
    poll(lambda: standing(world) == [])
    page = client.get(PAGE, headers=EN).text
    assert page.count("This is not that person") == 2
    assert re.search(r"operator · .+ · faces: 1 · his brother", page)
    assert not [one for one in AcceptedLog(world.database).read() if b"his brother" in one.original]
    (change,) = AccessChanges(world.database).latest(9, kind="visitor")
    assert (change.actor, change.action, change.subject) == ("operator", "not_this_person", VISITOR)
    assert post(client, f"{PAGE}/not-this", settlement_id=settlements[1]).status_code == 404
    (act_id,) = re.findall(r'name="act_id" value="([0-9a-f]+)"', page)
    assert post(client, f"{PAGE}/undo", act_id=act_id).status_code == 303
    poll(lambda: standing(world) == [(VISITOR, 3)])
    page = client.get(PAGE, headers=EN).text
    assert "no longer holds" in page
    assert 'name="act_id"' not in page
    assert post(client, f"{PAGE}/undo", act_id=act_id).status_code == 409
    assert post(client, "/visitors/v-other/undo", act_id=act_id).status_code == 404


def test_two_faces_that_are_one_person_count_together_until_that_is_undone(client, world, pipeline):
    pay(world, pipeline, [("329900-1", "v-old"), ("329900-2", "v-old"), ("329900-3", "v-young")])
    log_in(client, "operator")
    assert post(client, "/visitors/v-young/same", other_id="v-old").status_code == 403
    log_in(client, "supervisor")
    for other in ("v-young", "v-nobody"):
        assert post(client, "/visitors/v-young/same", other_id=other).status_code == 422
    assert post(client, "/visitors/v-young/same", other_id=" v-old ", reason="same coat").status_code == 303
    poll(lambda: standing(world) == [("v-old", 3)])
    page = page_of(client, "v-old")
    assert "Two faces are one person" in page
    (act_id,) = re.findall(r'name="act_id" value="([0-9a-f]+)"', page)
    record = VisitorRecord(world.database)
    assert [(one.kind, one.visitor_id, one.kept_id) for one in record.orders()] == [("join", "v-young", "v-old")]
    log_in(client, "auditor")
    assert post(client, "/visitors/v-old/undo", act_id=act_id).status_code == 403
    log_in(client, "supervisor")
    assert post(client, "/visitors/v-old/undo", act_id=act_id).status_code == 303
    poll(lambda: standing(world) == [])
    assert [one.kind for one in record.orders()] == ["join", "forget"]


class Unsure:
    """Takes all that it is given, and says so too late each other time."""

    def __init__(self, intake: Intake) -> None:
        self._intake, self._times = intake, 0

    async def submit(self, sender: str, originals: Sequence[bytes], deadline_s: float) -> list[EventResult]:
        results = await self._intake.submit(sender, originals, deadline_s)
        self._times += 1
        if self._times % 2:
            raise TimeoutError
        return results


def test_a_decision_whose_answer_came_too_late_is_whole_once_it_is_made_again(client, world):
    at_ms = world.now_ms() - 60_000
    for number, visitor in enumerate(("v-old", "v-young")):
        faces = [{"quality": 0.9, "visitor_id": visitor}]
        world.log(observation_bytes(f"fo-{number}", world.settlement(), at_ms + number, faces=faces))
    record, changes = VisitorRecord(world.database), AccessChanges(world.database)
    log_in(client, "supervisor")
    steps = {"same": {"other_id": "v-old"}, "undo": {}}
    for kind, (step, fields), order in zip(("same_person", "undone"), steps.items(), ("join", "forget"), strict=True):
        world.app.state.services = dataclasses.replace(world.services, intake=Unsure(world.services.intake))
        path = f"/visitors/v-young/{step}"
        assert post(client, path, **fields).status_code == 503
        assert [one.kind for one in record.orders()] == [order]
        assert record.acts("v-young")[0].reason is None
        assert post(client, path, reason="same coat", **fields).status_code == 303
        assert {one.kind for one in record.orders()} == {order}
        act, *_ = record.acts("v-young")
        assert (act.kind, act.reason) == (kind, "same coat")
        assert [one.action == kind for one in changes.latest(9, kind="visitor")].count(True) == 1  # on record once
        assert post(client, path, **fields).status_code in {409, 422}
        steps["undo"]["act_id"] = act.act_id
        for one in record.orders():
            record.done(one.number)


def test_an_alerts_page_offers_it_for_each_swipe_of_the_face_and_comes_back_to_itself(client, world):
    three_cards(world)
    log_in(client, "auditor")
    (alert_id,) = set(re.findall(r"/alerts/([0-9a-f]{16,})", client.get("/", headers=EN).text))
    page = client.get(f"/alerts/{alert_id}", headers=EN).text
    (settlement, *_) = re.findall(r'name="settlement_id" value="([^"]+)"', page)
    assert page.count("This is not that person") == 3
    answer = post(client, f"{PAGE}/not-this", settlement_id=settlement, alert_id=alert_id)
    assert answer.headers["location"] == f"/alerts/{alert_id}"
    page = client.get(f"/alerts/{alert_id}", headers=EN).text
    assert page.count("This is not that person") == 2
    assert "auditor · " in page
    log_in(client, "viewer")
    assert "This is not that person" not in client.get(f"/alerts/{alert_id}", headers=EN).text


def test_a_face_that_was_compared_with_nobody_is_corrected_by_the_swipe_it_was_seen_at(client, world):
    settlement, at_ms = world.settlement(), world.now_ms() - 60_000
    world.log(msgspec.json.encode(swipe_event(settlement, at_ms=at_ms)))
    for number, after_ms in enumerate((15_000, 15_001, -30_000, -30_001)):
        faces = [{"quality": 0.9, "visitor_id": VISITOR}]
        world.log(observation_bytes(f"fo-{number}", settlement, at_ms + after_ms, faces=faces))
    ahead = {"type": "visitor_correction", "event_id": "vc-1", "observation_id": "fo-0", "face_no": 0}
    later_ms = world.now_ms() + 300_000  # another process's clock: what is decided after it holds all the same
    world.log(msgspec.json.encode({**ahead, "visitor_id": VISITOR, "occurred_at_ms": later_ms}))
    log_in(client, "operator")
    assert post(client, f"{PAGE}/not-this", settlement_id=settlement).status_code == 303
    left = VisitorRecord(world.database).sightings(VISITOR)
    assert [one.observation_id for one in left] == ["fo-3", "fo-1"]


class Memory:
    """Whoever remembers visitors, or cannot be reached."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []
        self.is_away = True

    def forget(self, visitor_id: str, /) -> bool:
        if self.is_away:
            raise TransientError("away")
        self.told.append(("forget", visitor_id))
        return True

    def join(self, kept_id: str, gone_id: str, /) -> bool:
        self.told.append(("join", kept_id, gone_id))
        return True


def test_what_is_to_be_forgotten_is_told_once_in_order_and_kept_until_it_could_be(world):
    record, memory = VisitorRecord(world.database), Memory()
    record.ask("forget", ["v1"], 1)
    record.ask("join", ["v2"], 2, "v3")
    orders = VisitorOrders(record, memory, is_mine=lambda: True)
    orders.look()
    assert memory.told == []
    memory.is_away = False
    orders.look()
    orders.look()
    assert memory.told == [("forget", "v1"), ("join", "v3", "v2")]


def test_trouble_of_our_own_does_not_end_the_telling(world, monkeypatch):
    monkeypatch.setattr("app.visitors.orders.LOOK_EVERY_S", 0.01)
    record, memory, troubles = VisitorRecord(world.database), Memory(), ["first", "second"]
    record.ask("forget", ["v1"], 1)
    memory.is_away = False

    def is_mine() -> bool:
        if troubles:
            raise RuntimeError(troubles.pop())
        return True

    orders = VisitorOrders(record, memory, is_mine=is_mine)
    with capture_logs() as logs:
        orders.start()
        poll(lambda: memory.told)
        orders.stop()
    assert [one["event"] for one in logs] == ["visitors.failed"] * 2


def test_without_anybody_to_tell_an_order_waits_and_that_is_said_once(world):
    record = VisitorRecord(world.database)
    record.ask("forget", ["v1"], 1)
    record.ask("join", ["v2"], 2, "v3")
    orders = VisitorOrders(record, NoVisitors(), is_mine=lambda: True)
    with capture_logs() as logs:
        orders.look()
        orders.look()
    assert len(record.orders()) == 2
    assert [one["event"] for one in logs] == ["visitors.not_told"]
    assert "set visitors.url" in logs[0]["reason"]
