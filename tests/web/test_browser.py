"""The centre and a store in a real browser, side by side: what one does, the other sees without reloading."""

from __future__ import annotations

import re

import msgspec
import pytest
from playwright.sync_api import Browser, expect

from storage.queries.alerts import AlertQueries
from tests.storage.test_rule_halts import LIMIT, breaking
from tests.web.browsing import LOW_CONTRAST, Complaints, check_layout, log_in, mismatch, open_terminal, window
from tests.web.world import World

pytestmark = pytest.mark.browser


def test_an_alert_goes_its_whole_way_between_store_and_centre(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    with window(browser, complaints) as (_, wall), window(browser, complaints) as (_, till):
        log_in(wall, address)
        open_terminal(till, address, world.terminal)
        expect(wall.get_by_text("All quiet")).to_be_visible()
        expect(till.get_by_text("All clear")).to_be_visible()

        found = mismatch(world)
        card = wall.locator(".card")
        expect(card).to_have_count(1)
        expect(card).to_contain_text("Not the card holder")
        notice = till.locator(".notice")
        expect(notice).to_contain_text("购药人与预留照片不一致")
        expect(notice).to_contain_text("The buyer does not look like the photograph.")
        expect(notice.locator(".receipt-number")).to_have_text(found.settlement_id[-6:])
        expect(card.locator(".pill")).to_have_text("Seen")

        notice.get_by_role("button", name="收到").click()
        notice.get_by_role("button", name="已补登记代购人").click()
        notice.get_by_role("button", name="已在本店系统登记").click()
        expect(till.get_by_text("All clear")).to_be_visible()
        expect(till.locator(".row")).to_contain_text("Agent registered")
        expect(card.locator(".pill")).to_contain_text("Answered · Agent registered")
        expect(wall.locator("[data-number=answered]")).to_have_text("1")

        till.reload()
        wall.reload()
        expect(till.locator(".row")).to_have_count(1)
        expect(till.locator(".notice")).to_have_count(0)
        expect(wall.locator(".card")).to_have_count(1)


def test_an_open_alert_page_follows_the_answer_and_keeps_what_is_being_written(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    mismatch(world)
    alert = AlertQueries(world.database).recent_alerts(1)[0]
    with window(browser, complaints) as (_, page), window(browser, complaints) as (_, till):
        log_in(page, address)
        page.locator(".card").click()
        still = page.locator("#still")
        expect(still).to_be_visible()
        assert still.evaluate("image => image.complete && image.naturalWidth") == 640
        expect(page.locator("#live")).to_have_attribute("data-live", "connected")
        page.get_by_label("Note", exact=True).fill("called the store")

        open_terminal(till, address, world.terminal)
        till.get_by_role("button", name="收到").click()
        till.get_by_role("button", name="其他说明").click()
        till.get_by_role("textbox").fill("儿子代买,已登记")
        till.get_by_role("button", name="发送").click()
        expect(page.locator("[data-part=answer]")).to_contain_text("儿子代买,已登记")
        expect(page.locator("[data-part=history]")).to_contain_text("Noted by the store")
        expect(page.get_by_label("Note", exact=True)).to_have_value("called the store")

        page.get_by_role("combobox", name="Reason").select_option("authorised")
        page.get_by_role("button", name="Close alert").click()
        expect(page.locator("[data-part=history]")).to_contain_text("Bought for family, authorised: called the store")
        expect(till.locator(".row")).to_contain_text("Other")
    assert AlertQueries(world.database).alerts([alert.alert_id])[0].state == "closed"


def test_a_rule_that_is_halted_shows_on_an_open_wall_and_is_resumed_there(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    with window(browser, complaints) as (_, wall):
        log_in(wall, address)
        world.projector.change_policy(breaking())
        for _ in range(LIMIT + 1):
            mismatch(world)
        banner = wall.locator("#halted .halted")
        expect(banner).to_contain_text("The rule “Not the card holder” is halted.", timeout=10_000)
        mismatch(world)
        expect(banner.locator("[data-held]")).to_have_text("2", timeout=10_000)
        check_layout(wall, "wall with a halted rule")
        wall.set_viewport_size({"width": 390, "height": 844})
        check_layout(wall, "wall with a halted rule, on a phone")
        banner.get_by_role("button", name="Resume").click()
        expect(banner).to_have_count(0)
        mismatch(world)
        expect(wall.locator(".card")).to_have_count(LIMIT + 1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1366, 768), (390, 844)], ids=["till", "phone"])
def test_no_page_is_wider_than_its_window_and_every_text_can_be_read(
    browser: Browser, complaints: Complaints, world: World, address: str, scheme: str, size: tuple[int, int]
) -> None:
    found = mismatch(world)
    gone = [msgspec.structs.replace(found, status="withdrawn")]
    cause = {found.finding_id: f"agent_registration {'W' * 32}"}  # nothing in it where a line may break
    world.projector.write_findings([], gone, cause, world.clock_ms())
    world.projector.project_alerts(world.clock_ms())
    world.raise_alert("card_batch", severity="critical", till="2")
    world.raise_alert("frequent_purchase", severity="low")
    viewport = {"width": size[0], "height": size[1]}
    with window(browser, complaints, viewport=viewport, color_scheme=scheme) as (_, page):
        log_in(page, address)
        check_layout(page, "wall")
        page.locator(".card").last.click()
        expect(page.locator("#live")).to_have_attribute("data-live", "connected")
        check_layout(page, "alert")
        page.goto(f"{address}/dead-letters")
        check_layout(page, "dead letters")
        open_terminal(page, address, world.terminal)
        expect(page.locator(".notice")).to_be_visible()
        check_layout(page, "terminal")
        page.get_by_role("button", name="收到").click()
        expect(page.get_by_role("button", name="已核对")).to_be_visible()
        check_layout(page, "terminal, answering")


def test_the_contrast_check_finds_grey_on_grey(browser: Browser, complaints: Complaints) -> None:
    with window(browser, complaints) as (_, page):
        page.set_content("<p style='color:#888;background:#999'>grey</p><p style='color:#111'>black</p>")
        assert [re.sub(r":.*", "", one) for one in page.evaluate(LOW_CONTRAST)] == ["grey"]
