"""Takes the pictures of docs/screens/ from a running demo: `python -m bench.screenshots`.

Faces on the dashboard are blurred by the product; the one alert that is opened shows NASA's astronaut.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

CHECKOUT = Path(__file__).parents[1]
SCREENS = CHECKOUT / "docs" / "screens"
CASES_S = 110.0
READY_WITHIN_S = 300.0
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
ASTRONAUTS_STORE = "P32990000003"


def main() -> None:
    """Fills docs/screens/ and prints the names of the pictures."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        arguments = [sys.executable, "-m", "app", "demo", "--port", "8137", "--data", str(data)]
        demo = subprocess.Popen(arguments, cwd=CHECKOUT, stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            access = _access(data / "keys" / "demo-access.json")
            time.sleep(CASES_S)
            with sync_playwright() as playwright:
                path = shutil.which("chromium")
                browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
                _take(browser, "http://127.0.0.1:8137", access)
                browser.close()
        finally:
            os.killpg(demo.pid, signal.SIGTERM)
            demo.wait(30)


def _access(file: Path) -> dict[str, object]:
    deadline = time.monotonic() + READY_WITHIN_S
    while not file.exists():
        if time.monotonic() > deadline:
            sys.exit("the demo did not start")
        time.sleep(0.5)
    access: dict[str, object] = json.loads(file.read_text())
    return access


def _take(browser: Browser, address: str, access: dict[str, object]) -> None:
    tokens = access["terminal_tokens"]
    centre = browser.new_page(viewport={"width": 1366, "height": 768}, color_scheme="dark", locale="en")
    centre.goto(f"{address}/login")
    centre.fill("input[name=username]", "operator")
    centre.fill("input[name=password]", str(access["password"]))
    centre.click("button.primary")
    centre.goto(f"{address}/language/en?to=/")
    _shoot(centre, "dashboard.png")
    centre.locator("a", has_text="Huimin Pharmacy").first.click()
    centre.wait_for_load_state("load")
    _shoot(centre, "alert.png", full=True)
    till = browser.new_page(viewport={"width": 1366, "height": 768}, locale="en")
    till.goto(f"{address}/terminal/login#pair={tokens[ASTRONAUTS_STORE] if isinstance(tokens, dict) else ''}")
    till.wait_for_url("**/terminal?*")
    _shoot(till, "terminal.png")


def _shoot(page: Page, name: str, *, full: bool = False) -> None:
    page.wait_for_timeout(2000)  # pictures and the stream's first message
    page.screenshot(path=SCREENS / name, full_page=full)
    sys.stdout.write(f"docs/screens/{name}\n")


if __name__ == "__main__":
    main()
