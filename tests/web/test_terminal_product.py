"""A swipe's whole way on the running product: from the sender to the till, and the store's word back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from playwright.sync_api import Browser, expect

from config.settings import packaged
from tests.alerts.builders import STORE
from tests.app.running import Served, serving
from tests.web.browsing import Complaints, open_terminal, window
from tests.web.world import bearer, now_ms, poll, swipe_event

pytestmark = pytest.mark.browser

REGISTRY = {
    "institutions": [
        {
            "institution_id": STORE,
            "kind": "pharmacy",
            "name_zh": "安康药店",
            "name_en": "Ankang Pharmacy",
            "terminals": [{"terminal_id": "ankang"}],
            "tills": [{"till_id": "1", "name_zh": "1号收银台", "name_en": "Till 1"}],
        }
    ]
}


def product(folder: Path, **rule: object) -> Any:
    """Serves the one store, with these settings of holder_mismatch."""
    registry, rules = folder / "registry.yaml", folder / "rules.yaml"
    registry.write_text(yaml.safe_dump(REGISTRY))
    written = yaml.safe_load(packaged("rules.yaml").read_text(encoding="utf-8"))
    written["holder_mismatch"] |= rule
    rules.write_text(yaml.safe_dump(written, allow_unicode=True), encoding="utf-8")
    return serving(folder / "data", "--registry", str(registry), "--rules", str(rules))


def terminal_token(served: Served) -> str:
    found = re.search(r"terminal ankang pairs with token (\S+)", served.first_lines)
    assert found, served.first_lines
    return found[1]


def swipe_with_another_face(served: Served, settlement: str) -> None:
    at_ms = now_ms() - 1_000
    observed = {
        "type": "face_observed",
        "event_id": f"fo-{settlement}",
        "occurred_at_ms": at_ms,
        "institution_id": STORE,
        "till_id": "1",
        "camera_id": "camera-1",
        "healthy": True,
        "people": 1,
        "faces": [{"quality": 0.9, "settlement_id": settlement, "similarity": 0.1, "verdict": "mismatch"}],
    }
    answer = httpx.post(
        f"{served.address}/v1/events",
        json=[swipe_event(settlement, at_ms=at_ms, person_id=f"329900-{settlement}"), observed],
        headers=bearer(served.sender_token()),
    )
    assert answer.json()["accepted"] == 2, answer.text


def notices(served: Served) -> list[dict[str, Any]]:
    answer = httpx.get(f"{served.address}/v1/terminal/notices", headers=bearer(terminal_token(served)))
    return list(answer.json()["notices"])


def test_a_reminder_that_nobody_acknowledges_is_the_centres_in_the_rules_time(
    browser: Browser, complaints: Complaints, tmp_path: Path
) -> None:
    with product(tmp_path, escalate_after="3s") as served, window(browser, complaints) as (_, till):
        open_terminal(till, served.address, terminal_token(served))
        swipe_with_another_face(served, "SETL-000001")
        expect(till.locator(".notice")).to_be_visible(timeout=15_000)  # shown, and nobody there
        poll(lambda: [one for one in notices(served) if one["state"] == "escalated"], 15)
        till.get_by_role("button", name="收到").click()
        till.get_by_role("button", name="需要协助").click()  # the store can still answer
        expect(till.locator(".row")).to_contain_text("Need help")
