"""From accepted to the reminder where a face decides: `python -m bench.face_check` prints JSON.

One store with one camera on a composed clip of one man, who pays with the cards of twenty people whose reference is
another man's photograph. Measured from the sender's 200 to `holder_mismatch` on the store's terminal. The pictures that
the first verdict needs are those of the two seconds before the swipe, so the last of them is there already.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import httpx
import yaml

from app.clock import now_ms
from app.vault import Vault
from bench.terminals import listen, terminal_tokens
from simulator.clips import Scene, compose_clip
from storage.access.changes import MACHINE
from storage.faces.references import Face, Grounds
from tests.app.running import CHECKOUT, Served, serving
from video.enrolment import Reference, embed_photo
from video.worker import open_engine

STORE = "P32990000001"
PHOTOGRAPHS = CHECKOUT / ".cache" / "demo"
EMPTY_S = 5.0
RULE = "holder_mismatch"
GRACE_S = 5.0


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--swipes", type=int, default=20)
    parser.add_argument("--gap", type=float, default=2.0, help="seconds between swipes")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        _enrol(data, chosen.swipes)
        stands_s = chosen.swipes * chosen.gap + 60
        clip = Path(folder) / "man.avi"
        compose_clip(clip, [Scene(None, EMPTY_S), Scene(PHOTOGRAPHS / "obama2.jpg", stands_s)], fps=8)
        registry = Path(folder) / "registry.yaml"
        registry.write_text(yaml.safe_dump(_registry(clip)))
        started = time.monotonic()
        with serving(data, "--registry", str(registry)) as product:
            seen = listen(product.address, terminal_tokens(product.first_lines))
            time.sleep(max(0.0, started + EMPTY_S + 8 - time.monotonic()))
            answered = _swipe_all(product, chosen.swipes, chosen.gap)
            time.sleep(GRACE_S)
    waits_ms = sorted((at - answered[receipt]) * 1000 for (receipt, rule), at in seen.items() if rule == RULE)
    summary = {
        "bench": "face_check",
        "swipes": chosen.swipes,
        "reminders_seen": len(waits_ms),
        "p50_ms": round(waits_ms[len(waits_ms) // 2]),
        "p95_ms": round(waits_ms[int(len(waits_ms) * 0.95)]),
        "max_ms": round(waits_ms[-1]),
    }
    print(json.dumps(summary))


def _enrol(data: Path, people: int) -> None:
    engine = open_engine("sface")
    found = embed_photo(engine, (PHOTOGRAPHS / "biden.jpg").read_bytes())
    if not isinstance(found, Reference):
        raise SystemExit(found.advice)
    face = Face(engine=engine.name, engine_version=engine.version, embedding=found.embedding, quality=found.quality)
    grounds = Grounds(basis="consent", day="2026-01-01", proof="bench", by=MACHINE)
    vault = Vault(data)
    for number in range(people):
        person = f"329900{number:012d}"
        vault.references.enrol(person, face, grounds, now_ms())
    vault.close()


def _registry(clip: Path) -> dict[str, object]:
    camera = {"camera_id": "bench", "source": str(clip), "epoch_ms": now_ms()}
    till = {"till_id": "1", "name_zh": "1号收银台", "name_en": "Till 1", "cameras": [camera]}
    store = {"institution_id": STORE, "kind": "pharmacy", "name_zh": "测试药房", "name_en": "Bench Pharmacy"}
    return {"institutions": [{**store, "tills": [till], "terminals": [{"terminal_id": "bench"}]}]}


def _swipe_all(product: Served, swipes: int, gap_s: float) -> dict[str, float]:
    """Returns, per receipt ending, when its 200 arrived."""
    answered: dict[str, float] = {}
    headers = {"Authorization": f"Bearer {product.sender_token()}"}
    with httpx.Client(base_url=product.address, headers=headers, timeout=30) as sender:
        for number in range(swipes):
            swipe = {
                "type": "swipe",
                "event_id": f"bench-{number}",
                "occurred_at_ms": now_ms(),
                "settlement_id": f"S{number:06d}",
                "person_id": f"329900{number:012d}",
                "institution_id": STORE,
                "till_id": "1",
                "credential": "e_credential",
                "insurance": "310",
                "category": "41",
                **dict.fromkeys(("total_fen", "account_fen"), 3000),
                **dict.fromkeys(("fund_fen", "mutual_fen", "cash_fen"), 0),
                "items": [],
            }
            sender.post("/v1/events", json=swipe).raise_for_status()
            answered[f"{number:06d}"] = time.monotonic()
            time.sleep(gap_s)
    return answered


if __name__ == "__main__":
    main()
