"""Hundreds of terminals on one product: `python -m bench.many_terminals` prints JSON.

Starts `swipewatch serve` with so many stores, opens each store's stream, and gives each store one reminder: first at a
steady rate, then to all at once by one request. Measured, per terminal, from the sender's 200 to the reminder on its
stream, and the server's resident memory before and after the streams were opened.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import yaml

from bench.terminals import terminal_tokens
from tests.app.running import Served, serving

ARRIVES_WITHIN_S = 30.0
CALM_S = 3.0
GOAL_MS = 1_000

Waits = dict[str, float]
"""Receipt ending → milliseconds from the sender's 200 to the reminder."""


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--terminals", type=int, default=400)
    parser.add_argument("--rate", type=float, default=20.0, help="reminders a second while they come steadily")
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    os.environ["SWIPEWATCH__ALERTS__BREAKER"] = str(10 * chosen.terminals)  # or the rule would be halted, rightly
    with tempfile.TemporaryDirectory() as folder:
        registry = Path(folder) / "registry.yaml"
        registry.write_text(yaml.safe_dump(_registry(chosen.terminals)))
        with serving(Path(folder) / "data", "--registry", str(registry)) as product:
            measured = asyncio.run(_measure(product, chosen.terminals, chosen.rate))
    print(json.dumps({"bench": "many_terminals", "load_at_start": round(load, 1), **measured}))


async def _measure(product: Served, terminals: int, rate: float) -> Mapping[str, object]:
    tokens = terminal_tokens(product.first_lines)
    if len(tokens) != terminals:
        sys.exit("the first start did not name every terminal")
    _send(product, [_swipe(0, 0, "warm")])
    before = _resident_kib(product)
    arrived: dict[str, float] = {}
    readers = [asyncio.create_task(_listen(product, token, arrived)) for token in tokens.values()]
    await _open(product, terminals)
    await asyncio.sleep(CALM_S)
    connected = _resident_kib(product)
    steady = await _steady(product, terminals, rate, arrived)
    used = _cpu_s(product)
    at_once = await _at_once(product, terminals, arrived)
    used = _cpu_s(product) - used
    after = _resident_kib(product)
    for reader in readers:
        reader.cancel()
    return {
        "terminals": terminals,
        "steady_reminders_per_s": rate,
        "steady": _summary(steady, terminals),
        "at_once": {**_summary(at_once, terminals), "server_cpu_s": round(used, 2)},
        "server_mib_without_terminals": round(before / 1024, 1),
        "server_kib_per_connected_terminal": round((connected - before) / terminals, 1),
        "server_kib_per_terminal_after_its_reminders": round((after - before) / terminals, 1),
    }


async def _listen(product: Served, token: str, arrived: dict[str, float]) -> None:
    """Notes when each receipt's reminder arrives; a plain socket, so that the reader costs the measurement little."""
    host, _, port = product.address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 20)
    writer.write(f"GET /v1/terminal/stream HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    async for line in reader:
        if line.startswith(b"data: ") and b'"facts"' in line:
            at = time.monotonic()
            for fact in json.loads(line[6:])["body"]["facts"]:
                arrived.setdefault(fact["receipt"], at)
    writer.close()


async def _open(product: Served, terminals: int) -> None:
    deadline = time.monotonic() + ARRIVES_WITHIN_S
    while time.monotonic() < deadline:
        async with httpx.AsyncClient(base_url=product.address) as client:
            metrics = (await client.get("/metrics")).text
        if f'kind="terminal"}} {float(terminals)}' in metrics:
            return
        await asyncio.sleep(0.2)
    sys.exit("not all terminals are connected")


async def _steady(product: Served, terminals: int, rate: float, arrived: dict[str, float]) -> Waits:
    answered: dict[str, float] = {}
    started = time.monotonic()
    for number in range(terminals):
        await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
        pair = [_swipe(number, turn, "steady") for turn in range(2)]
        answered[_ending(pair[1])] = await asyncio.to_thread(_send, product, pair)
    return await _waits(answered, arrived)


async def _at_once(product: Served, terminals: int, arrived: dict[str, float]) -> Waits:
    pairs = [[_swipe(number, turn, "at once") for turn in range(2)] for number in range(terminals)]
    at = await asyncio.to_thread(_send, product, [swipe for pair in pairs for swipe in pair])
    return await _waits({_ending(second): at for _, second in pairs}, arrived)


async def _waits(answered: Mapping[str, float], arrived: Mapping[str, float]) -> Waits:
    deadline = time.monotonic() + ARRIVES_WITHIN_S
    while time.monotonic() < deadline and not answered.keys() <= arrived.keys():  # noqa: ASYNC110 - 400 tasks fill it
        await asyncio.sleep(0.05)
    return {one: max(0.0, arrived[one] - at) * 1000 for one, at in answered.items() if one in arrived}


def _summary(waits: Waits, expected: int) -> Mapping[str, object]:
    percentiles = statistics.quantiles(waits.values(), n=100, method="inclusive")
    return {
        "reminders_expected": expected,
        "reminders_seen": len(waits),
        "p50_ms": round(percentiles[49]),
        "p99_ms": round(percentiles[98]),
        "max_ms": round(max(waits.values())),
        "goal_p99_ms": GOAL_MS,
    }


def _send(product: Served, swipes: Sequence[Mapping[str, Any]]) -> float:
    """Returns the monotonic second at which the sender had its 200."""
    headers = {"Authorization": f"Bearer {product.sender_token()}"}
    answer = httpx.post(f"{product.address}/v1/events", json=swipes, headers=headers, timeout=60)
    at = time.monotonic()
    if answer.raise_for_status().json()["accepted"] != len(swipes):
        sys.exit(f"not every swipe was accepted: {answer.text[:300]}")
    return at


def _resident_kib(product: Served) -> int:
    status = Path(f"/proc/{product.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


def _cpu_s(product: Served) -> float:
    """Returns how long the server's process has computed: on a busy machine that says more than a clock."""
    fields = Path(f"/proc/{product.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _registry(stores: int) -> dict[str, object]:
    return {
        "institutions": [
            {
                "institution_id": _store(number),
                "kind": "pharmacy",
                "name_zh": f"测试药房{number}",
                "name_en": f"Bench Pharmacy {number}",
                "tills": [{"till_id": "1", "name_zh": "1号收银台", "name_en": "Till 1"}],
                "terminals": [{"terminal_id": f"bench-{number}"}],
            }
            for number in range(stores)
        ]
    }


def _store(number: int) -> str:
    return f"P32990{number:06d}"


def _ending(swipe: Mapping[str, Any]) -> str:
    return str(swipe["settlement_id"])[-6:]


_PHASES = ("warm", "steady", "at once")


def _swipe(number: int, turn: int, phase: str) -> dict[str, object]:
    """Returns a swipe at the store of this number; the two of a phase are one person's."""
    serial = _PHASES.index(phase) * 200_000 + number * 2 + turn
    return {
        "type": "swipe",
        "event_id": f"bench-{serial}",
        "occurred_at_ms": int(time.time() * 1000),
        "settlement_id": f"{time.time_ns()}{serial:06d}",
        "person_id": f"329900{serial // 2:012d}",
        "institution_id": _store(number),
        "till_id": "1" if phase == "steady" else "2",
        "credential": "social_card",
        "insurance": "310",
        "category": "41",
        "total_fen": 3000,
        "fund_fen": 0,
        "account_fen": 3000,
        "mutual_fen": 0,
        "cash_fen": 0,
        "items": [],
    }


if __name__ == "__main__":
    main()
