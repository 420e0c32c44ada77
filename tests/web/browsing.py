"""A real browser for tests, and what it complained of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from events.findings import Finding
from tests.web.world import PASSWORD, World, observation_bytes, swipe_event

CHROMIUM = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser"))), None)
"""The one without a desktop's windows first: the same pages take it less time."""
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


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium, until the end; a machine without one skips the test."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: make setup-test installs it")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield launched
        finally:
            launched.close()


@contextmanager
def window(browser: Browser, complaints: Complaints, **options: object) -> Iterator[tuple[BrowserContext, Page]]:
    settings = {"viewport": {"width": 1366, "height": 768}, "locale": "en-GB", **options}
    context = browser.new_context(**settings)  # type: ignore[arg-type]
    page = context.new_page()
    complaints.listen(page)
    try:
        yield context, page
    finally:
        context.close()  # pages of a test that failed would go on working beside the next


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


def press_until(page: Page, name: str, of: str = "textContent") -> None:
    """Goes from one control to the next until it has this name, and presses it."""
    look = f"document.activeElement.{of}" if of == "textContent" else f"document.activeElement.getAttribute('{of}')"
    for _ in range(80):
        page.keyboard.press("Tab")
        if name in (page.evaluate(look) or ""):
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"no key leads to {name}")


def check_layout(page: Page, where: str) -> None:
    page.wait_for_load_state()  # without its styles a page has another layout
    too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert too_wide <= 0, f"{where} is {too_wide} px too wide: {page.evaluate(BEYOND_THE_EDGE)}"
    assert page.evaluate(LOW_CONTRAST) == [], where


BEYOND_THE_EDGE = """() => [...document.querySelectorAll('body *')]
  .filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth)
  .map((one) => `${one.localName}.${one.className}: ${one.textContent.trim().slice(0, 40)}`).slice(-12)"""

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
