"""One count per card and day, here and in other stream processors: `python -m bench.peers` prints JSON.

The same file of swipes goes through bytewax, quixstreams and pathway, each written as its documentation writes it
(bench/peer_counts), and through a replay with one rule that counts a card's swipes in a day. The others are installed
into an environment of their own, under .cache/bench; one that does not install is said so.
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
import venv
from pathlib import Path

import msgspec

from app.rule_files import read_rules
from bench.city_file import write_swipes
from config.settings import packaged
from detectors.catalogue import Rulebook
from detectors.rule import CountTier, Window
from detectors.rules import frequent_purchase
from streams.replay import replay_files

PEERS = {"bytewax": "0.21.1", "quixstreams": "3.28.1", "pathway": "0.33.0"}
ENVIRONMENT = Path(".cache/bench/peers")
SCRIPTS = Path(__file__).parent / "peer_counts"
DAY = Window(86_400_000)


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--swipes", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.only:
        print(json.dumps(_replayed(chosen.only)))
        return
    installed = [name for name, version in PEERS.items() if install(name, version)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "swipes.jsonl"
        write_swipes(file, chosen.swipes)
        print(json.dumps(_summary(file, chosen.swipes, chosen.rounds, installed)))


def _summary(file: Path, swipes: int, rounds: int, installed: list[str]) -> dict[str, object]:
    ours = [sys.executable, "-m", "bench.peers", "--only", str(file)]
    theirs = {name: command_of(name, file) for name in installed}
    taken: dict[str, list[dict[str, float]]] = {"swipewatch": [], **{name: [] for name in installed}}
    for _ in range(rounds):
        for name, command in {"swipewatch": ours, **theirs}.items():
            done = subprocess.run(command, check=True, capture_output=True)
            taken[name].append(json.loads(done.stdout.splitlines()[-1]))
    seconds = {name: statistics.median(one["seconds"] for one in each) for name, each in taken.items()}
    windows = {each[0]["windows"] for name, each in taken.items() if name != "swipewatch"}
    return {
        "bench": "peers",
        "swipes": swipes,
        "rounds": rounds,
        "versions": PEERS,
        "not_installed": [name for name in PEERS if name not in installed],
        "card_days_counted": sorted(windows),
        "seconds_median": {name: round(one, 2) for name, one in seconds.items()},
        "swipes_per_s": {name: round(swipes / one) for name, one in seconds.items()},
        "times_as_fast": {name: round(seconds[name] / seconds["swipewatch"], 1) for name in installed},
        "load": os.getloadavg()[0],
    }


def _replayed(file: Path) -> dict[str, float]:
    started = time.perf_counter()
    result = replay_files([file], _one_count())
    return {"seconds": time.perf_counter() - started, "findings": len(result.findings)}


def _one_count() -> Rulebook:
    """Returns the shipped rule that counts a card's swipes, with one window."""
    (ruleset,) = read_rules(packaged("rules.yaml")).versions
    (entry,) = (entry for entry in ruleset.entries if entry.name == "frequent_purchase")
    a_day = frequent_purchase.Parameters(tiers=(CountTier(window=DAY, count=3, severity="medium"),))
    alone = msgspec.structs.replace(ruleset, entries=(msgspec.structs.replace(entry, parameters=a_day),))
    return Rulebook(versions=(alone,))


def install(name: str, version: str) -> bool:
    """Returns whether a peer is there, after an attempt to install it."""
    if not python().exists():
        venv.create(ENVIRONMENT, with_pip=True)
    said = f"import importlib.metadata as m; raise SystemExit(m.version({name!r}) != {version!r})"
    if subprocess.run([str(python()), "-c", said], check=False, stderr=subprocess.DEVNULL).returncode == 0:
        return True
    command = [str(python()), "-m", "pip", "install", "--quiet", f"{name}=={version}"]
    return subprocess.run(command, check=False, stdout=sys.stderr).returncode == 0


def command_of(name: str, file: Path) -> list[str]:
    """Returns the command by which a peer counts a file's swipes and prints its seconds."""
    return [str(python()), str(SCRIPTS / f"{name}_count.py"), str(file)]


def python() -> Path:
    """Returns the interpreter of the peers' environment."""
    return ENVIRONMENT / "bin" / "python"


if __name__ == "__main__":
    main()
