"""The centre and a store in a real browser, side by side: what one does, the other sees without reloading."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from events.findings import Finding
from storage.queries import Queries
from tests.storage.test_rule_halts import LIMIT, breaking
from tests.web.world import PASSWORD, World, observation_bytes, serving, swipe_event

pytestmark = pytest.mark.browser
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@dataclass
class Complaints:
    """What the browser complained of: console errors, exceptions, failed requests, answers of 400 and above."""

    said: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()

    def listen(self, page: Page) -> None:
        page.on("console", lambda message: self._add(message.text) if message.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: self._add(str(error)))
        page.on("requestfailed", self._failed)
        page.on("response", lambda answer: self._add(f"{answer.status} {answer.url}") if answer.status >= 400 else None)

    def _failed(self, request: Request) -> None:
        # What is on its way when a page is left, its stream above all, is cut off: that is how it ends.
        if request.failure != "net::ERR_ABORTED":
            self._add(f"{request.failure} {request.url}")

    def _add(self, text: str) -> None:
        if not any(one in text for one in self.expected):
            self.said.append(text)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here: make setup-test installs it")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    heard = Complaints()
    yield heard
    assert heard.said == []


@contextmanager
def window(browser: Browser, complaints: Complaints, **options: object) -> Iterator[tuple[BrowserContext, Page]]:
    settings = {"viewport": {"width": 1366, "height": 768}, "locale": "en-GB", **options}
    context = browser.new_context(**settings)  # type: ignore[arg-type]
    page = context.new_page()
    complaints.listen(page)
    yield context, page
    context.close()


def log_in(page: Page, address: str, role: str = "operator") -> None:
    page.goto(f"{address}/login")
    page.get_by_label("User name").fill(role)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#live")).to_have_attribute("data-live", "connected")


def open_terminal(page: Page, address: str, token: str) -> None:
    page.goto(f"{address}/terminal/login#pair={token}")
    expect(page.locator("#live")).to_have_attribute("data-live", "connected")


def mismatch(world: World) -> Finding:
    settlement, at_ms = world.settlement(), world.clock_ms() - 3_000
    world.log(
        msgspec.json.encode(swipe_event(settlement, at_ms=at_ms)),
        observation_bytes(f"fo-{settlement}", settlement, at_ms),
    )
    world.keep_still(f"fo-{settlement}", settlement, at_ms)
    return world.raise_alert(settlement=settlement, at_ms=at_ms, severity="high", evidence=[f"fo-{settlement}"])


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
    alert = Queries(world.database).recent_alerts(1)[0]
    with window(browser, complaints) as (_, page), window(browser, complaints) as (_, till):
        log_in(page, address)
        page.locator(".card").click()
        still = page.locator("#still")
        expect(still).to_be_visible()
        assert still.evaluate("image => image.complete && image.naturalWidth") == 640
        expect(page.locator("#live")).to_have_attribute("data-live", "connected")
        page.get_by_label("Note").fill("called the store")

        open_terminal(till, address, world.terminal)
        till.get_by_role("button", name="收到").click()
        till.get_by_role("button", name="其他说明").click()
        till.get_by_role("textbox").fill("儿子代买,已登记")
        till.get_by_role("button", name="发送").click()
        expect(page.locator("[data-part=answer]")).to_contain_text("儿子代买,已登记")
        expect(page.locator("[data-part=history]")).to_contain_text("Noted by the store")
        expect(page.get_by_label("Note")).to_have_value("called the store")

        page.get_by_label("Reason").select_option("authorised")
        page.get_by_role("button", name="Close alert").click()
        expect(page.locator("[data-part=history]")).to_contain_text("Bought for family, authorised: called the store")
        expect(till.locator(".row")).to_contain_text("Other")
    assert Queries(world.database).alerts([alert.alert_id])[0].state == "closed"


def test_a_terminal_that_was_off_line_says_so_and_gets_what_it_missed_once(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    complaints.expected = ("ERR_INTERNET_DISCONNECTED",)
    with window(browser, complaints) as (context, till):
        open_terminal(till, address, world.terminal)
        mismatch(world)
        expect(till.locator(".row")).to_have_count(1)
        context.set_offline(True)
        expect(till.locator("#offline")).to_be_visible()
        world.raise_alert("nobody_at_counter")
        world.raise_alert("frequent_purchase")
        context.set_offline(False)
        expect(till.locator(".row")).to_have_count(3)
        expect(till.locator("#offline")).to_be_hidden()
        expect(till.locator(".queue")).to_contain_text("2 more")
        notice = till.locator(".notice")
        for answered in range(3):
            notice.get_by_role("button", name="收到").click()
            notice.get_by_role("button", name="已核对").click()
            expect(till.locator(".row.is-answered")).to_have_count(answered + 1)
        expect(till.get_by_text("All clear")).to_be_visible()


def test_more_pages_than_a_browser_has_connections_all_get_a_reminder(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    with window(browser, complaints) as (context, wall):
        log_in(wall, address)
        pages = [context.new_page() for _ in range(8)]
        for page in pages:
            complaints.listen(page)
            open_terminal(page, address, world.terminal)
        mismatch(world)
        for page in pages:
            expect(page.locator(".row")).to_have_count(1)
        expect(wall.locator(".card")).to_have_count(1)
        pages[0].close()
        mismatch(world)
        for page in pages[1:]:
            expect(page.locator(".row")).to_have_count(2)


def test_what_another_terminal_answered_meanwhile_is_known_after_coming_back(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    complaints.expected = ("ERR_INTERNET_DISCONNECTED",)
    with window(browser, complaints) as (context, till):
        open_terminal(till, address, world.terminal)
        mismatch(world)
        expect(till.locator(".notice")).to_be_visible()
        context.set_offline(True)
        expect(till.locator("#offline")).to_be_visible()
        alert_id = Queries(world.database).recent_alerts(1)[0].alert_id
        world.projector.answer(alert_id, "other-screen", "checked", "", world.clock_ms())  # nobody is told
        context.set_offline(False)
        expect(till.get_by_text("All clear")).to_be_visible()
        expect(till.locator(".row.is-answered")).to_have_count(1)


def test_a_terminal_survives_a_restart_of_the_product(
    browser: Browser, complaints: Complaints, data: Path, world: World
) -> None:
    complaints.expected = ("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET")
    with window(browser, complaints) as (_, till):
        with serving(world) as address:
            open_terminal(till, address, world.terminal)
            mismatch(world)
            till.get_by_role("button", name="收到").click()
        expect(till.locator("#offline")).to_be_visible()
        world.raise_alert("nobody_at_counter")
        again = World(data)
        with serving(again, port=int(address.rpartition(":")[2])):
            expect(till.locator(".row")).to_have_count(2, timeout=20_000)
            expect(till.locator("#live")).to_have_attribute("data-live", "connected")
            expect(till.get_by_role("button", name="已核对")).to_be_visible()
            till.get_by_role("button", name="已核对").click()
            expect(till.locator(".notice")).to_contain_text("柜台前无人")
            till.close()
        again.close()


def test_a_withdrawn_reminder_is_taken_off_the_screen_with_a_word(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    with window(browser, complaints) as (_, till):
        open_terminal(till, address, world.terminal)
        found = mismatch(world)
        expect(till.locator(".notice")).to_contain_text("购药人")
        world.withdraw(found)
        expect(till.locator(".notice.gone")).to_contain_text("已撤回")
        till.get_by_role("button", name="收到").click()
        expect(till.get_by_text("All clear")).to_be_visible()
        expect(till.locator(".row.is-withdrawn")).to_have_count(1)


def test_a_rule_that_is_halted_shows_on_an_open_wall_and_is_resumed_there(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    with window(browser, complaints) as (_, wall):
        log_in(wall, address)
        world.projector.change_policy(breaking())
        for _ in range(LIMIT + 1):
            mismatch(world)
        banner = wall.locator(".halted")
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


def test_an_answer_can_wait_and_is_taken_up_from_the_list(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    with window(browser, complaints) as (_, till):
        open_terminal(till, address, world.terminal)
        mismatch(world)
        till.get_by_role("button", name="收到").click()
        till.get_by_role("button", name="稍后答复").click()
        expect(till.get_by_text("1 still to answer")).to_be_visible()
        till.locator(".row button").click()
        till.get_by_role("button", name="设备故障").click()
        expect(till.locator(".row")).to_contain_text("Device fault")


def test_what_does_not_arrive_is_said_and_can_be_sent_again(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    complaints.expected = ("503",)
    with window(browser, complaints) as (_, till):
        open_terminal(till, address, world.terminal)
        mismatch(world)
        till.route("**/acknowledge?*", lambda route: route.fulfill(status=503, body="{}"))
        till.get_by_role("button", name="收到").click()
        expect(till.locator(".failed")).to_be_visible()
        till.unroute("**/acknowledge?*")
        till.get_by_role("button", name="收到").click()
        expect(till.get_by_role("button", name="已核对")).to_be_visible()
        expect(till.locator(".failed")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1366, 768), (390, 844)], ids=["till", "phone"])
def test_no_page_is_wider_than_its_window_and_every_text_can_be_read(
    browser: Browser, complaints: Complaints, world: World, address: str, scheme: str, size: tuple[int, int]
) -> None:
    mismatch(world)
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


def check_layout(page: Page, where: str) -> None:
    too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert too_wide <= 0, f"{where} is {too_wide} px too wide"
    assert page.evaluate(LOW_CONTRAST) == [], where


# Every visible text against the nearest opaque background behind it: WCAG AA asks for 4.5, and 3 for large text.
LOW_CONTRAST = """() => {
  const channel = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const numbers = (colour) => colour.match(/[0-9.]+/g).map(Number);
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = numbers(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const style = getComputedStyle(element);
    const [a, b] = [luminance(numbers(style.color)), luminance(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) low.push(`${element.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return low;
}"""


def test_the_contrast_check_finds_grey_on_grey(browser: Browser, complaints: Complaints) -> None:
    with window(browser, complaints) as (_, page):
        page.set_content("<p style='color:#888;background:#999'>grey</p><p style='color:#111'>black</p>")
        assert [re.sub(r":.*", "", one) for one in page.evaluate(LOW_CONTRAST)] == ["grey"]
