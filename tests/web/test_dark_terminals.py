"""A terminal that says nothing although it should: on the wall, in the metrics, and gone once it is back."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import msgspec
import pytest
from playwright.sync_api import Browser, expect

from app.terminal_watch import TerminalWatch
from storage.terminals.contacts import TerminalOutages
from tests.alerts.builders import STORE
from tests.web.browsing import Complaints, check_layout, window
from tests.web.browsing import log_in as log_in_browser
from tests.web.world import World, bearer, log_in

AFTER_MS = 300_000
LONG_AGO_MS = 1_700_000_000_000
NOON_MS = 1_800_072_000_000  # of a day in Shanghai


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.at_ms = NOON_MS

    def __call__(self) -> int:
        return self.at_ms


@pytest.fixture
def clock(world: World) -> Clock:
    made = Clock()
    world.clock_ms = made
    return made


def watch_over(world: World) -> TerminalWatch:
    return TerminalWatch(
        world.database,
        world.accounts,
        world.contacts,
        world.measurements,
        clock_ms=world.now_ms,
        dark_after_ms=AFTER_MS,
    )


@pytest.fixture
def watch(world: World, clock: Clock) -> Iterator[TerminalWatch]:
    made = watch_over(world)
    made.look()
    assert clock.at_ms == NOON_MS
    yield made
    made.stop()


def opening_hours(world: World, opens_at: str = "08:00", closes_at: str = "21:00", number: int = 1) -> None:
    event = {
        "type": "institution",
        "event_id": f"hours-{number}",
        "occurred_at_ms": LONG_AGO_MS + number,
        "institution_id": STORE,
        "kind": "pharmacy",
        "name": "安康药店",
        "opens_at": opens_at,
        "closes_at": closes_at,
        "agreement": "active",
        "effective_from_ms": LONG_AGO_MS + number,
    }
    world.log(msgspec.json.encode(event))


def dark(world: World) -> dict[str, str]:
    return {outage.terminal: outage.reason for outage in TerminalOutages(world.database).standing()}


def call(client: httpx.Client) -> None:
    assert client.get("/v1/terminal/notices", headers=bearer(World.terminal)).status_code == 200


def test_a_silent_terminal_of_an_open_store_is_dark_until_it_calls_again(
    client: httpx.Client, world: World, clock: Clock, watch: TerminalWatch
) -> None:
    opening_hours(world)
    call(client)
    clock.at_ms += AFTER_MS - 1
    watch.look()
    assert "ankang" not in dark(world)
    clock.at_ms += 1
    watch.look()
    assert dark(world)["ankang"] == "open_store"
    assert "chengxi" not in dark(world)  # its hours are not known
    assert "swipewatch_terminals_dark 2.0" in client.get("/metrics").text  # the one of till 2 never called
    call(client)
    watch.look()
    assert "ankang" not in dark(world)


def test_a_reminder_that_nobody_receives_makes_a_terminal_dark_at_any_hour(
    world: World, clock: Clock, watch: TerminalWatch
) -> None:
    world.raise_alert("card_batch", till="1")
    clock.at_ms += AFTER_MS
    watch.look()
    assert dark(world) == {"ankang": "reminder"}


def test_a_closed_store_may_switch_its_terminal_off(world: World, clock: Clock, watch: TerminalWatch) -> None:
    opening_hours(world, "08:00", "12:02")
    clock.at_ms += AFTER_MS
    watch.look()
    assert dark(world) == {}


def test_hours_that_change_are_known_at_the_next_look(world: World, clock: Clock, watch: TerminalWatch) -> None:
    opening_hours(world, "08:00", "12:02")
    clock.at_ms += AFTER_MS
    watch.look()
    opening_hours(world, "08:00", "22:00", number=2)
    watch.look()
    assert set(dark(world)) == {"ankang", "ankang-2"}


def test_what_was_silent_while_the_product_was_off_gets_its_time(world: World, clock: Clock) -> None:
    opening_hours(world)
    watch_over(world).look()
    clock.at_ms += 10 * AFTER_MS
    again = watch_over(world)  # the product has started anew
    again.look()
    assert dark(world) == {}
    clock.at_ms += AFTER_MS
    again.look()
    assert set(dark(world)) == {"ankang", "ankang-2"}


def test_a_terminal_that_is_revoked_is_not_missed(world: World, clock: Clock, watch: TerminalWatch) -> None:
    opening_hours(world)
    clock.at_ms += AFTER_MS
    watch.look()
    world.accounts.revoke_token("ankang-2", clock.at_ms)
    watch.look()
    assert set(dark(world)) == {"ankang"}


def test_the_wall_says_which_store_cannot_see_its_reminders(
    client: httpx.Client, world: World, clock: Clock, watch: TerminalWatch
) -> None:
    log_in(client, "viewer")
    assert 'id="dark" role="status" hidden' in client.get("/").text
    opening_hours(world)
    clock.at_ms += AFTER_MS
    watch.look()
    world.app.state.wall.forget()
    page = client.get("/", headers={"Accept-Language": "en"}).text
    assert 'id="dark" role="status" hidden' not in page
    assert "Ankang Pharmacy · Till 2" in page
    assert "within opening hours" in page


@pytest.mark.browser
def test_an_open_wall_shows_a_dark_terminal_and_takes_it_off_again(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    watch = TerminalWatch(
        world.database, world.accounts, world.contacts, world.measurements, clock_ms=world.now_ms, dark_after_ms=1
    )
    with window(browser, complaints) as (_, wall):
        log_in_browser(wall, address)
        expect(wall.locator("#dark")).to_be_hidden()
        opening_hours(world, "00:00", "24:00")
        watch.look()
        now = world.clock_ms
        world.clock_ms = lambda: now() + 60_000
        watch.look()
        expect(wall.locator("#dark")).to_contain_text("Ankang Pharmacy", timeout=15_000)
        check_layout(wall, "wall with dark terminals")
        for token in ("ankang", "ankang-2"):
            world.contacts.heard(token, world.now_ms() + 60_000)
        watch.look()
        expect(wall.locator("#dark")).to_be_hidden(timeout=15_000)
