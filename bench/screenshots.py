"""Takes the pictures of docs/screens/ from a running demo: `python -m bench.screenshots`.

Faces are blurred by the product everywhere but on one alert's page, which shows NASA's astronaut.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.web.browsing import chromium

CHECKOUT = Path(__file__).parents[1]
SCREENS = CHECKOUT / "docs" / "screens"
CASES_S = 150.0
"""The demo's cases come within 100 s, the clips of their swipes after them."""
READY_WITHIN_S = 300.0
PATIENCE_MS = 120_000
ASTRONAUTS_STORE = "P32990000003"
ANOTHER_STORE = "P32990000007"
DESK: ViewportSize = {"width": 1366, "height": 768}
WALL: ViewportSize = {"width": 3840, "height": 2160}
PHONE: ViewportSize = {"width": 390, "height": 844}
LARGEST_BYTES = 250_000
PASSWORD = "a picture of the page only"  # noqa: S105 - of an account in a demo that is thrown away


def main() -> None:
    """Fills docs/screens/ and prints the names of the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--running", type=Path, help="data directory of a demo that runs already")
    parser.add_argument("--port", type=int, default=8137)
    chosen = parser.parse_args()
    SCREENS.mkdir(parents=True, exist_ok=True)
    address = f"http://127.0.0.1:{chosen.port}"
    with _demo(chosen.running, chosen.port) as data, chromium() as browser:
        _take(browser, address, data)


@contextmanager
def _demo(running: Path | None, port: int) -> Iterator[Path]:
    """Gives the data directory of a demo in which everything has happened."""
    if running is not None:
        yield running
        return
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        arguments = [sys.executable, "-m", "app", "demo", "--port", str(port), "--data", str(data)]
        demo = subprocess.Popen(arguments, cwd=CHECKOUT, stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            _wait_for(data / "keys" / "demo-access.json")
            time.sleep(CASES_S)
            yield data
        finally:
            os.killpg(demo.pid, signal.SIGTERM)
            demo.wait(30)


def _wait_for(file: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not file.exists():
        if time.monotonic() > deadline:
            sys.exit("the demo did not start")
        time.sleep(0.5)


def _take(browser: Browser, address: str, data: Path) -> None:
    access = json.loads((data / "keys" / "demo-access.json").read_text())
    _take_tills(browser, address, access["terminal_tokens"])
    desk = _page(browser, DESK, dark=False)
    _log_in(desk, address, "operator", access["password"])
    _shoot(desk, "wall-light")
    desk.goto(f"{address}/alerts?severity=medium&reviewed=no")
    _shoot(desk, "alerts")
    desk.goto(f"{address}/rules")
    _shoot(desk, "rules")
    desk.goto(f"{address}/cameras")
    _shoot(desk, "cameras")
    desk.locator(".camera-card a.button").first.click()
    desk.locator("[data-zone-do=add]").wait_for()
    _shoot(desk, "camera-zone")
    desk.goto(f"{address}/alerts?store={ASTRONAUTS_STORE}&rule=one_face_many_cards")
    desk.locator("[data-item] .what a").first.click()
    _play(desk)
    _shoot(desk, "alert")
    desk.goto(f"{address}/visitors")
    desk.locator("main a[href^='/visitors/']").first.click()
    _shoot(desk, "one-face-many-cards")
    night = _page(browser, DESK, dark=True)
    _log_in(night, address, "operator", access["password"])
    _shoot(night, "wall-dark")
    night.set_viewport_size(WALL)
    night.reload()
    _shoot(night, "wall-4k")
    _take_accounts(browser, address, data)


def _take_tills(browser: Browser, address: str, tokens: dict[str, str]) -> None:
    phone = _page(browser, PHONE, dark=False)
    _open_till(phone, address, tokens[ANOTHER_STORE])
    expect(phone.locator(".notice")).to_be_visible()
    _shoot(phone, "terminal-phone")
    till = _page(browser, DESK, dark=False)
    _open_till(till, address, tokens[ASTRONAUTS_STORE])
    expect(till.locator(".notice")).to_be_visible()
    if till.locator("[data-do=acknowledge]").is_visible():  # a demo that was taken before has noted it
        _shoot(till, "terminal")
        till.locator("[data-do=acknowledge]").click()
    _shoot(till, "terminal-answer")


def _take_accounts(browser: Browser, address: str, data: Path) -> None:
    for name, role in (("wang.min", "operator"), ("li.na", "supervisor"), ("zhao.lei", "auditor")):
        _account(data, name, role)
    password = _account(data, "administrator", "administrator")
    page = _page(browser, DESK, dark=False)
    _log_in(page, address, "administrator", password)
    for place, typed in enumerate((password, PASSWORD, PASSWORD)):
        page.locator("input[type=password]").nth(place).fill(typed)
    page.locator("button.primary").click()
    page.wait_for_load_state()
    page.goto(f"{address}/accounts")
    _shoot(page, "accounts")


def _account(data: Path, name: str, role: str) -> str:
    """Returns the one-time password of a new account."""
    command = [sys.executable, "-m", "app", "accounts", "add", name, "--role", role, "--data", str(data)]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.split()[-1]


def _page(browser: Browser, size: ViewportSize, *, dark: bool) -> Page:
    scheme = "dark" if dark else "light"
    page = browser.new_context(viewport=size, color_scheme=scheme, locale="en-GB").new_page()  # type: ignore[arg-type]
    page.set_default_timeout(PATIENCE_MS)
    return page


def _log_in(page: Page, address: str, username: str, password: str) -> None:
    page.goto(f"{address}/login")
    page.fill("input[name=username]", username)
    page.fill("input[name=password]", password)
    page.click("button.primary")
    page.wait_for_load_state()


def _open_till(page: Page, address: str, token: str) -> None:
    page.goto(f"{address}/terminal/login#pair={token}")
    page.wait_for_url("**/terminal?*")


def _play(page: Page) -> None:
    """The clip stands at its swipe."""
    page.locator(".player [data-do=swipe]").first.click()
    wait_until(page, "document.querySelector('.player video').readyState >= 2")


def wait_until(page: Page, expression: str) -> None:
    """Returns once the page says so; its policy lets no script of ours wait inside it."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not page.evaluate(expression):
        if time.monotonic() > deadline:
            sys.exit(f"not in time: {expression}")
        page.wait_for_timeout(50)


def _shoot(page: Page, name: str) -> None:
    page.wait_for_timeout(2_500)  # pictures and the stream's first message
    content = _compressed(Image.open(BytesIO(page.screenshot())).convert("RGB"))
    (SCREENS / f"{name}.webp").write_bytes(content)
    sys.stdout.write(f"docs/screens/{name}.webp {len(content) // 1000} kB\n")


def _compressed(picture: Image.Image) -> bytes:
    """Returns the picture as WebP, as good as it can be within `LARGEST_BYTES`."""
    content = b""
    for quality in (90, 80, 70, 60):
        out = BytesIO()
        picture.save(out, "WEBP", quality=quality, method=6)
        content = out.getvalue()
        if len(content) <= LARGEST_BYTES:
            break
    return content


if __name__ == "__main__":
    main()
