from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.kept_rules import KeptRules
from app.rule_files import parse_rules, read_rule_file
from app.rule_pages import RulePages
from config.settings import packaged
from storage.alerts.centre_desk import CentreDesk, StandingSnooze
from storage.cameras.registry import CameraRegistry, RegisteredCamera
from storage.cameras.sources import SecretText
from storage.cameras.states import CameraStates
from storage.database import Database, default_url
from tests.storage.test_rule_halts import LIMIT, breaking
from tests.web.world import CAMERA, InProcess, World, form_token, log_in, observation_bytes
from web.app import create_app
from web.ports import RuleEntry, RulesInForce, RuleVersionEntry

ENGLISH = {"Accept-Language": "en"}
HOUR_MS = 3_600_000


def rule(detector: str, mode: str = "live") -> RuleEntry:
    return RuleEntry(
        detector=detector,
        mode=mode,  # type: ignore[arg-type]
        route="both",
        breaker=50,
        values=(("tiers[0].buyers", "5"), ("window", "10m")),
    )


def version(name: str, since_ms: int, *changes: str) -> RuleVersionEntry:
    return RuleVersionEntry(
        version=name, effective_from_ms=since_ms, origin="command", stored_at_ms=1, stored_by="li", changes=changes
    )


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    in_force = RulesInForce(
        rules=(rule("holder_mismatch"), rule("card_batch", "shadow")),
        versions=(version("first-one", 0), version("second-one", 1_000, "~ card_batch: window 5m → 10m")),
    )
    services = dataclasses.replace(world.services, rules_at=lambda _now_ms: in_force)
    with httpx.Client(transport=InProcess(create_app(services)), base_url="http://127.0.0.1") as made:
        yield made


def test_the_rules_page_shows_modes_values_versions_and_todays_findings(client: httpx.Client, world: World) -> None:
    for _ in range(3):
        world.raise_alert("holder_mismatch")
    world.withdraw(world.raise_alert("holder_mismatch"))
    page = log_in(client, "viewer").get("/rules", headers=ENGLISH).text
    assert re.search(r'href="/alerts\?rule=holder_mismatch">3<', page)
    for said in ("shadow", "tiers[0].buyers", "10m", "halts after 50 an hour", "~ card_batch: window 5m → 10m"):
        assert said in page, said
    assert page.index("second-one") < page.index("first-one")
    assert page.count("in force</span>") == 1


def test_a_halted_rule_is_resumed_on_the_rules_page_by_who_may(client: httpx.Client, world: World) -> None:
    world.projector.change_policy(breaking())
    for _ in range(LIMIT + 1):
        world.raise_alert("holder_mismatch")
    page = log_in(client, "viewer").get("/rules", headers=ENGLISH).text
    assert "halted since" in page
    assert "Resume" not in page
    log_in(client)
    assert "Resume" in client.get("/rules", headers=ENGLISH).text
    answer = client.post("/rules/holder_mismatch/resume", data={"csrf": form_token(client), "to": "/rules"})
    assert answer.headers["location"] == "/rules"
    assert "halted since" not in client.get("/rules", headers=ENGLISH).text


def test_snoozes_stand_on_the_rules_page_with_people_shortened_for_viewers(client: httpx.Client, world: World) -> None:
    world.raise_alert(person="psn-0042")
    wanted = StandingSnooze(
        snooze_id=0,
        detector="holder_mismatch",
        entity="person_id=psn-0042",
        reason="twins",
        by="operator",
        until_ms=world.now_ms() + HOUR_MS,
    )
    CentreDesk(world.database).snooze(alert_of(client), wanted, world.now_ms())
    page = client.get("/rules", headers=ENGLISH).text
    assert "psn-0042" in page
    assert "twins" in page
    viewers = log_in(client, "viewer").get("/rules", headers=ENGLISH).text
    assert "psn-0042" not in viewers
    assert "••••0042" in viewers


def alert_of(client: httpx.Client) -> str:
    found = re.search(r'data-alert="([^"]+)"', log_in(client).get("/alerts").text)
    assert found is not None
    return found[1]


def test_the_cameras_page_shows_picture_health_and_offset(client: httpx.Client, world: World) -> None:
    at_ms = world.now_ms() - 60_000
    world.log(observation_bytes("fo-1", "S1", at_ms))
    world.keep_still("fo-0", "S0", at_ms - 5_000)
    newest = world.keep_still("fo-1", "S1", at_ms)
    world.camera("covered", "mean brightness 9 of 255")
    page = log_in(client, "viewer").get("/cameras", headers=ENGLISH).text
    assert page.count("/blurred") == 1
    assert f"/stills/{newest}/blurred" in page
    for said in (CAMERA, "covered", "mean brightness 9 of 255", "-1.2 s", "1 unhealthy"):
        assert said in page, said


def test_a_camera_never_heard_of_is_not_called_well(client: httpx.Client) -> None:
    page = log_in(client).get("/cameras", headers=ENGLISH).text
    assert "not heard of yet" in page
    assert "No picture kept" in page


def test_ill_cameras_stand_in_front_and_many_come_in_pages(world: World) -> None:
    many = [
        RegisteredCamera(camera_id=f"cam-{n:03d}", institution_id="P1", till_id="1", source=SecretText("x.avi"))
        for n in range(70)
    ]
    CameraStates(world.database).put("cam-069", "frozen", "", world.now_ms())
    services = dataclasses.replace(world.services, cameras=CameraRegistry(world.database, world.keyring, many))
    with httpx.Client(transport=InProcess(create_app(services)), base_url="http://127.0.0.1") as client:
        first = re.findall(r'mono">(cam-\d+)', log_in(client).get("/cameras").text)
        second = re.findall(r'mono">(cam-\d+)', client.get("/cameras?page=2").text)
    assert first[0] == "cam-069"
    assert len(first) == 60
    assert sorted(first + second) == [f"cam-{n:03d}" for n in range(70)]


def test_the_kept_rules_are_told_in_plain_values(tmp_path: Path) -> None:
    database = Database.open(default_url(tmp_path))
    kept = KeptRules(database)
    shipped = read_rule_file(packaged("rules.yaml"))
    kept.store(shipped, 0, "shipped", 1, "swipewatch")
    pages = RulePages(kept, 77)
    told = pages.at(5)
    assert {one.detector for one in told.rules} == {entry.name for entry in shipped.ruleset.entries}
    assert all(one.values for one in told.rules)
    assert {one.breaker for one in told.rules} >= {77}
    changed = shipped.content.replace("\n  mode: live", "\n  mode: shadow", 1)
    kept.store(
        type(shipped)(source="new", content=changed, ruleset=parse_rules(changed, "new")), 1_000, "command", 2, "li"
    )
    assert len(pages.at(5).versions) == 2
    assert pages.at(5).rules == told.rules
    assert pages.at(1_000).rules != told.rules
    assert "live → shadow" in pages.at(5).versions[1].changes[0]
    database.close()
