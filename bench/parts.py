"""Replays in parts on disk: seconds and memory as the input grows: `python -m bench.parts` prints JSON.

Each size is a made-up city file, replayed in a process of its own in as many parts as the product chooses.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from app.rule_files import read_rules
from bench.city_file import write_city
from bench.memory import peak_mib
from config.settings import packaged
from streams.parts import EVENTS_A_PART
from streams.replay import replay_in_parts
from streams.sources import events_in


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=int, nargs="+", default=[1, 3, 12])
    parser.add_argument("--only", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.only:
        print(json.dumps(_replayed(chosen.only)))
        return
    print(json.dumps({"bench": "parts", "sizes": [_of_size(size * 1_000_000) for size in chosen.millions]}))


def _of_size(swipes: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "city.jsonl"
        write_city(file, swipes)
        command = [sys.executable, "-m", "bench.parts", "--only", str(file)]
        measured: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return {
        "swipes": swipes,
        **measured,
        "swipes_per_s": round(swipes / measured["seconds"]),
        "swipes_per_cpu_s": round(swipes / measured["cpu_seconds"]),
        "load": os.getloadavg()[2],
    }


def _replayed(file: Path) -> dict[str, float]:
    parts = max(-(-events_in([file]) // EVENTS_A_PART), 1)
    started, started_cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as scratch:
        result = replay_in_parts([file], read_rules(packaged("rules.yaml")), parts, Path(scratch))
        findings = sum(1 for _ in result.findings)
    return {
        "parts": parts,
        "findings": findings,
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(time.process_time() - started_cpu, 1),
        "peak_mib": peak_mib(),
    }


if __name__ == "__main__":
    main()
