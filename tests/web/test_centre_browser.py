"""The centre's pages in a real browser: by keyboard alone, in both languages and colours, and without barriers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import httpx
import msgspec
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from storage.queries.alerts import AlertQueries
from tests.alerts.builders import VISITOR
from tests.web.browsing import Complaints, check_layout, log_in, mismatch, open_terminal, window
from tests.web.many_cards import three_cards
from tests.web.walking import filled, requests_of
from tests.web.world import InProcess, World, swipe_event
from tests.web.world import log_in as log_in_client

pytestmark = pytest.mark.browser
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "axe"
GRAVE = ("serious", "critical")
# They go on for ever, or lead elsewhere.
NO_PAGES = ("/stream", "/terminal/stream", "/v1/terminal/stream")


def test_alerts_are_reviewed_by_keyboard_alone(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    for detector in ("frequent_purchase", "nobody_at_counter", "card_batch"):
        world.raise_alert(detector, till="2" if detector == "card_batch" else "1")
    with window(browser, complaints) as (_, page):
        log_in(page, address)
        count = page.locator("#unreviewed")
        expect(count).to_have_text("3")
        page.keyboard.press("j")
        expect(on_card(page)).to_contain_text("Batch of cards")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("j")
        page.keyboard.press("k")
        expect(on_card(page)).to_contain_text("Nobody at the counter")
        page.keyboard.press("r")
        expect(page.locator(".card")).to_have_count(2)
        expect(count).to_have_text("2")
        expect(on_card(page)).to_contain_text("Frequent purchases")
        expect(page.locator("#reviewed")).to_contain_text("Nobody at the counter")
        page.keyboard.press("u")
        expect(page.locator(".card")).to_have_count(3)
        expect(count).to_have_text("3")
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#keys")).to_be_hidden()
        page.keyboard.press("/")
        page.keyboard.type("batch of cards")
        page.keyboard.press("Enter")
        page.wait_for_url("**/alerts?rule=card_batch")
        expect(page.locator("tbody tr")).to_have_count(1)
        page.keyboard.press("j")
        page.keyboard.press("r")
        expect(page.locator("tbody .tick")).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Batch of cards").first).to_be_visible()
        page.keyboard.press("g")
        page.keyboard.press("w")
        expect(page.locator(".card")).to_have_count(2)


def on_card(page: Page) -> Locator:
    return page.locator("[data-item]:focus-within")


def test_what_one_window_reviews_leaves_ones_other_windows_but_nobody_elses(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    mismatch(world)
    with window(browser, complaints) as (context, page), window(browser, complaints) as (_, other):
        log_in(page, address)
        second = context.new_page()
        complaints.listen(second)
        second.goto(address)
        log_in(other, address, "viewer")
        page.locator(".card .tick").click()
        expect(page.locator(".card")).to_have_count(0)
        expect(second.locator(".card")).to_have_count(0)
        expect(second.locator("#unreviewed")).to_have_text("0")
        expect(other.locator(".card")).to_have_count(1)


def test_a_search_and_the_choice_of_colours_and_language_survive_a_reload(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    mismatch(world)
    world.raise_alert("card_batch", severity="critical")
    with window(browser, complaints) as (_, page):
        log_in(page, address)
        page.goto(f"{address}/alerts")
        page.get_by_label("Severity").select_option("critical")
        page.wait_for_url("**/alerts?severity=critical")
        page.get_by_role("link", name="Use dark colours").click()
        page.get_by_role("link", name="中文").click()
        page.reload()
        expect(page.locator("tbody tr")).to_have_count(1)
        assert page.url == f"{address}/alerts?severity=critical"
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(11, 17, 23)"
        expect(page.get_by_label("级别")).to_have_value("critical")


def test_a_rule_is_snoozed_and_a_case_handed_over_on_the_alerts_page(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    mismatch(world)
    with window(browser, complaints) as (_, page):
        log_in(page, address)
        page.locator(".card a").click()
        page.get_by_text("Hand to an auditor").click()
        page.get_by_label("Note for the auditor").fill("the same face again")
        page.get_by_role("button", name="Hand over").click()
        expect(page.locator("[data-part=aside]")).to_contain_text("the same face again")
        page.get_by_text("Snooze a rule for one entity").click()
        page.get_by_label("Reason").last.fill("twins")
        page.get_by_role("button", name="Snooze", exact=True).click()
        expect(page.locator("[data-part=aside]")).to_contain_text("is snoozed")
        page.get_by_role("button", name="End it now").click()
        expect(page.locator("[data-part=aside]")).not_to_contain_text("is snoozed")


PAGES = ("/", "/alerts", "/alerts?receipt=1", "/rules", "/cameras", "alert", "keys")
VIEWS = {
    "desk": {"locale": "en-GB", "color_scheme": "light", "viewport": {"width": 1366, "height": 768}},
    "wall of screens": {"locale": "zh-CN", "color_scheme": "dark", "viewport": {"width": 3840, "height": 2160}},
    "phone": {"locale": "en-GB", "color_scheme": "dark", "viewport": {"width": 390, "height": 844}},
}


@pytest.mark.parametrize("view", VIEWS)
def test_no_page_of_the_centre_has_a_serious_barrier(
    browser: Browser, complaints: Complaints, world: World, address: str, view: str
) -> None:
    furnish(world)
    with window(browser, complaints, **VIEWS[view]) as (_, page):
        page.goto(f"{address}/login")
        assert barriers(page) == []
        page.locator("[name=username]").fill("operator")
        page.locator("[name=password]").fill("correct horse battery")
        page.locator("button.primary").click()
        expect(page.locator("#live")).to_have_attribute("data-live", "connected")
        for path in PAGES:
            open_page(page, world, address, path)
            assert barriers(page) == [], path
            check_layout(page, path)


def pages_of(world: World, places: Mapping[str, str]) -> list[str]:
    """Returns the address of every page that an administrator can open, by walking all routes."""
    found = []
    with httpx.Client(transport=InProcess(world.app), base_url="http://127.0.0.1") as client:
        log_in_client(client, "administrator")
        for request, _ in requests_of(world.app):
            method, _, template = request.partition(" ")
            if method != "GET" or template in NO_PAGES:
                continue
            path = filled(template, places)
            answer = client.get(path, headers={"Accept": "text/html"})
            if answer.status_code == 200 and answer.headers["content-type"].startswith("text/html"):
                found.append(str(answer.request.url.raw_path.decode()))
    return sorted(found)


def test_no_page_that_an_administrator_can_open_has_a_serious_barrier_in_either_colour(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    furnish(world)
    three_cards(world)
    places = {"alert_id": AlertQueries(world.database).recent_alerts(1)[0].alert_id, "visitor_id": VISITOR}
    pages = pages_of(world, places)
    assert len(pages) >= 15, pages
    with window(browser, complaints) as (_, page):
        open_terminal(page, address, world.terminal)
        both_colours(page, "the terminal")
        for path in ("/terminal/login", "/login"):
            page.goto(f"{address}{path}")
            both_colours(page, path)
        log_in(page, address, "administrator")
        for path in pages:
            page.goto(f"{address}{path}")
            both_colours(page, path)
        page.goto(f"{address}/accounts")
        page.get_by_role("button", name="Disable: viewer").click()
        both_colours(page, "asked again")
        complaints.expected = ("404",)
        page.goto(f"{address}/no-such-page")
        both_colours(page, "no such page")


def both_colours(page: Page, where: str) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert barriers(page) == [], (where, scheme)
        check_layout(page, f"{where}, {scheme}")


def furnish(world: World) -> None:
    mismatch(world)
    swipes = [world.settlement() for _ in range(3)]
    for settlement in swipes:
        world.log(msgspec.json.encode(swipe_event(settlement)))
    world.raise_alert("card_batch", severity="critical", till="2", settlement=swipes[2], evidence=swipes)
    world.withdraw(world.raise_alert("frequent_purchase", severity="low"))


def open_page(page: Page, world: World, address: str, path: str) -> None:
    if path == "alert":
        page.goto(f"{address}/alerts/{AlertQueries(world.database).recent_alerts(2)[1].alert_id}")
        for part in page.locator(".acts summary").all()[1:]:
            part.click()
    elif path == "keys":
        page.keyboard.press("?")
    else:
        page.goto(f"{address}{path}")


def barriers(page: Page) -> list[str]:
    """Returns what axe-core finds that keeps people out: the rule and where."""
    script = next(CACHE.glob("*/axe.min.js"), None)
    if script is None:
        pytest.skip("no axe-core here: make setup-test fetches it")
    if not page.evaluate("'axe' in window"):
        page.evaluate(script.read_text(encoding="utf-8"))
    result = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{one['id']}: {node['html'][:120]}"
        for one in result["violations"]
        if one["impact"] in GRAVE
        for node in one["nodes"][:3]
    ]


def test_the_look_for_barriers_finds_one(browser: Browser, complaints: Complaints) -> None:
    with window(browser, complaints) as (_, page):
        page.set_content(
            "<html lang='en'><title>x</title><main><h1>x</h1><input><p style='color:#aaa'>grey</p></main></html>"
        )
        assert {one.partition(":")[0] for one in barriers(page)} == {"label", "color-contrast"}
