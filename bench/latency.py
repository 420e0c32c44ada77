"""From accepted to the reminder on a connected terminal, without video: `python -m bench.latency` prints JSON.

Starts `swipewatch serve` with ten stores, opens each store's terminal stream, and sends swipes one request each at a
steady rate. Every second swipe is a person's second at the store, so it makes a reminder. Measured, per reminder, from
the sender's 200 to the terminal's event, in one process whose clock is monotonic.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import httpx
import yaml

from bench.terminals import listen, terminal_tokens
from tests.app.running import serving

STORES = 10
GRACE_S = 3.0
RULE = "split_settlement"


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=50.0, help="swipes a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        registry = Path(folder) / "registry.yaml"
        registry.write_text(yaml.safe_dump(_registry()))
        with serving(Path(folder) / "data", "--registry", str(registry)) as product:
            seen = listen(product.address, terminal_tokens(product.first_lines))
            answered = _send(product.address, product.sender_token(), chosen.rate, chosen.seconds)
            time.sleep(GRACE_S)
    waits_ms = sorted((at - answered[receipt]) * 1000 for (receipt, detector), at in seen.items() if detector == RULE)
    expected = len(answered) // 2
    print(json.dumps(_summary(waits_ms, expected, chosen.rate, chosen.seconds)))


def _summary(waits_ms: list[float], expected: int, rate: float, seconds: float) -> Mapping[str, object]:
    percentiles = statistics.quantiles(waits_ms, n=100)
    return {
        "bench": "latency",
        "swipes_per_s": rate,
        "seconds": seconds,
        "reminders_expected": expected,
        "reminders_seen": len(waits_ms),
        "p50_ms": round(percentiles[49], 1),
        "p99_ms": round(percentiles[98], 1),
        "max_ms": round(waits_ms[-1], 1),
    }


def _registry() -> dict[str, object]:
    return {
        "institutions": [
            {
                "institution_id": f"P3299000001{number}",
                "kind": "pharmacy",
                "name_zh": f"测试药房{number}",
                "name_en": f"Bench Pharmacy {number}",
                "tills": [{"till_id": "1", "name_zh": "1号收银台", "name_en": "Till 1"}],
                "terminals": [{"terminal_id": f"bench-{number}"}],
            }
            for number in range(STORES)
        ]
    }


def _send(address: str, token: str, rate: float, seconds: float) -> dict[str, float]:
    """Returns, per receipt ending, when its 200 arrived."""
    answered: dict[str, float] = {}
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=address, headers=headers, timeout=30) as sender:
        started = time.monotonic()
        for number in range(round(rate * seconds)):
            time.sleep(max(0.0, started + number / rate - time.monotonic()))
            swipe = _swipe(number)
            sender.post("/v1/events", json=swipe).raise_for_status()
            answered[str(swipe["settlement_id"])[-6:]] = time.monotonic()
    return answered


def _swipe(number: int) -> dict[str, object]:
    """Returns a swipe; each pair of numbers is one person at one store."""
    return {
        "type": "swipe",
        "event_id": f"bench-{number}",
        "occurred_at_ms": int(time.time() * 1000),
        "settlement_id": f"{time.time_ns()}{number:06d}",
        "person_id": f"329900{number // 2:012d}",
        "institution_id": f"P3299000001{number // 2 % STORES}",
        "till_id": str(number // 2),
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
