"""The live store as it grows: time per micro-batch, memory per kept swipe, start from a snapshot.

`python -m bench.live_store [--swipes 100000,1000000,7500000] [--among N] [--folder DIR]` prints one JSON object. A
made-up city of so many swipes in thirty days, two items and two trace codes each, five a person, 2,500 an institution.
Every size is built in a process of its own. Then one process opens all of them and gives each a batch in turn, so that
whatever else the machine does meets all sizes alike; a batch is of swipes that come next, all rules on, with `--among`
those of so many institutions only. Times are medians.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

from app.rule_files import read_rules
from config.settings import packaged
from events.types import Drug, Institution, Item, Person, Swipe
from streams.engine import Engine
from streams.snapshot import Position

START_MS = 1_790_000_000_000
DAYS = 30
SWIPES_PER_PERSON = 5
SWIPES_PER_INSTITUTION = 2_500
LOADED_TOGETHER = 50_000
BATCHES = {1: 60, 100: 20, 10_000: 5}


class City:
    """Swipes in order of time, without an end."""

    def __init__(self, swipes: int, *, first: int = 0) -> None:
        self._chance = random.Random(swipes + first)
        self._persons = max(100, swipes // SWIPES_PER_PERSON)
        self.institutions = max(4, swipes // SWIPES_PER_INSTITUTION)
        self._every_ms = DAYS * 86_400_000 / swipes
        self._numbers = count(first)

    def references(self) -> Iterator[Institution | Drug | Person]:
        """Yields what is known of places, medicines and persons."""
        for number in range(self.institutions):
            yield Institution(
                event_id=f"i{number}",
                occurred_at_ms=START_MS,
                institution_id=f"P{number:011d}",
                kind="pharmacy",
                name=f"Pharmacy {number}",
                latitude=30 + number % 100 / 500,
                longitude=120 + number // 100 / 500,
                opens_at="00:00",
                closes_at="24:00",
                region="329900",
                agreement="active",
                effective_from_ms=START_MS - 86_400_000 * 400,
            )
        for number in range(5_000):
            yield Drug(
                event_id=f"d{number}", occurred_at_ms=START_MS, drug_code=f"X{number:09d}", name=f"Drug {number}"
            )
        for number in range(self._persons):
            yield Person(
                event_id=f"p{number}",
                occurred_at_ms=START_MS,
                person_id=f"329900{number:012d}",
                sex="M" if number % 2 else "F",
                birth_date="1970-01-01",
                household_id=f"h{number // 3}" if number % 4 else None,
                status="active",
                effective_from_ms=START_MS - 86_400_000 * 400,
            )

    def swipes(self, among: int | None = None) -> Iterator[Swipe]:
        """Yields swipes, of the first institutions or of all; a person keeps to the neighbourhood of some."""
        chance = self._chance
        for number in self._numbers:
            person, institution = self._somewhere()
            while among is not None and institution >= among:
                person, institution = self._somewhere()
            yield Swipe(
                event_id=f"e{number}",
                occurred_at_ms=START_MS + int(number * self._every_ms),
                settlement_id=f"329900G{number:017d}",
                person_id=f"329900{person:012d}",
                institution_id=f"P{institution:011d}",
                till_id=f"T{chance.randrange(3)}",
                credential="social_card",
                insurance="310",
                category="11",
                total_fen=chance.randrange(500, 19_000),
                fund_fen=0,
                account_fen=chance.randrange(0, 500),
                mutual_fen=0,
                cash_fen=0,
                items=tuple(
                    Item(
                        line_no=line,
                        drug_code=f"X{chance.randrange(5_000):09d}",
                        quantity=1,
                        unit_price_fen=1_000,
                        amount_fen=1_000,
                        days_supply=7,
                        trace_codes=(f"8{number:017d}{line:02d}",),
                    )
                    for line in (1, 2)
                ),
            )

    def _somewhere(self) -> tuple[int, int]:
        """Returns a person and an institution near them."""
        person = self._chance.randrange(self._persons)
        return person, (person * 7 + self._chance.choice((0, 0, 0, 1, 2, 3))) % self.institutions


def build(swipes: int, folder: Path) -> dict[str, object]:
    """Returns what a store of so many swipes takes, in time and memory; afterwards its snapshot is in the folder."""
    rulebook, city = read_rules(packaged("rules.yaml")), City(swipes)
    engine = Engine(rulebook, directory=folder)
    idle = resident()
    started = time.perf_counter()
    references = city.references()
    while some := list(islice(references, LOADED_TOGETHER)):
        engine.load(some, START_MS)
    coming = city.swipes()
    for first in range(0, swipes, LOADED_TOGETHER):
        engine.load(list(islice(coming, min(LOADED_TOGETHER, swipes - first))), START_MS)
    loaded_s = time.perf_counter() - started
    parts, resident_now = engine.memory_bytes(), resident()
    started = time.perf_counter()
    engine.applied = Position(swipes, b"")
    engine.freeze()
    return {
        "swipes": swipes,
        "load_s": round(loaded_s, 1),
        "freeze_s": round(time.perf_counter() - started, 2),
        "store_bytes_per_swipe": round(sum(parts.values()) / swipes, 1),
        "resident_bytes_per_swipe": {k: round((v - idle[k]) / swipes, 1) for k, v in resident_now.items()},
        "largest_parts": {
            name: round(size / swipes, 1) for name, size in sorted(parts.items(), key=lambda part: -part[1])[:24]
        },
    }


def batches(folders: dict[int, Path], among: int | None) -> dict[str, object]:
    """Returns how long a batch takes at each size of the store, batches of all sizes in turn."""
    rulebook = read_rules(packaged("rules.yaml"))
    engines = {swipes: Engine.open(rulebook, folder)[0] for swipes, folder in folders.items()}
    coming = {swipes: City(swipes, first=swipes).swipes(among) for swipes in folders}
    result: dict[str, Any] = {str(swipes): {} for swipes in engines}
    for size, times in BATCHES.items():
        taken: dict[int, list[float]] = {swipes: [] for swipes in engines}
        for number in range(times + 1):
            for swipes, engine in engines.items():
                ms = timed(engine, list(islice(coming[swipes], size)))
                taken[swipes] += [ms] if number else []  # the first of a size is a warm-up
        for swipes, each in taken.items():
            result[str(swipes)][str(size)] = round(statistics.median(each), 1)
    return {"batch_cpu_ms": result, "load": os.getloadavg()[0]}


def timed(engine: Engine, batch: list[Swipe]) -> float:
    """Returns how many milliseconds of processor time a batch takes."""
    started = time.process_time()
    engine.apply(batch, batch[-1].occurred_at_ms)
    return (time.process_time() - started) * 1000


def start(folder: Path) -> dict[str, object]:
    """Returns how long a start from the folder's snapshot takes."""
    started = time.perf_counter()
    engine, _ = Engine.open(read_rules(packaged("rules.yaml")), folder)
    return {"start_s": round(time.perf_counter() - started, 2), "findings": sum(1 for _ in engine.standing())}


def resident() -> dict[str, int]:
    """Returns the bytes of this process that are in memory: its own, and those mapped from files."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return {name: int(lines[key].split()[0]) * 1024 for name, key in (("own", "RssAnon"), ("mapped", "RssFile"))}


def main() -> None:
    """Measures each size in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--swipes", default="100000,1000000,7500000")
    parser.add_argument("--among", type=int, default=None)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--one", choices=("build", "start"), default=None, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        print(json.dumps(build(int(given.swipes), given.folder) if given.one == "build" else start(given.folder)))
        return
    results, folders = [], {}
    with tempfile.TemporaryDirectory(dir=given.folder) as parent:
        for swipes in map(int, given.swipes.split(",")):
            folders[swipes] = Path(parent, str(swipes))
            results.append(_in_process("build", swipes, folders[swipes]))
            results[-1] |= _in_process("start", swipes, folders[swipes])
        print(json.dumps({"cores": os.cpu_count(), "sizes": results, **batches(folders, given.among)}, indent=1))


def _in_process(what: str, swipes: int, folder: Path) -> dict[str, object]:
    command = [sys.executable, "-m", "bench.live_store", "--one", what]
    command += ["--swipes", str(swipes), "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


if __name__ == "__main__":
    main()
