"""A newcomer points a camera at the product with the browser alone: a real film, a real probe, a real zone."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.camera_probe import ChildProbe
from simulator.clips import Scene, compose_clip
from storage.cameras.zones import Zone
from tests.alerts.builders import STORE
from tests.web.browsing import Complaints, check_layout, log_in, window
from tests.web.test_centre_browser import barriers
from tests.web.world import World, serving

pytestmark = pytest.mark.browser
NEW = f"{STORE}-2-1"
MIDDLE_GREEN = "canvas => canvas.getContext('2d').getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data[1]"


@pytest.fixture
def film(data: Path) -> Path:
    """A counter in the registry's folder, with nobody at it."""
    compose_clip(data / "counter.avi", [Scene(None, 1)], fps=10)
    return data / "counter.avi"


def zone_on(page: Page) -> Zone:
    written = page.locator("input[name=zone]").input_value()
    return tuple((x, y) for x, y in json.loads(written or "[]"))


def drag(page: Page, name: str, across: float, down: float) -> None:
    """Drags what has this name to a place of the picture, by the pointer."""
    page.locator(".zone-stage").scroll_into_view_if_needed()
    handle, frame = page.locator(name).bounding_box(), page.locator(".zone-stage").bounding_box()
    assert handle is not None
    assert frame is not None
    page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
    page.mouse.down()
    page.mouse.move(frame["x"] + frame["width"] * across, frame["y"] + frame["height"] * down, steps=4)
    page.mouse.up()


def near(zone: Zone, wanted: Zone) -> bool:
    return len(zone) == len(wanted) and all(
        abs(value - other) < 0.006
        for corner, corner_wanted in zip(zone, wanted, strict=True)
        for value, other in zip(corner, corner_wanted, strict=True)
    )


def test_a_newcomer_adds_tests_and_zones_a_camera_with_the_browser_alone(
    browser: Browser, complaints: Complaints, world: World, film: Path
) -> None:
    world.app.state.services = dataclasses.replace(world.services, camera_probe=ChildProbe())
    with serving(world) as address, window(browser, complaints) as (_, page):
        log_in(page, address, "administrator")
        page.get_by_role("link", name="Cameras").click()
        page.get_by_role("link", name="Add a camera").click()
        page.get_by_label("Store and till").select_option(label="Ankang Pharmacy · Till 2")
        page.get_by_label("Address").fill("nothing.avi")
        page.get_by_role("button", name="Test").click()
        expect(page.locator("[data-try-said]")).to_have_text("There is no such file in the registry's folder.")
        page.get_by_label("Address").fill(film.name)
        page.get_by_role("button", name="Test").click()
        expect(page.locator("[data-try-said]")).to_have_text("640 × 360 · MJPEG · 10 frames a second", timeout=30_000)
        expect(page.locator("[data-zone-canvas]")).to_be_visible()
        assert 20 < page.locator("[data-zone-canvas]").evaluate(MIDDLE_GREEN) < 250

        drag(page, ".zone-corner >> nth=0", 0.2, 0.1)
        drag(page, ".zone-middle >> nth=0", 0.6, 0.3)
        assert near(zone_on(page), ((0.2, 0.1), (0.6, 0.3), (1, 0), (1, 1), (0, 1)))
        page.get_by_role("button", name="Corner 3 of 5: 100 % across, 0 % down").focus()
        for key in ("ArrowLeft", "ArrowLeft", "ArrowDown", "Shift+ArrowDown"):
            page.keyboard.press(key)
        expect(page.locator("[data-zone-said]")).to_have_text("Corner 3 of 5: 98 % across, 6 % down")
        page.keyboard.press("Tab")
        page.keyboard.press("Delete")
        wanted = ((0.2, 0.1), (0.6, 0.3), (0.98, 0.06), (0.0, 1.0))
        assert near(zone_on(page), wanted)
        assert barriers(page) == []
        page.get_by_role("button", name="Save and look through it").click()

        expect(page.locator("[data-zone-picture]")).to_be_visible()
        expect(page.locator(".pairs")).to_contain_text("640 × 360 · MJPEG · 10 frames a second")
        added = world.services.cameras.camera(NEW)
        assert added.source == str(film.resolve())
        assert near(added.zone or (), wanted)
        assert near(zone_on(page), wanted)
        page.get_by_role("button", name="Whole picture").click()
        page.get_by_label("Clock offset in seconds").fill("-2.5")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.locator("[data-zone-count]")).to_have_text("The whole picture counts")
        changed = world.services.cameras.camera(NEW)
        assert (changed.zone, changed.clock_offset_ms) == (None, -2_500)


def test_a_camera_is_switched_off_and_removed_only_after_asking_again(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    with window(browser, complaints) as (_, page):
        log_in(page, address, "administrator")
        page.goto(f"{address}/cameras")
        page.get_by_role("link", name="Set up: camera-1").click()
        page.get_by_role("button", name="Switch off").first.click()
        expect(page.get_by_role("dialog")).to_contain_text("Switch camera-1 off?")
        page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        assert world.services.cameras.camera("camera-1").is_enabled
        page.get_by_role("button", name="Switch off").first.click()
        page.get_by_role("dialog").get_by_role("button", name="Switch off").click()
        expect(page.get_by_role("button", name="Switch on")).to_be_visible()
        expect(page.locator(".camera-state")).to_have_text("switched off")


def test_a_states_change_reaches_the_open_list(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    with window(browser, complaints) as (_, page):
        log_in(page, address, "viewer")
        page.goto(f"{address}/cameras")
        expect(page.locator(".camera-state")).to_contain_text("not heard of yet")
        world.camera("covered", "no contrast")
        expect(page.locator(".camera-state")).to_contain_text("covered")
        expect(page.get_by_text("1 unhealthy")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_of_cameras_fit_a_phone_and_keep_nobody_out(
    browser: Browser, complaints: Complaints, world: World, address: str, scheme: str
) -> None:
    world.camera("covered", "no contrast")
    phone = {"viewport": {"width": 390, "height": 844}, "color_scheme": scheme}
    with window(browser, complaints, **phone) as (_, page):
        log_in(page, address, "administrator")
        for path in ("/cameras", "/cameras/new", "/cameras/edit?camera_id=camera-1"):
            page.goto(f"{address}{path}")
            check_layout(page, path)
            assert barriers(page) == [], path
