"""A day without a line, buffered at a store and then sent: `python -m bench.line_down` prints JSON.

Writes to an agent's buffer what a store's cameras say in so many hours of 60 swipes each, as fast as the disk takes it,
then starts `swipewatch serve` as the centre and sends it all by the agent's own senders. Counted at the centre: every
message once. Sizes are those of the product's own files of a 720p camera; `--films` makes originals smaller, for a
machine without room for tens of gigabytes. What a day takes in full is worked out of the sizes, and said apart.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from app.at_store.buffer import Kind, StoreBuffer
from app.at_store.centre import Centre
from app.at_store.sender import Sender
from app.clock import now_ms
from storage.sealing.crypto import Keyring
from tests.app.running import Served, run, serving
from video.messages import FromCameras, Observed, OriginalCut

STORE = "P32990000001"
OBSERVATIONS_A_SWIPE = 3
PRESENCE_S = 20
STILL_BYTES = 45_600
ORIGINAL_BYTES = 5_250_000
"""21 seconds at 2 Mb/s."""
OBSERVATION_BYTES = 620
DAY_S = 86_400
SENT_WITHIN_S = 3_600.0
COUNTED = {
    "original": "SELECT count(*) FROM original",
    "still": "SELECT count(*) FROM still",
    "observation": "SELECT count(*) FROM accepted_event WHERE type = 'face_observed'",
}
LANES: tuple[tuple[Kind, ...], ...] = (("observation",), ("original",))


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=1)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--swipes", type=float, default=60.0, help="an hour before each camera")
    parser.add_argument("--films", type=float, default=1.0, help="originals, as a share of their size")
    parser.add_argument("--buffer", type=int, default=16 * 1024**3, help="bytes that may wait, as agent.buffer_bytes")
    parser.add_argument("--folder", type=Path, default=None)
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        buffer = StoreBuffer(folder / "buffer", Keyring(b"k" * 32), most_bytes=chosen.buffer, clock_ms=now_ms)
        written = _fill(buffer, chosen, folder / "buffer")
        sent = _send(buffer, chosen.cameras, folder)
    print(
        json.dumps(
            {
                "bench": "line_down",
                "load_at_start": round(load, 1),
                "cameras": chosen.cameras,
                "hours": chosen.hours,
                "swipes_an_hour": chosen.swipes,
                "films_share": chosen.films,
                **written,
                **sent,
                "worked_out_for_a_day_of_one_camera": _day(chosen.swipes),
            }
        )
    )


def _fill(buffer: StoreBuffer, chosen: argparse.Namespace, directory: Path) -> dict[str, object]:
    count, size_bytes, started = 0, 0, time.monotonic()
    for message in _said(chosen):
        buffer.put(message)
        count += 1
        size_bytes += len(message.still or b"") if isinstance(message, Observed) else 0
    seconds = time.monotonic() - started
    levels = buffer.levels()
    on_disk = sum(file.stat().st_blocks * 512 for file in directory.iterdir())
    return {
        "messages_written": count,
        "write_seconds": round(seconds, 1),
        "writes_per_s": round(count / seconds),
        "waiting": {kind: level.messages for kind, level in levels.items()},
        "waiting_mib": {kind: round(level.size_bytes / 2**20, 1) for kind, level in levels.items()},
        "on_disk_mib": round(on_disk / 2**20, 1),
        "dropped": dict(buffer.dropped()),
    }


def _said(chosen: argparse.Namespace) -> Iterator[FromCameras]:
    """Yields what the cameras say, in the order of time; pictures and films of random bytes, as sealed ones are."""
    noise = random.Random(1)
    still, original = noise.randbytes(STILL_BYTES), noise.randbytes(round(ORIGINAL_BYTES * chosen.films))
    began_ms, gap_s = now_ms() - round(chosen.hours * 3_600_000), 3_600 / chosen.swipes
    for at_s in range(0, round(chosen.hours * 3_600), PRESENCE_S):
        for camera in range(chosen.cameras):
            at_ms = began_ms + at_s * 1_000
            yield _observed(f"presence-{camera}-{at_s}", camera, at_ms, None, None)
            if at_s % gap_s < PRESENCE_S:
                yield from _swiped(f"S{camera}-{at_s}", camera, at_ms, (still, original))


def _swiped(settlement: str, camera: int, at_ms: int, files: tuple[bytes, bytes]) -> Iterator[FromCameras]:
    still, original = files
    for number in range(OBSERVATIONS_A_SWIPE):
        event_id = f"{settlement}-{number}"
        yield _observed(event_id, camera, at_ms + number, settlement, event_id.encode() + still)
    times = {"swipe_at_ms": at_ms, "first_at_ms": at_ms, "last_at_ms": at_ms, "first_raw_at_ms": at_ms}
    mine = {"settlement_id": settlement, "camera_id": f"c{camera}", "clock_offset_ms": 0, **times}
    video = settlement.encode() + original
    yield OriginalCut(container="matroska", video=video, sha256=hashlib.sha256(video).hexdigest(), **mine)  # type: ignore[arg-type]


def _observed(event_id: str, camera: int, at_ms: int, settlement: str | None, still: bytes | None) -> Observed:
    event = {
        "type": "face_observed",
        "event_id": event_id,
        "occurred_at_ms": at_ms,
        "institution_id": STORE,
        "till_id": str(camera),
        "camera_id": f"c{camera}",
        "healthy": True,
        "people": 0,
        "faces": [],
        "engine_version": "",
    }
    event["engine_version"] = "x" * (OBSERVATION_BYTES - len(json.dumps(event)))
    return Observed(
        original=json.dumps(event).encode(),
        still=still,
        settlement_id=settlement,
        camera_id=f"c{camera}",
        captured_at_ms=at_ms,
    )


def _send(buffer: StoreBuffer, cameras: int, folder: Path) -> dict[str, object]:
    """Returns how long each lane took, and whether the centre has all that waited, once."""
    expected = {kind: level.messages for kind, level in buffer.levels().items()}
    registry = folder / "registry.yaml"
    registry.write_text(yaml.safe_dump(_registry(cameras)))
    with serving(folder / "centre", "--registry", str(registry)) as centre:
        token = _token(centre)
        senders = [Sender(buffer, Centre(centre.address, lambda: token), kinds, on_sent=_nothing) for kinds in LANES]
        started, done = time.monotonic(), dict[Kind, float]()
        for sender in senders:
            sender.start()
        while len(done) < len(LANES):
            levels, seconds = buffer.levels(), time.monotonic() - started
            if seconds > SENT_WITHIN_S:
                raise SystemExit(f"not sent in time: {levels}")
            for kinds in LANES:
                if not any(levels[kind].messages for kind in kinds):
                    done.setdefault(kinds[0], seconds)
            time.sleep(0.05)
        for sender in senders:
            sender.stop()
        arrived = _arrived(centre.data)
        shutil.rmtree(folder / "buffer")
    return {
        "observations_sent_seconds": round(done["observation"], 1),
        "films_sent_seconds": round(done["original"], 1),
        "observations_per_s": round(expected["observation"] / done["observation"]),
        "at_the_centre": arrived,
        "nothing_lost_or_doubled": arrived == expected and not any(buffer.dropped().values()),
    }


def _arrived(data: Path) -> dict[str, int]:
    database = sqlite3.connect(f"file:{data / 'swipewatch.db'}?mode=ro", uri=True)
    try:
        found = {kind: database.execute(query).fetchone()[0] for kind, query in COUNTED.items()}
    finally:
        database.close()
    return found


def _token(centre: Served) -> str:
    done = run("tokens", "add", "bench", "--kind", "agent", "--institution", STORE, "--data", str(centre.data))
    return done.stdout.strip()


def _registry(cameras: int) -> Mapping[str, object]:
    tills = [
        {
            "till_id": str(number),
            "name_zh": "收银台",
            "name_en": "Till",
            "cameras": [{"camera_id": f"c{number}", "source": "nowhere.avi", "at_store": True}],
        }
        for number in range(cameras)
    ]
    store = {"institution_id": STORE, "kind": "pharmacy", "name_zh": "药房", "name_en": "Pharmacy", "tills": tills}
    return {"institutions": [store]}


def _day(swipes: float) -> Mapping[str, float]:
    """Returns megabytes of a day, and the mean line they take, worked out of the sizes above."""
    count = 24 * swipes
    observations = OBSERVATION_BYTES * (OBSERVATIONS_A_SWIPE * count + DAY_S / PRESENCE_S)
    per_kind = {
        "observations": observations,
        "stills": STILL_BYTES * OBSERVATIONS_A_SWIPE * count,
        "originals": ORIGINAL_BYTES * count,
    }
    total = sum(per_kind.values())
    told = {f"{kind}_mb": round(size / 1e6, 1) for kind, size in per_kind.items()}
    return {**told, "total_mb": round(total / 1e6), "mean_kbit_per_s": round(total * 8 / DAY_S / 1e3)}


def _nothing(_messages: int) -> None:
    """Nobody counts here."""


if __name__ == "__main__":
    main()
