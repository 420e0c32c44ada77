"""The page of a face with many cards in a real browser: it follows what happens and shows faces when asked."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from storage.faces.views import FaceViews
from tests.alerts.builders import OTHER_STORE, VISITOR
from tests.web.browsing import Complaints, check_layout, log_in, window
from tests.web.many_cards import finding_of, three_cards, use_card
from tests.web.world import World

pytestmark = pytest.mark.browser


def test_another_card_appears_by_itself_and_its_face_is_as_sharp_as_the_others(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    swipes, first = three_cards(world)
    with window(browser, complaints) as (_, page):
        log_in(page, address)
        page.locator("#faces a").click()
        expect(page.get_by_role("heading", name="One face, many cards")).to_be_visible()
        expect(page.locator(".step")).to_have_count(3)
        expect(page.locator("#live")).to_have_attribute("data-live", "connected")
        assert FaceViews(world.database).latest(10) == []
        page.get_by_role("button", name="Show the faces").press("Enter")
        face = page.locator("img[data-still][src*='/visitors/']")
        expect(face).to_have_count(3)

        at_ms = world.now_ms() - 5_000
        swipes.append(use_card(world, "329900-4-secret", at_ms, store=OTHER_STORE))
        later = finding_of(world, swipes, at_ms, cards=4, severity="high", store=OTHER_STORE)
        expect(page.locator(".step")).to_have_count(4)
        expect(page.locator("tbody .lane-name")).to_have_text(["Ankang Pharmacy", "Chengxi Clinic"])
        expect(page.locator("[data-part=head] .sev")).to_have_text("High")
        expect(face).to_have_count(4)
        page.wait_for_function("() => [...document.images].every((one) => one.complete && one.naturalWidth)")
        assert len(FaceViews(world.database).latest(10)) == 4
        check_layout(page, "a face with four cards")

        world.withdraw(later)
        expect(page.locator(".step.is-gone")).to_have_count(1)
        world.withdraw(first)
        expect(page.locator(".gone-note")).to_contain_text("No finding about this face stands any more")
        page.reload()
        expect(page.locator(".gone-note")).to_be_visible()
        page.goto(address)
        expect(page.locator("#no-faces")).to_be_visible()


def test_the_wall_lists_a_face_once_it_has_used_many_cards(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    with window(browser, complaints, viewport={"width": 390, "height": 844}, locale="zh-CN") as (_, page):
        page.goto(f"{address}/login")
        page.locator("[name=username]").fill("viewer")
        page.locator("[name=password]").fill("correct horse battery")
        page.locator("button.primary").click()
        expect(page.locator("#no-faces")).to_be_visible()
        three_cards(world)
        row = page.locator("#faces a")
        expect(row).to_contain_text("3 张卡 · 1 家机构", timeout=10_000)
        expect(row).to_have_attribute("href", f"/visitors/{VISITOR}")
        row.click()
        expect(page.locator(".step")).to_have_count(3)
        expect(page.get_by_role("button", name="显示清晰人脸")).to_have_count(0)
        check_layout(page, "a face with three cards, on a phone")
