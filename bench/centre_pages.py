"""The centre's pages over 100,000 alerts: `python -m bench.centre_pages` prints JSON.

Fills a database with alerts of sixty days at 400 institutions, each with its finding, its rule's word and its history,
serves it from a process of its own, asks for the wall, the list, its next page, a page deep in it and filtered ones.
Measured: the time to the whole answer on one connection, and in Chromium the first paint of the wall and the list.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
from sqlalchemy import insert, select

from bench.screenshots import wait_until
from events.findings import Finding, finding_id_of, finding_json
from storage.alerts.terms import rule_term
from storage.models import AlertFindingRow, AlertHistoryRow, AlertRow, AlertTermRow, FindingRow
from tests.alerts.builders import finding
from tests.app.running import free_port
from tests.web.browsing import chromium
from tests.web.world import INSTITUTIONS, PASSWORD, World, log_in, now_ms
from web.app import create_app
from web.ports import InstitutionEntry
from web.server import WebServer

DAYS = 60
DAY_MS = 86_400_000
STORES = [f"P32990{number:06d}" for number in range(400)]
DETECTORS = ("holder_mismatch", "card_batch", "nobody_at_counter", "frequent_purchase")
STATES = ("closed",) * 90 + ("answered",) * 6 + ("withdrawn",) * 3 + ("open",)
SEVERITIES = ("low",) * 6 + ("medium",) * 3 + ("high",)
AT_ONCE = 5_000
OVERVIEW_FRESH_S = 1.1
GOAL_PAINT_MS = 1_000


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alerts", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        world = World.furnished(data)
        _fill(world, chosen.alerts)
        world.close()
        with _served(data) as address:
            measured = {"pages": _pages(address, chosen.rounds), "first_paint": _paints(address, chosen.rounds)}
    print(json.dumps({"bench": "centre_pages", "alerts": chosen.alerts, "load_at_start": round(load, 1), **measured}))


# ------------------------------------------------------------------------------------------------ what lies there


def _fill(world: World, alerts: int) -> None:
    """Afterwards the database has so many alerts, worded like those that the projector has made of real findings."""
    bodies = {}
    for detector, store in zip(DETECTORS, STORES, strict=False):
        world.raise_alert(detector, store=store)
    with world.database.read() as session:
        for row in session.scalars(select(AlertRow)):
            bodies[row.detector] = row.body
    chance, now = random.Random(7), now_ms()
    for first in range(0, alerts - len(DETECTORS), AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, alerts - len(DETECTORS)))
        made = [_made(number, now - number * DAYS * DAY_MS // alerts, chance) for number in numbers]
        with world.database.session() as session:
            session.execute(insert(FindingRow), [_finding_row(one) for one in made])
            session.execute(insert(AlertRow), [_alert_row(one, chance.choice(STATES), bodies) for one in made])
            session.execute(
                insert(AlertFindingRow),
                [{"alert_id": one.settlement_id, "finding_id": one.finding_id, "standing": True} for one in made],
            )
            session.execute(
                insert(AlertTermRow),
                [
                    {"term": rule_term(one.detector), "opened_at_ms": one.occurred_at_ms, "alert_id": one.settlement_id}
                    for one in made
                ],
            )
            session.execute(insert(AlertHistoryRow), [_history_row(one) for one in made])


def _made(number: int, at_ms: int, chance: random.Random) -> Finding:
    made = finding(
        chance.choice(DETECTORS),
        at_ms=at_ms,
        settlement=f"BENCH{number:010d}",
        person=f"329900{number % 50_000:012d}",
        store=chance.choice(STORES),
        severity=chance.choice(SEVERITIES),  # type: ignore[arg-type]
    )
    return msgspec.structs.replace(made, finding_id=finding_id_of(made.detector, made.key, made.settlement_id))


def _finding_row(one: Finding) -> dict[str, Any]:
    return {
        "finding_id": one.finding_id,
        "detector": one.detector,
        "status": "raised",
        "settlement_id": one.settlement_id,
        "institution_id": one.institution_id,
        "occurred_at_ms": one.occurred_at_ms,
        "severity": one.severity,
        "mode": one.mode,
        "body": finding_json(one),
        "cause": "",
        "decided_at_ms": one.occurred_at_ms,
        "revision": 1,
        "alerted_revision": 1,
    }


def _alert_row(one: Finding, state: str, bodies: Mapping[str, dict[str, object]]) -> dict[str, Any]:
    return {
        "alert_id": one.settlement_id,
        "episode_key": one.settlement_id,
        "institution_id": one.institution_id,
        "till_id": "1",
        "detector": one.detector,
        "severity": one.severity,
        "route": "both",
        "state": state,
        "settlement_id": one.settlement_id,
        "opened_at_ms": one.occurred_at_ms,
        "changed_at_ms": one.occurred_at_ms,
        "last_anchor_ms": one.occurred_at_ms,
        "escalate_at_ms": None,
        "body": bodies[one.detector],
    }


def _history_row(one: Finding) -> dict[str, Any]:
    return {
        "alert_id": one.settlement_id,
        "at_ms": one.occurred_at_ms,
        "actor": "swipewatch",
        "action": "open",
        "from_state": "",
        "to_state": "open",
        "note": "",
    }


# ------------------------------------------------------------------------------------------------ how quick it is


@contextmanager
def _served(data: Path) -> Iterator[str]:
    """Gives the address of the pages, served by another process until the end."""
    port = free_port()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(data, port), daemon=True)
    server.start()
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                httpx.get(f"{address}/login")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.join(20)


def _serve(data: Path, port: int) -> None:
    world = World(data)
    stores = [
        InstitutionEntry(institution_id=one, kind="pharmacy", name_zh=f"药店{one[-3:]}", name_en=f"Pharmacy {one[-3:]}")
        for one in STORES
    ]
    services = dataclasses.replace(world.services, institutions=(*INSTITUTIONS, *stores))
    WebServer(create_app(services), world.feed, host="127.0.0.1", port=port).run()


def _pages(address: str, rounds: int) -> Mapping[str, object]:
    """Returns, per page, the median and the longest time in milliseconds; the wall's overview is always read anew."""
    with httpx.Client(base_url=address, timeout=60) as client:
        log_in(client)
        deep = f"{now_ms() - DAYS // 2 * DAY_MS}.x"
        paths = {
            "wall": "/",
            "list": "/alerts",
            "next page": _next(client, "/alerts"),
            "a page 30 days back": f"/alerts?before={deep}",
            "high only": "/alerts?severity=high",
            "one rule, unreviewed": "/alerts?rule=card_batch&reviewed=no",
            "waiting only": "/alerts?state=waiting",
        }
        return {name: _timed(client, path, rounds) for name, path in paths.items()}


def _next(client: httpx.Client, path: str) -> str:
    found = re.search(r'rel="next" href="([^"]+)"', client.get(path).text)
    if found is None:
        sys.exit("the list has no next page")
    return found[1].replace("&amp;", "&")


def _timed(client: httpx.Client, path: str, rounds: int) -> Mapping[str, int]:
    took = []
    for _ in range(rounds):
        time.sleep(OVERVIEW_FRESH_S)
        started = time.monotonic()
        client.get(path).raise_for_status()
        took.append((time.monotonic() - started) * 1000)
    return {"median_ms": round(statistics.median(took)), "max_ms": round(max(took))}


def _paints(address: str, rounds: int) -> Mapping[str, object]:
    """Returns the medians of the browser's own paint timing, each time from the click to the first content."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.set_default_timeout(120_000)
        page.goto(f"{address}/login")
        page.fill("input[name=username]", "operator")
        page.fill("input[name=password]", PASSWORD)
        page.click("button.primary")
        page.wait_for_url(f"{address}/")
        found: dict[str, object] = {"goal_ms": GOAL_PAINT_MS}
        for name, path in (("wall", "/"), ("list", "/alerts")):
            painted = []
            for _ in range(rounds):
                page.goto(f"{address}{path}")
                wait_until(page, "performance.getEntriesByName('first-contentful-paint').length > 0")
                painted.append(
                    page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"),
                )
            found[name] = {"median_ms": round(statistics.median(painted)), "max_ms": round(max(painted))}
        return found


if __name__ == "__main__":
    main()
