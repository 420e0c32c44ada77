"""From JSON Lines to something to compute with: `python -m bench.codec` prints JSON.

One generated file of swipes with two items each is read in five ways, one after another, in several rounds; what counts
is the median of each way's CPU seconds, so that a busy machine changes little. Bytes kept are measured apart, on fewer
lines, because measuring slows everything.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import msgspec

from detectors.slab import END_OF_TIME_MS
from detectors.slab_builder import SlabBuilder
from events.codec import decode_event
from events.dead_letters import InvalidEvent
from events.types import AnyEvent

CHUNK_LINES = 20_000
WEIGHED_LINES = 10_000
DAY_MS = 86_400_000
FIRST_MS = 1_767_578_400_000

_TYPED: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--swipes", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "swipes.jsonl"
        file.write_bytes(b"".join(_line(number) for number in range(chosen.swipes)))
        seconds = _timed(file, chosen.rounds)
        kept_bytes = _weighed(file)
        size_bytes = file.stat().st_size
    base = seconds["json_loads"]
    print(
        json.dumps(
            {
                "bench": "codec",
                "swipes": chosen.swipes,
                "bytes_a_line": round(size_bytes / chosen.swipes),
                "rounds": chosen.rounds,
                "cpu_seconds_median": {way: round(taken, 3) for way, taken in seconds.items()},
                "swipes_per_cpu_second": {way: round(chosen.swipes / taken) for way, taken in seconds.items()},
                "times_json_loads": {way: round(base / taken, 2) for way, taken in seconds.items()},
                "bytes_kept_a_swipe": kept_bytes,
            }
        )
    )


def json_loads(file: Path) -> object:
    """Reads every line into dicts, each dropped at once; checks nothing."""
    for line in _lines(file):
        json.loads(line)
    return None


def msgspec_typed(file: Path) -> object:
    """Decodes every line into the typed event, each dropped at once."""
    for line in _lines(file):
        _TYPED.decode(line)
    return None


def product_decode(file: Path) -> object:
    """Decodes every line as the product does, with all its checks; each event is dropped at once."""
    for line in _lines(file):
        decode_event(line)
    return None


def product_decode_kept(file: Path) -> object:
    """Decodes every line as the product does and returns all events as objects."""
    return [decode_event(line) for line in _lines(file)]


def into_slab(file: Path) -> object:
    """Decodes every line as the product does, straight into columns, chunk by chunk, and returns the sorted slab."""
    builder = SlabBuilder()
    lines = _lines(file)
    while chunk := list(islice(lines, CHUNK_LINES)):
        builder.add(_events(chunk))
    return builder.build(watermark_ms=END_OF_TIME_MS)


def _events(lines: list[bytes]) -> list[AnyEvent]:
    return [event for event in map(decode_event, lines) if not isinstance(event, InvalidEvent)]


WAYS: tuple[Callable[[Path], object], ...] = (json_loads, msgspec_typed, product_decode, product_decode_kept, into_slab)


def _timed(file: Path, rounds: int) -> dict[str, float]:
    """Returns each way's median of CPU seconds; the ways take turns, so that all see the same machine."""
    taken: dict[str, list[float]] = {way.__name__: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            started = time.process_time()
            way(file)
            taken[way.__name__].append(time.process_time() - started)
    return {name: statistics.median(each) for name, each in taken.items()}


def _weighed(file: Path) -> dict[str, int]:
    """Returns the bytes that a swipe occupies when kept as a dict, as a typed object, and in the slab's columns."""
    lines = list(islice(_lines(file), WEIGHED_LINES))
    with tempfile.NamedTemporaryFile() as few:
        few.write(b"".join(lines))
        few.flush()
        path = Path(few.name)
        return {
            "dicts": _kept_bytes(lambda: [json.loads(line) for line in lines], len(lines)),
            "typed": _kept_bytes(lambda: [decode_event(line) for line in lines], len(lines)),
            "slab": _kept_bytes(lambda: into_slab(path), len(lines)),
        }


def _kept_bytes(make: Callable[[], object], count: int) -> int:
    tracemalloc.start()
    try:
        kept = make()
        occupied, _ = tracemalloc.get_traced_memory()
        del kept
    finally:
        tracemalloc.stop()
    return round(occupied / count)


def _lines(file: Path) -> Iterator[bytes]:
    with file.open("rb") as lines:
        yield from lines


def _line(number: int) -> bytes:
    """Returns one swipe with two items; the same number gives the same line."""
    chance = random.Random(number)
    prices_fen = [chance.randrange(500, 9_000) for _ in range(2)]
    swipe = {
        "type": "swipe",
        "event_id": f"swipe-{number:09d}",
        "occurred_at_ms": FIRST_MS + chance.randrange(30 * DAY_MS),
        "settlement_id": f"32990020260105{number:010d}",
        "person_id": f"329900{chance.randrange(40_000):012d}",
        "institution_id": f"P3299{chance.randrange(600):08d}",
        "till_id": str(chance.randrange(1, 4)),
        "credential": chance.choice(("social_card", "id_card", "e_credential")),
        "insurance": "310",
        "category": "41",
        "total_fen": sum(prices_fen),
        "fund_fen": 0,
        "account_fen": sum(prices_fen),
        "mutual_fen": 0,
        "cash_fen": 0,
        "items": [
            {
                "line_no": line_no,
                "drug_code": f"XA10BAE077A0010101{chance.randrange(3_000):05d}",
                "quantity": 1,
                "unit_price_fen": price_fen,
                "amount_fen": price_fen,
                "days_supply": 7,
            }
            for line_no, price_fen in enumerate(prices_fen, start=1)
        ],
    }
    return json.dumps(swipe, separators=(",", ":")).encode() + b"\n"


if __name__ == "__main__":
    main()
