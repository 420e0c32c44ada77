"""The pages of who may come in, in a real browser: made, handed over, confirmed and revoked, by keyboard alone too."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from storage.access.accounts import Accounts
from storage.access.changes import AccessChanges
from tests.web.browsing import Complaints, check_layout, log_in, press_until, window
from tests.web.world import PASSWORD, World, poll

pytestmark = pytest.mark.browser
OWN = "a password of my own"


def enter(page: Page, address: str, username: str, password: str) -> None:
    page.goto(f"{address}/login")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def test_a_new_account_comes_in_by_its_one_time_password_and_changes_it(
    browser: Browser, complaints: Complaints, address: str
) -> None:
    complaints.expected = ("401",)
    with window(browser, complaints) as (_, admin), window(browser, complaints) as (_, person):
        log_in(admin, address, "administrator")
        admin.get_by_role("link", name="Access").click()
        admin.get_by_role("link", name="Accounts").click()
        admin.get_by_label("User name").fill("wang")
        admin.locator(".add select").select_option("operator")
        admin.get_by_role("button", name="Add account").click()
        password = admin.locator(".secret-value").inner_text()
        expect(admin.locator(".trail tbody tr").first).to_contain_text("account added")

        enter(person, address, "wang", password)
        expect(person.get_by_role("heading", name="Change your password")).to_be_visible()
        person.goto(f"{address}/alerts")
        expect(person.get_by_role("heading", name="Change your password")).to_be_visible()
        person.get_by_label("Current password").fill(password)
        person.get_by_label("New password", exact=True).fill(OWN)
        person.get_by_label("New password again").fill(OWN)
        person.get_by_role("button", name="Change password").click()
        expect(person.get_by_role("heading", name="Alerts")).to_be_visible()
        person.get_by_role("button", name="Log out").click()
        enter(person, address, "wang", password)
        expect(person.get_by_role("alert")).to_contain_text("not right")
        enter(person, address, "wang", OWN)
        expect(person.locator("#live")).to_have_attribute("data-live", "connected")


def test_nobody_is_locked_out_without_being_asked_again(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    with window(browser, complaints) as (_, page):
        log_in(page, address, "administrator")
        page.goto(f"{address}/accounts")
        row = page.locator("table.people tr").filter(has=page.locator("strong", has_text=re.compile("^operator$")))
        row.get_by_role("button", name="Disable: operator").click()
        question = page.get_by_role("dialog", name="Disable operator?")
        expect(question).to_contain_text("logged out at once")
        check_layout(page, "asked again")
        question.get_by_role("button", name="Cancel").click()
        expect(question).to_be_hidden()
        assert not state_of(world.accounts, "operator")
        row.get_by_role("button", name="Disable: operator").click()
        question.get_by_role("button", name="Disable").click()
        expect(row).to_contain_text("disabled")
        assert state_of(world.accounts, "operator")
        row.get_by_role("button", name="Enable").click()
        expect(row).not_to_contain_text("disabled")
        page.get_by_role("link", name="All changes").click()
        expect(page.locator(".trail tbody tr").first).to_contain_text("account enabled")
        page.locator(".trail").get_by_role("link", name="operator").first.click()
        page.wait_for_url("**/access-changes?name=operator")
        expect(page.locator(".trail tbody tr")).to_have_count(3)


def state_of(accounts: Accounts, username: str) -> bool:
    return next(one.disabled for one in accounts.accounts() if one.username == username)


def test_a_sender_is_made_and_revoked_by_keyboard_alone(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    with window(browser, complaints) as (_, page):
        log_in(page, address, "administrator")
        page.goto(f"{address}/senders")
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.name") == "name":
                break
        page.keyboard.type("his-7")
        page.keyboard.press("Tab")
        page.keyboard.type("*")
        page.keyboard.press("Enter")
        token = page.locator(".secret-value").inner_text()
        assert re.fullmatch(r"sws_[\w-]{40,}", token)
        assert world.accounts.token("sender", token)
        page.reload() if page.url.endswith("/senders") else page.goto(f"{address}/senders")
        expect(page.locator(".secret-value")).to_have_count(0)
        press_until(page, "Revoke: his-7", "aria-label")
        question = page.get_by_role("dialog", name="Revoke the token of his-7?")
        expect(question).to_be_visible()
        page.keyboard.press("Escape")
        expect(question).to_be_hidden()
        page.keyboard.press("Enter")
        expect(question).to_be_visible()
        press_until(page, "Revoke")
        expect(page.locator(".panel.block").first).not_to_contain_text("his-7 ")
        assert world.accounts.token("sender", token) is None


def test_a_store_is_paired_by_a_code_and_its_screen_ends_once_it_is_revoked(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    complaints.expected = ("401",)
    with window(browser, complaints) as (_, centre), window(browser, complaints) as (_, till):
        log_in(centre, address)
        centre.goto(f"{address}/terminals")
        centre.get_by_label("Till of Ankang Pharmacy").select_option("2")
        centre.get_by_role("button", name="Pair a terminal").first.click()
        code = centre.locator(".code").inner_text()
        check_layout(centre, "pairing code")
        till.goto(f"{address}/terminal")
        till.get_by_label("Pairing code").fill(code.lower())
        till.keyboard.press("Enter")
        expect(till.locator("#live")).to_have_attribute("data-live", "connected")
        (made,) = [one for one in world.accounts.tokens("terminal") if one.created_by == "operator"]
        centre.get_by_role("link", name="Done").click()
        centre.get_by_role("button", name=f"Revoke: {made.name}").click()
        centre.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        expect(centre.get_by_role("button", name=f"Revoke: {made.name}")).to_have_count(0)
        expect(till.get_by_label("Pairing code")).to_be_visible(timeout=15_000)
    last = AccessChanges(world.database).latest(1)[0]
    assert (last.actor, last.action, last.subject) == ("operator", "token_revoked", made.name)


def test_who_watches_reads_who_looked_at_which_face(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    for number in range(3):
        world.accounts.record_face_view(f"still-{number}", "operator", "alert 0123456789abcdef", world.now_ms())
    world.accounts.record_face_view("still-9", "auditor", "visitor v-1", world.now_ms())
    with window(browser, complaints) as (_, page):
        log_in(page, address, "supervisor")
        page.goto(f"{address}/face-views")
        expect(page.locator("tbody tr")).to_have_count(4)
        expect(page.get_by_role("link", name="One face, many cards v-1")).to_be_visible()
        page.get_by_role("link", name="operator", exact=True).first.click()
        expect(page.locator("tbody tr")).to_have_count(3)
        page.get_by_role("link", name="Show everybody").click()
        expect(page.locator("tbody tr")).to_have_count(4)


@pytest.mark.parametrize("locale", ["zh-CN", "en-GB"])
@pytest.mark.parametrize("size", [(1366, 768), (390, 844)], ids=["desk", "phone"])
def test_the_pages_of_access_are_whole_in_both_languages(
    browser: Browser, complaints: Complaints, address: str, locale: str, size: tuple[int, int]
) -> None:
    """No key that was not put into words, nothing wider than its window, no word of the other language alone."""
    viewport = {"width": size[0], "height": size[1]}
    with window(browser, complaints, viewport=viewport, locale=locale) as (_, page):
        page.goto(f"{address}/login")
        page.locator("[name=username]").fill("administrator")
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("button.primary").click()
        poll(lambda: page.url == f"{address}/")
        for path in ("/accounts", "/senders", "/terminals", "/access-changes", "/face-views", "/account/password"):
            page.goto(f"{address}{path}")
            check_layout(page, path)
            text = page.locator("body").inner_text()
            assert re.findall(r"\b[a-z_]+\.[a-z_]+(?:\.[a-z_]+)*\b", text) == [], path
            assert bool(re.search("[一-鿿]", page.locator("h1").inner_text())) == (locale == "zh-CN"), path
