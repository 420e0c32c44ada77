"""What a durable commit costs: `python -m bench.commits` prints JSON.

Appends events of a swipe's size to the product's own accepted log, one transaction after another, with synchronous=FULL
(as the product does) and with synchronous=NORMAL (which loses the last transactions when the power fails), one event a
transaction and a hundred. The folder given should lie on the disk that is asked about.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from sqlalchemy import event

from events.codec import decode_event
from events.dead_letters import InvalidEvent
from events.identity import content_digest, identity_of
from storage.database import Database, default_url
from storage.log import AcceptedLog, Record

MODES = ("FULL", "NORMAL")
SIZES = (1, 100)
NOW_MS = 1_767_578_400_000


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=None)
    chosen = parser.parse_args()
    milliseconds = {f"{mode} {size}": _median_ms(mode, size, chosen) for mode in MODES for size in SIZES}
    print(json.dumps({"bench": "commits", "commits": chosen.commits, "median_ms_a_commit": milliseconds}))


def _median_ms(mode: str, size: int, chosen: argparse.Namespace) -> float:
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        database = Database.open(default_url(Path(folder)))
        event.listen(database.engine, "connect", lambda connection, _entry: _set(connection, mode))
        database.engine.dispose()
        log, taken = AcceptedLog(database), []
        for number in range(chosen.commits):
            records = [_record(number * size + place) for place in range(size)]
            started = time.perf_counter()
            with database.session() as session:
                log.append(session, records)
            taken.append(time.perf_counter() - started)
        database.close()
    return round(statistics.median(taken) * 1000, 2)


def _set(connection: sqlite3.Connection, mode: str) -> None:
    connection.execute(f"PRAGMA synchronous={mode}").close()


def _record(number: int) -> Record:
    original = json.dumps(
        {
            "type": "drug",
            "event_id": f"bench-{number}",
            "occurred_at_ms": NOW_MS,
            "drug_code": str(number),
            "name": "n" * 500,
        }
    ).encode()
    drug = decode_event(original)
    if isinstance(drug, InvalidEvent):
        raise TypeError(drug.detail)
    return Record(
        event=drug,
        identity=identity_of(drug),
        digest=content_digest(drug),
        received_at_ms=NOW_MS,
        sender="bench",
        original=original,
    )


if __name__ == "__main__":
    main()
