"""A swipe's whole way on the running product: to the till and the centre, answered, withdrawn and reviewed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TypedDict

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from storage.database import Database, default_url
from storage.evidence.stills import EvidenceStore, Still
from storage.sealing.crypto import Keyring
from tests.app.running import CHECKOUT, Served
from tests.web.browsing import Complaints, check_layout, open_terminal, press_until, window
from tests.web.test_terminal_product import product, swipe_with_another_face, terminal_token
from tests.web.world import CAMERA, counter_jpeg, now_ms

# A product is started and stopped, and commands of its own beside it.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
OWN = "a password of my own"
AGENT = "11010519491231002x"


class Size(TypedDict):
    """What a window is opened with."""

    viewport: ViewportSize


DESK: Size = {"viewport": {"width": 1366, "height": 768}}
PHONE: Size = {"viewport": {"width": 390, "height": 844}}


def command(served: Served, *arguments: str) -> str:
    """Returns what a command of the product prints."""
    called = [sys.executable, "-m", "app", *arguments, "--data", str(served.data)]
    return subprocess.run(called, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout


def keep_picture(served: Served, settlement: str) -> None:
    """The product has a picture of the swipe, as a camera's worker keeps it."""
    database = Database.open(default_url(served.data))
    keyring = Keyring.open(served.data / "keys" / "evidence.key", needed=True)
    EvidenceStore(database, served.data / "stills", keyring).keep(
        Still(
            observation_id=f"fo-{settlement}",
            settlement_id=settlement,
            camera_id=CAMERA,
            captured_at_ms=now_ms(),
            jpeg=counter_jpeg(),
        )
    )
    database.close()


def come_in(page: Page, address: str, password: str) -> None:
    """A person who was given a one-time password chooses an own one."""
    page.goto(f"{address}/login")
    page.get_by_label("User name").fill("wang")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Current password").fill(password)
    page.get_by_label("New password", exact=True).fill(OWN)
    page.get_by_label("New password again").fill(OWN)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("All quiet")).to_be_visible()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_swipe_goes_its_whole_way_between_till_and_centre(
    browser: Browser, complaints: Complaints, tmp_path: Path, size: Size
) -> None:
    complaints.expected = ("ERR_INTERNET_DISCONNECTED",)
    with product(tmp_path) as served:
        password = command(served, "accounts", "add", "wang", "--role", "operator").rpartition(" ")[2].strip()
        with window(browser, complaints, **size) as centre, window(browser, complaints, **size) as store:
            open_terminal(store[1], served.address, terminal_token(served))
            come_in(centre[1], served.address, password)
            registered_and_withdrawn(served, centre[1], store[1], "SETL-330197")
            off_line_and_back(served, centre, store, "SETL-440198")
        exported = command(served, "export")
        assert exported.count('"agent_registration"') == 1
        assert AGENT[:-1] not in exported
        assert AGENT[:-1] not in served.data.with_suffix(".err").read_text()


def registered_and_withdrawn(served: Served, wall: Page, till: Page, settlement: str) -> None:
    keep_picture(served, settlement)
    swipe_with_another_face(served, settlement)
    notice, card = till.locator(".notice"), wall.locator(".card")
    expect(notice).to_contain_text(settlement[-6:], timeout=15_000)
    expect(card).to_have_count(1, timeout=15_000)
    expect(card.locator("img")).to_have_js_property("naturalWidth", 480)
    notice.get_by_role("button", name="收到").click()
    notice.get_by_role("button", name="已补登记代购人").click()
    notice.get_by_label("Identity card").check()
    notice.get_by_role("textbox", name="Number").fill(AGENT)
    notice.get_by_role("button", name="登记代购人 Register").click()
    row = till.locator(".row").first
    expect(row).to_contain_text("Withdrawn", timeout=15_000)
    expect(row).to_contain_text("Agent registered")
    expect(till.get_by_text("All clear")).to_be_visible()
    expect(card.locator(".pill")).to_contain_text("Withdrawn", timeout=15_000)
    check_layout(wall, "the wall")
    check_layout(till, "the till")
    card.get_by_role("link").click()
    expect(wall.locator("[data-part=head] .pill").first).to_have_text("Withdrawn")
    expect(wall.locator("[data-part=history]")).to_contain_text("agent registration")
    check_layout(wall, "the alert")
    expect(wall.locator("#live")).to_have_attribute("data-live", "connected")  # its keys are listened to by then
    wall.keyboard.press("r")
    expect(wall.locator("[data-review]")).to_have_attribute("aria-pressed", "true")
    wall.goto(served.address)
    expect(card).to_have_count(0)
    till.reload()
    expect(till.locator(".row").first).to_contain_text("Withdrawn")
    expect(notice).to_have_count(0)


def off_line_and_back(
    served: Served, centre: tuple[BrowserContext, Page], store: tuple[BrowserContext, Page], settlement: str
) -> None:
    (at_centre, wall), (at_store, till) = centre, store
    expect(till.locator("#live")).to_have_attribute("data-live", "connected")
    for context in (at_centre, at_store):
        context.set_offline(True)
    expect(till.locator("#offline")).to_be_visible()
    expect(wall.locator("#live")).to_have_attribute("data-live", "offline")
    swipe_with_another_face(served, settlement)
    for context in (at_centre, at_store):
        context.set_offline(False)
    notice, card = till.locator(".notice"), wall.locator(".card")
    expect(notice).to_contain_text(settlement[-6:], timeout=20_000)
    expect(notice).to_have_count(1)
    expect(till.locator("#offline")).to_be_hidden()
    expect(card).to_have_count(1, timeout=20_000)
    expect(wall.locator("#live")).to_have_attribute("data-live", "connected")
    press_until(till, "收到")
    press_until(till, "已核对")
    expect(card.locator(".pill")).to_contain_text("Answered · Checked", timeout=15_000)
    wall.keyboard.press("j")
    wall.keyboard.press("r")
    expect(card).to_have_count(0)
    expect(wall.locator("#unreviewed")).to_have_text("0")
