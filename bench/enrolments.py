"""What keeping references takes: `python -m bench.enrolments --people 10000` prints JSON."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from app.vault import Vault
from storage.faces.references import Face, Grounds

DIMENSIONS = 128
ROUNDS = 5


def main() -> None:
    """Keeps references of made-up faces, then enrols further persons, each searched for among all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=10_000)
    people = parser.parse_args().people
    chance = np.random.default_rng(1)
    grounds = Grounds(basis="consent", day="2026-01-01", proof="bench", by="bench")

    def face() -> Face:
        drawn = chance.standard_normal(DIMENSIONS)
        embedding = (drawn / np.linalg.norm(drawn)).astype(np.float32)
        return Face(engine="sface", engine_version="1", embedding=embedding, quality=0.9)

    with tempfile.TemporaryDirectory() as folder:
        vault = Vault(Path(folder) / "data")
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        for number in range(people):
            vault.references.enrol(f"329900{number:012d}", face(), grounds, number)
        kept_s, kept_cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
        size_bytes = sum(file.stat().st_size for file in (Path(folder) / "data").glob("swipewatch.db*"))
        searched_cpu_s = []
        for number in range(ROUNDS):
            began_cpu_s = time.process_time()
            vault.enrolment.enrol(f"329900{people + number:012d}", [face()], grounds, people + number)
            searched_cpu_s.append(time.process_time() - began_cpu_s)
        vault.close()
    print(
        json.dumps(
            {
                "bench": "enrolments",
                "people": people,
                "kept_s": round(kept_s, 1),
                "kept_cpu_s": round(kept_cpu_s, 1),
                "database_bytes": size_bytes,
                "enrolment_with_search_cpu_s": round(float(np.median(searched_cpu_s)), 3),
                "load": os.getloadavg()[0],
            }
        )
    )


if __name__ == "__main__":
    main()
