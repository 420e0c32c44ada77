"""A replay with all rules against `json.loads` and from Parquet: `python -m bench.replay` prints JSON.

One made-up city file is read by a bare loop of `json.loads`, replayed, and replayed from Parquet, each in a process of
its own and in turns; what counts are the medians. The rules' own seconds are measured apart, one rule after another.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from app.rule_files import read_rules
from bench.city_file import write_city
from bench.memory import peak_mib
from config.settings import packaged
from streams.parquet.source import ParquetFile
from streams.parquet.writer import write_parquet
from streams.replay import replay_files, whole_slab
from streams.sources import Input, read_offers
from streams.stage_zero import StageZero

Measured = dict[str, float]
RULEBOOK = read_rules(packaged("rules.yaml"))


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--swipes", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.only:
        print(json.dumps(_measured(WAYS[chosen.only], chosen.folder)))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(_summary(chosen.swipes, chosen.rounds, Path(folder))))


def _summary(swipes: int, rounds: int, folder: Path) -> Mapping[str, object]:
    lines = folder / "city.jsonl"
    write_city(lines, swipes)
    write_parquet(folder / "city.parquet", read_offers(lines))
    taken: dict[str, list[Measured]] = {way: [] for way in TIMED}
    load_before = os.getloadavg()[0]
    for _ in range(rounds):
        for way in TIMED:
            taken[way].append(_in_own_process(way, folder))
    seconds = {way: statistics.median(one["seconds"] for one in each) for way, each in taken.items()}
    return {
        "bench": "replay",
        "swipes": swipes,
        "events": int(taken["jsonl"][0]["events"]),
        "findings": int(taken["jsonl"][0]["findings"]),
        "bytes_jsonl": lines.stat().st_size,
        "rounds": rounds,
        "seconds_median": {way: round(one, 2) for way, one in seconds.items()},
        "cpu_seconds_median": {
            way: round(statistics.median(one["cpu"] for one in each), 2) for way, each in taken.items()
        },
        "jsonl_times_json_loads": round(seconds["jsonl"] / seconds["json_loads"], 2),
        "swipes_per_s": {way: round(swipes / seconds[way]) for way in ("jsonl", "parquet")},
        "peak_mib": {way: round(max(one["peak_mib"] for one in each)) for way, each in taken.items()},
        "rules_cpu_s": _in_own_process("rules", folder),
        "load_before_and_after": [load_before, os.getloadavg()[0]],
    }


def json_loads(folder: Path) -> Measured:
    """Reads every line into dicts, each dropped at once; checks nothing."""
    with (folder / "city.jsonl").open("rb") as lines:
        for line in lines:
            json.loads(line)
    return {}


def jsonl(folder: Path) -> Measured:
    """Replays the lines with all rules."""
    return _replayed(folder / "city.jsonl")


def parquet(folder: Path) -> Measured:
    """Replays the rows with all rules."""
    return _replayed(folder / "city.parquet")


def rules(folder: Path) -> Measured:
    """Returns the CPU seconds of each rule alone on the whole slab."""
    given = Input([ParquetFile(folder / "city.parquet")])
    slab = whole_slab(given, StageZero(given))
    taken = {}
    for entry in RULEBOOK.active():
        started = time.process_time()
        entry.rule.detect(slab, entry.parameters)
        taken[entry.name] = round(time.process_time() - started, 3)
    return dict(sorted(taken.items(), key=lambda each: -each[1]))


WAYS: Mapping[str, Callable[[Path], Measured]] = {way.__name__: way for way in (json_loads, jsonl, parquet, rules)}
TIMED = ("json_loads", "jsonl", "parquet")


def _replayed(file: Path) -> Measured:
    result = replay_files([file], RULEBOOK)
    return {"events": result.accepted, "findings": len(result.findings)}


def _measured(way: Callable[[Path], Measured], folder: Path) -> Measured:
    started, started_cpu = time.perf_counter(), time.process_time()
    found = way(folder)
    if way is rules:
        return found
    spent = {"seconds": time.perf_counter() - started, "cpu": time.process_time() - started_cpu}
    return found | spent | {"peak_mib": peak_mib()}


def _in_own_process(way: str, folder: Path) -> Measured:
    command = [sys.executable, "-m", "bench.replay", "--only", way, "--folder", str(folder)]
    measured: Measured = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return measured


if __name__ == "__main__":
    main()
