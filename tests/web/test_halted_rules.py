"""A rule that was halted, on the wall: everybody sees it, an operator resumes it."""

from __future__ import annotations

import re

import httpx

from storage.rule_halts import Halt, RuleHalts
from tests.storage.test_rule_halts import LIMIT, breaking
from tests.web.world import World, form_token, log_in

ENGLISH = {"Accept-Language": "en"}
RESUME = "/rules/holder_mismatch/resume"


def flood(world: World) -> Halt:
    """More findings come than the rule's breaker allows."""
    world.projector.change_policy(breaking())
    for _ in range(LIMIT + 2):
        world.raise_alert()
    (halt,) = RuleHalts(world.database).standing()
    return halt


def test_the_wall_says_that_a_rule_is_halted_since_when_and_how_much_was_held_back(
    client: httpx.Client, world: World
) -> None:
    halt = flood(world)
    page = log_in(client, "viewer").get("/", headers=ENGLISH).text
    assert "The rule “Not the card holder” is halted." in page
    assert f"at more than {LIMIT} findings within an hour" in page
    assert f'<b data-held="{halt.halt_id}">2</b>' in page
    assert "规则“人证不符”已暂停提醒" in client.get("/", headers={"Accept-Language": "zh"}).text


def test_an_operator_resumes_it_and_that_is_on_record(client: httpx.Client, world: World) -> None:
    flood(world)
    page = log_in(client).get("/", headers=ENGLISH).text
    assert re.search(rf'action="{RESUME}"', page)
    answer = client.post(RESUME, data={"csrf": form_token(client)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "is halted" not in client.get("/", headers=ENGLISH).text
    assert RuleHalts(world.database).standing() == []
    world.raise_alert()
    assert RuleHalts(world.database).standing() == []


def test_a_viewer_cannot_resume_it(client: httpx.Client, world: World) -> None:
    flood(world)
    page = log_in(client, "viewer").get("/").text
    assert RESUME not in page
    assert client.post(RESUME, data={"csrf": form_token(client)}).status_code == 403
    assert len(RuleHalts(world.database).standing()) == 1


def test_a_form_that_is_not_ours_resumes_nothing(client: httpx.Client, world: World) -> None:
    flood(world)
    log_in(client)
    assert client.post(RESUME, data={}).status_code == 403
    assert len(RuleHalts(world.database).standing()) == 1
