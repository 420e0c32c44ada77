"""The clip around a swipe in a real browser: its keys, its timeline and the overlay that counts down to the swipe."""

from __future__ import annotations

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from storage.queries.alerts import AlertQueries
from tests.web.browsing import Complaints, check_layout, log_in, window
from tests.web.films import film_of_a_counter
from tests.web.test_centre_browser import VIEWS, barriers
from tests.web.world import CAMERA, World, observation_bytes, poll, swipe_event
from web.alert_clip import LATE_MS

pytestmark = pytest.mark.browser
AGO_MS = 120_000


def alert_with_clip(world: World, *, clip: bool = True, ago_ms: int = AGO_MS) -> tuple[str, str, int]:
    """An alert with a picture of 2 s after its swipe; returns its id, its settlement and when it was."""
    settlement, at_ms = world.settlement(), world.now_ms() - ago_ms
    world.log(
        msgspec.json.encode(swipe_event(settlement, at_ms=at_ms)),
        observation_bytes(f"fo-{settlement}", settlement, at_ms + 2_000),
    )
    world.keep_still(f"fo-{settlement}", settlement, at_ms + 2_000)
    if clip:
        world.keep_clip(settlement, at_ms, film_of_a_counter())
    world.raise_alert(settlement=settlement, at_ms=at_ms, severity="high", evidence=[settlement, f"fo-{settlement}"])
    return AlertQueries(world.database).recent_alerts(1)[0].alert_id, settlement, at_ms


def place_of(page: Page) -> float:
    """Where the film stands, in seconds from its first picture; -1 before it was asked for."""
    place: float = page.evaluate(
        "() => { const film = document.querySelector('.player video');"
        " return film.hidden || film.seeking || film.readyState < 2 ? -1 : film.currentTime; }"
    )
    return place


def expect_at(page: Page, said: str, place_s: float) -> None:
    """The overlay says so, and the film shows the picture of that place."""
    expect(page.locator(".when b")).to_have_text(said)
    poll(lambda: abs(place_of(page) - place_s) < 0.2)


def test_the_keys_move_the_film_and_the_overlay_counts_down_to_the_swipe(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    alert_id, _, _ = alert_with_clip(world)
    with window(browser, complaints) as (_, page):
        log_in(page, address)
        page.goto(f"{address}/alerts/{alert_id}")
        expect(page.locator(".when b")).to_have_text("2 s after the swipe")
        expect(page.locator("#still")).to_be_visible()
        assert place_of(page) == -1, "no film is fetched before it is asked for"
        page.keyboard.press("s")
        expect_at(page, "At the swipe", 10.0)
        expect(page.locator("#still")).to_be_hidden()
        page.keyboard.press("ArrowDown")
        expect_at(page, "1 s before the swipe", 9.0)
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowUp")
        expect_at(page, "1 s after the swipe", 11.0)
        page.keyboard.press("ArrowLeft")
        expect_at(page, "9 s before the swipe", 1.0)
        page.keyboard.press("ArrowLeft")
        expect_at(page, "10 s before the swipe", 0.0)
        page.keyboard.press("ArrowRight")
        expect_at(page, "At the swipe", 10.0)
        page.keyboard.press("ArrowRight")
        expect_at(page, "10 s after the swipe", 19.8)
        page.keyboard.press("s")
        for key in ".....":
            page.keyboard.press(key)
        expect_at(page, "1 s after the swipe", 11.0)
        page.keyboard.press(",")
        expect_at(page, "1 s after the swipe", 10.8)
        size = page.evaluate("[document.querySelector('video').videoWidth, document.querySelector('video').duration]")
        assert size == [320, pytest.approx(20, abs=0.3)]


def test_the_film_shows_what_the_camera_saw_at_that_time(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    alert_id, _, _ = alert_with_clip(world)
    with window(browser, complaints) as (_, page):
        log_in(page, address)
        page.goto(f"{address}/alerts/{alert_id}")
        page.keyboard.press("s")
        expect_at(page, "At the swipe", 10.0)
        assert customer_at(page) == pytest.approx(40 + 50 * 240 / 100, abs=8)
        page.keyboard.press("ArrowLeft")
        expect_at(page, "10 s before the swipe", 0.0)
        assert customer_at(page) == pytest.approx(40, abs=8)


def customer_at(page: Page) -> float:
    """The middle of the drawn customer's head in the film's picture, in pixels from the left."""
    middle: float = page.evaluate(
        """() => {
          const film = document.querySelector('.player video');
          const canvas = document.createElement('canvas');
          [canvas.width, canvas.height] = [film.videoWidth, film.videoHeight];
          const context = canvas.getContext('2d');
          context.drawImage(film, 0, 0);
          const row = context.getImageData(0, 70, canvas.width, 1).data;
          const skin = [...Array(canvas.width).keys()].filter((x) => row[4 * x] - row[4 * x + 2] > 40);
          return (Math.min(...skin) + Math.max(...skin)) / 2;
        }"""
    )
    return middle


def test_space_plays_and_pauses_but_what_is_typed_or_pressed_is_no_key(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    alert_id, _, _ = alert_with_clip(world)
    with window(browser, complaints) as (_, page):
        log_in(page, address)
        page.goto(f"{address}/alerts/{alert_id}")
        play = page.locator("[data-do=play]")
        page.keyboard.press("ArrowLeft")
        expect_at(page, "8 s before the swipe", 2.0)
        page.keyboard.press(" ")
        expect(play).to_have_text("Pause")
        expect(page.locator(".when b")).to_have_text("7 s before the swipe")
        page.keyboard.press(" ")
        expect(play).to_have_text("Play")
        told = page.locator(".when b").inner_text()
        note = page.get_by_label("Note").first
        note.fill("x")
        note.press("End")
        for key in (" ", "s", ",", "ArrowLeft"):
            page.keyboard.press(key)
        expect(note).to_have_value("x s,")
        expect(page.locator(".when b")).to_have_text(told)
        page.locator("[data-review]").focus()
        page.keyboard.press(" ")
        expect(page.locator("[data-review]")).to_have_attribute("aria-pressed", "true")
        expect(play).to_have_text("Play")


def test_the_timeline_is_a_slider_by_keyboard_and_by_pointer(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    alert_id, _, _ = alert_with_clip(world)
    with window(browser, complaints) as (_, page):
        log_in(page, address)
        page.goto(f"{address}/alerts/{alert_id}")
        slider = page.get_by_role("slider", name="Timeline of the clip")
        slider.focus()
        page.keyboard.press("Home")
        expect(slider).to_have_attribute("aria-valuetext", "10 s before the swipe")
        page.keyboard.press("ArrowRight")
        expect(slider).to_have_attribute("aria-valuenow", "0.0")
        box = slider.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 12)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 12)
        page.mouse.up()
        expect_at(page, "5 s after the swipe", 15.0)
        page.locator("[data-speed]").select_option("0.25")
        assert page.evaluate("document.querySelector('video').playbackRate") == 0.25


def test_a_clip_that_is_made_because_the_page_was_opened_appears_on_it(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    alert_id, settlement, at_ms = alert_with_clip(world, clip=False)
    for camera in (CAMERA, "camera-2"):
        world.keep_original(settlement, at_ms, b"packets", camera_id=camera)
    with window(browser, complaints) as (_, page):
        log_in(page, address)
        page.goto(f"{address}/alerts/{alert_id}")
        expect(page.locator(".no-clip")).to_contain_text("The clip is being made")
        assert all(one.clip_owed_since_ms for one in world.originals.for_settlement(settlement))
        world.keep_clip(settlement, at_ms, film_of_a_counter())
        expect(page.locator(".player")).to_have_count(1, timeout=15_000)
        page.keyboard.press("s")
        expect_at(page, "At the swipe", 10.0)
        world.keep_clip(settlement, at_ms, film_of_a_counter(), camera_id="camera-2")
        expect(page.locator(".player")).to_have_count(2, timeout=15_000)
        expect(page.locator(".no-clip")).to_have_count(0)
        expect(page.locator(".when b").first).to_have_text("At the swipe")


def test_without_a_recording_the_keys_do_nothing_and_nothing_breaks(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    alert_id, _, _ = alert_with_clip(world, clip=False, ago_ms=LATE_MS + 1_000)
    with window(browser, complaints) as (_, page):
        log_in(page, address)
        page.goto(f"{address}/alerts/{alert_id}")
        expect(page.locator(".no-clip")).to_contain_text("No recording during the transaction")
        for key in (" ", "s", "ArrowLeft", "."):
            page.keyboard.press(key)


@pytest.mark.parametrize("view", VIEWS)
def test_the_player_has_no_serious_barrier_and_fits(
    browser: Browser, complaints: Complaints, world: World, address: str, view: str
) -> None:
    alert_id, _, _ = alert_with_clip(world)
    with window(browser, complaints, **VIEWS[view]) as (_, page):
        page.goto(f"{address}/login")
        page.locator("[name=username]").fill("operator")
        page.locator("[name=password]").fill("correct horse battery")
        page.locator("button.primary").click()
        expect(page.locator("#live")).to_have_attribute("data-live", "connected")
        page.goto(f"{address}/alerts/{alert_id}")
        page.keyboard.press("s")
        poll(lambda: place_of(page) > 0)
        check_layout(page, view)
        assert barriers(page) == []
