"""What is said of counters and of cameras against what is true: `python -m bench.presence` prints a table, then JSON.

Composed scenes (simulator/counter_scenes.py) with their truth, each of three people where there is somebody, seen three
times a second and, as at rest, once in twenty seconds; recordings of real people from `--recordings`, where they are,
with the times in which somebody is in the picture noted by eye. "Nobody" is said as in the product: no face, and no
foreground in the zone. A camera's faults are done to composed and recorded pictures (simulator/camera_faults.py) after
the camera was watched for some minutes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from simulator.camera_faults import covered, darkened, defocused, shifted, turned
from simulator.counter_scenes import SCENE_KINDS, WITHOUT_ANYBODY, ZONE, SceneKind, scene_pictures
from video.engine import FaceEngine, Image
from video.health import CHECK_SIZE, CameraHealth
from video.presence import CounterBackground
from video.sface_engine import open_sface

CHECKOUT = Path(__file__).parents[1]
PEOPLE = ("biden.jpg", "astronaut.png", "obama.jpg")
LEARN_S, WATCHED_S = 5.0, 9.0
OFTEN_S, AT_REST_S = 0.3, 19.3
CORRIDOR, CROWD = "corridor-one-by-one.mp4", "several-faces-1080p.mp4"
CORRIDOR_OCCUPIED_S = ((6.0, 19.9), (22.7, 44.8), (50.3, 70.0), (74.3, 87.0), (92.2, 120.1), (123.3, 136.2))
EDGE_S = 0.6
"""Around somebody's coming and going the truth is nobody's to say, and nothing is counted."""
Matrix = dict[str, Counter[str]]
Timed = Iterable[tuple[float, Image]]

FAULTS: Mapping[str, tuple[Callable[[Image], Image], ...]] = {
    "ok": (lambda picture: picture, partial(darkened, light=0.5), partial(shifted, right_ratio=0.003)),
    "dark": (partial(darkened, light=0.05), partial(darkened, light=0.2)),
    "covered": (covered, partial(covered, part=0.85)),
    "defocused": tuple(partial(defocused, blur_ratio=ratio) for ratio in (0.006, 0.012, 0.04)),
    "moved": (
        *(partial(shifted, right_ratio=ratio) for ratio in (0.03, 0.1, 0.3)),
        *(partial(turned, degrees=degrees) for degrees in (4, 10)),
        partial(turned, degrees=0, zoom=1.15),
    ),
}


def main() -> None:
    """Prints the tables to stderr and one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=Path, default=CHECKOUT / ".cache" / "demo")
    parser.add_argument("--recordings", type=Path, default=CHECKOUT.parent / "shared" / "data" / "video")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    presence = presence_matrix(chosen.photographs, chosen.recordings, open_sface())
    health, check_ms = health_matrix(chosen.photographs, chosen.recordings)
    _print_table("presence", presence, ("somebody", "nobody", "unknown"))
    _print_table("health", health, (*FAULTS, "frozen"))
    cells = {name: {truth: dict(said) for truth, said in matrix.items()} for name, matrix in _named(presence, health)}
    print(json.dumps({"bench": "presence", **cells, "health_check_ms_median": round(check_ms, 2)}))


# ---- presence -----------------------------------------------------------------------------------------------------


def presence_matrix(photographs: Path, recordings: Path, engine: FaceEngine) -> Matrix:
    """Returns how often what was said of each kind of scene; scenes and recordings start with an empty counter."""
    matrix: Matrix = {}
    for kind in SCENE_KINDS:
        for step_s, rate in ((OFTEN_S, "often"), (AT_REST_S, "at rest")):
            said: Counter[str] = Counter()
            for name in PEOPLE[:1] if kind in WITHOUT_ANYBODY else PEOPLE:
                said.update(said_of_scene(kind, photographs / name, step_s, engine))
            truth = "nobody" if kind in WITHOUT_ANYBODY else "somebody"
            matrix[f"{truth}: {kind} ({rate})"] = said
    if (recordings / CORRIDOR).is_file():
        matrix["nobody: corridor, recorded"], matrix["somebody: corridor, recorded"] = _corridor(recordings, engine)
    if (recordings / CROWD).is_file():
        crowd = _said(_recorded(recordings / CROWD, OFTEN_S), None, engine)
        matrix["somebody: crowd, camera in a hand, recorded"] = Counter(word for _, word in crowd)
    return matrix


def said_of_scene(kind: SceneKind, photograph: Path, step_s: float, engine: FaceEngine) -> Counter[str]:
    """Returns what is said of a scene after some seconds of the empty counter."""
    learn = np.arange(0, LEARN_S, OFTEN_S)
    times = np.arange(0.3, WATCHED_S if step_s == OFTEN_S else WATCHED_S * AT_REST_S, step_s)
    pictures = [
        *zip(learn, scene_pictures("empty", photograph, learn), strict=True),
        *zip(LEARN_S + times, scene_pictures(kind, photograph, times), strict=True),
    ]
    return Counter(word for at_s, word in _said(pictures, ZONE, engine) if at_s >= LEARN_S)


def _corridor(recordings: Path, engine: FaceEngine) -> tuple[Counter[str], Counter[str]]:
    nobody: Counter[str] = Counter()
    somebody: Counter[str] = Counter()
    for at_s, word in _said(_recorded(recordings / CORRIDOR, OFTEN_S), None, engine):
        if any(abs(at_s - edge) <= EDGE_S for span in CORRIDOR_OCCUPIED_S for edge in span):
            continue
        occupied = any(first <= at_s <= last for first, last in CORRIDOR_OCCUPIED_S)
        (somebody if occupied else nobody)[word] += 1
    return nobody, somebody


def _said(
    pictures: Timed, zone: Sequence[tuple[float, float]] | None, engine: FaceEngine
) -> Iterator[tuple[float, str]]:
    """Yields what the product would say of each picture."""
    health, background = CameraHealth(), CounterBackground(zone)
    for at_s, picture in pictures:
        at_ms, faces = round(at_s * 1000), bool(engine.detect(picture))
        small = np.asarray(cv2.resize(picture, CHECK_SIZE, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        if health.judge(small, at_ms).state != "ok":
            yield at_s, "unknown"
            continue
        seen = background.see(small, at_ms, partial(bool, faces))
        yield at_s, "somebody" if faces or seen.present else "nobody" if seen.known else "unknown"


# ---- health -------------------------------------------------------------------------------------------------------


def health_matrix(photographs: Path, recordings: Path) -> tuple[Matrix, float]:
    """Returns how often what was said of each fault, and the median time of one check in ms."""
    matrix: Matrix = {fault: Counter() for fault in (*FAULTS, "frozen")}
    taken: list[float] = []
    for pictures in _watched(photographs, recordings):
        for fault, ways in FAULTS.items():
            for way in ways:
                health = _watcher(pictures, taken)
                for number, picture in enumerate(pictures[::4]):
                    at_ms = round((len(pictures) + number) * AT_REST_S * 1000)
                    matrix[fault][health.judge(way(picture), at_ms).state] += 1
        health = _watcher(pictures, taken)
        states = [health.judge(pictures[0], 10_000_000 + 1_000 * number).state for number in range(10)]
        matrix["frozen"].update(states[4:])
    return matrix, statistics.median(taken)


def _watched(photographs: Path, recordings: Path) -> Iterator[list[Image]]:
    """Yields some minutes of some cameras, at rest."""
    for number, name in enumerate(PEOPLE):
        moments = np.arange(0, 10, 0.7)
        empty = scene_pictures("empty", photographs / name, moments, seed=number)
        visit = scene_pictures("facing", photographs / name, moments, seed=number)
        yield [_small(picture) for picture in (*empty, *visit)]
    if (recordings / CORRIDOR).is_file():
        yield [_small(picture) for _, picture in _recorded(recordings / CORRIDOR, 4.0)]


def _watcher(pictures: Sequence[Image], taken: list[float]) -> CameraHealth:
    health = CameraHealth()
    for number, picture in enumerate(pictures):
        began = time.perf_counter()
        health.judge(picture, round(number * AT_REST_S * 1000))
        taken.append((time.perf_counter() - began) * 1000)
    return health


def _small(picture: Image) -> Image:
    return np.asarray(cv2.resize(picture, (640, 360), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _recorded(path: Path, step_s: float) -> Iterator[tuple[float, Image]]:
    capture = cv2.VideoCapture(str(path))
    rate = capture.get(cv2.CAP_PROP_FPS)
    step, number = max(round(step_s * rate), 1), 0
    while capture.grab():
        if number % step == 0:
            _, picture = capture.retrieve()
            yield number / rate, _small(np.asarray(picture, dtype=np.uint8))
        number += 1
    capture.release()


def _named(presence: Matrix, health: Matrix) -> tuple[tuple[str, Matrix], ...]:
    return ("presence", presence), ("health", health)


def _print_table(name: str, matrix: Matrix, said: Sequence[str]) -> None:
    print(f"| {name}: truth | " + " | ".join(said) + " |", file=sys.stderr)
    print("|---" * (len(said) + 1) + "|", file=sys.stderr)
    for truth, counts in matrix.items():
        print(f"| {truth} | " + " | ".join(str(counts[word]) for word in said) + " |", file=sys.stderr)
    print(file=sys.stderr)


if __name__ == "__main__":
    main()
