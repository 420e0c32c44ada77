"""A camera that cannot be believed: on the wall with its picture, on its page, and gone once it is well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from app.camera_health_watch import CameraHealthWatch
from app.cameras.intake import CameraIntake
from storage.cameras.health import CameraHealthRecord
from storage.cameras.states import CameraStates
from tests.alerts.builders import STORE
from tests.web.browsing import Complaints, check_layout, window
from tests.web.browsing import log_in as log_in_browser
from tests.web.world import CAMERA, World, log_in, observation_bytes
from video.messages import CameraState, CameraStateChanged, Observed

AFTER_MS = 120_000
NOON_MS = 1_800_072_000_000
ENGLISH = {"Accept-Language": "en"}
HIDDEN = 'id="ill-cameras" role="status" hidden'


def picture() -> bytes:
    out = BytesIO()
    Image.new("RGB", (640, 360), (90, 60, 30)).save(out, "JPEG")
    return out.getvalue()


@pytest.fixture
def intake(world: World) -> CameraIntake:
    return CameraIntake(
        evidence=world.evidence,
        originals=world.originals,
        states=CameraStates(world.database),
        calibrations=world.calibrations,
        submit=lambda _sender, _originals: None,
    )


@pytest.fixture
def watch(world: World) -> Iterator[CameraHealthWatch]:
    world.clock_ms = lambda: NOON_MS
    made = CameraHealthWatch(world.database, world.cameras.cameras, clock_ms=world.now_ms, unhealthy_after_ms=AFTER_MS)
    yield made
    made.stop()


def say(intake: CameraIntake, state: CameraState, at_ms: int, shown: bytes | None = None) -> None:
    detail = "" if state == "ok" else "96% of the view has lost its edges"
    intake.take(CameraStateChanged(camera_id=CAMERA, state=state, detail=detail, at_ms=at_ms, picture=shown))


def alerts(world: World) -> list[str]:
    return [one.illness.camera_id for one in CameraHealthRecord(world.database).outages()]


def test_a_camera_is_an_alert_once_it_was_unwell_for_long_and_until_it_is_well(
    world: World, intake: CameraIntake, watch: CameraHealthWatch
) -> None:
    say(intake, "covered", NOON_MS)
    world.clock_ms = lambda: NOON_MS + AFTER_MS - 1
    watch.look()
    assert alerts(world) == []
    say(intake, "moved", NOON_MS + AFTER_MS - 1)
    world.clock_ms = lambda: NOON_MS + AFTER_MS
    watch.look()
    assert alerts(world) == [CAMERA]
    say(intake, "ok", NOON_MS + AFTER_MS)
    watch.look()
    assert alerts(world) == []


def test_a_process_without_the_duty_leaves_the_record_alone(world: World, intake: CameraIntake) -> None:
    say(intake, "covered", NOON_MS)
    idle = CameraHealthWatch(
        world.database,
        world.cameras.cameras,
        clock_ms=lambda: NOON_MS + AFTER_MS,
        unhealthy_after_ms=AFTER_MS,
        is_mine=lambda: False,
    )
    idle.look()
    assert alerts(world) == []


def test_the_wall_and_the_cameras_page_show_what_is_wrong_with_its_picture(
    client: httpx.Client, world: World, intake: CameraIntake, watch: CameraHealthWatch
) -> None:
    log_in(client, "viewer")
    assert HIDDEN in client.get("/").text
    say(intake, "covered", NOON_MS - AFTER_MS, picture())
    watch.look()
    world.app.state.wall.forget()
    wall = client.get("/", headers=ENGLISH).text
    assert HIDDEN not in wall
    (standing,) = CameraHealthRecord(world.database).outages()
    address = f"/stills/{standing.illness.still_id}/blurred"
    assert address in wall
    assert address in client.get("/cameras", headers=ENGLISH).text
    shown = client.get(address)
    with Image.open(BytesIO(shown.content)) as opened:
        assert opened.size == (480, 270)


def test_swipes_that_a_camera_could_not_see_stand_on_the_cameras_page(
    client: httpx.Client, world: World, intake: CameraIntake
) -> None:
    world.clock_ms = lambda: NOON_MS
    for number, (stage, healthy) in enumerate((("final", False), ("final", True), ("provisional", False))):
        settlement = f"S-{number}"
        original = json.dumps(
            json.loads(observation_bytes(f"fo-{number}", settlement, NOON_MS - 1_000))
            | {"stage": stage, "healthy": healthy, "people": 0, "faces": [], "camera_state": "covered"}
        ).encode()
        for _ in range(2):
            intake.take(
                Observed(
                    original=original,
                    still=None,
                    settlement_id=settlement,
                    camera_id=CAMERA,
                    captured_at_ms=NOON_MS - 1_000,
                )
            )
    log_in(client, "viewer")
    page = client.get("/cameras", headers=ENGLISH).text
    assert f'<dd data-blind="{STORE}">1</dd>' in page


@pytest.mark.browser
def test_an_open_wall_shows_an_ill_camera_and_takes_it_off_again(
    browser: Browser, complaints: Complaints, world: World, address: str, intake: CameraIntake
) -> None:
    watch = CameraHealthWatch(world.database, world.cameras.cameras, clock_ms=world.now_ms, unhealthy_after_ms=AFTER_MS)
    with window(browser, complaints) as (_, wall):
        log_in_browser(wall, address)
        expect(wall.locator("#ill-cameras")).to_be_hidden()
        say(intake, "defocused", world.now_ms() - AFTER_MS, picture())
        watch.look()
        expect(wall.locator("#ill-cameras")).to_contain_text("Ankang Pharmacy", timeout=15_000)
        expect(wall.locator("#ill-cameras")).to_contain_text("out of focus")
        check_layout(wall, "wall with an ill camera")
        say(intake, "ok", world.now_ms())
        watch.look()
        expect(wall.locator("#ill-cameras")).to_be_hidden(timeout=15_000)
