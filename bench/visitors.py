"""Who is taken for whom among visitors, and what it costs: `python -m bench.visitors --faces ../shared/data/lfw`.

Prints JSON. `--faces` is a folder of pictures, one folder a person; those of Labeled Faces in the Wild are press
photographs. A visit is one picture seen three times: as it is; smaller and darker; turned by four degrees and brighter.
A camera's frames of one moment differ like that, or more; frames of a second moment do not come from here.
Embeddings are kept in `.cache/bench`, so that the next run does without the pictures.

Strangers and splits: a memory is filled with one visit each of so many people. Then, without being remembered, come
people who are not in it (taken for somebody: a false merge) and a second picture of those who are (a new id: a split).
Beyond the people of the folder the memory is filled with made-up looks: drawn from the normal distribution that has the
mean and the covariance of the real ones, and brought to length 1. `tail` says how alike both kinds of strangers are.

Life: all visits in random order over six days at 200 stores, each remembered as the product does.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from video.engine import BoxXYXY, Embedding, Image, unit
from video.evaluation.folder import people_of, read_picture
from video.settings import SecretBytes, VisitorSettings
from video.sface_engine import open_sface
from video.visitors.index import VisitorIndex
from video.visitors.memory import VisitorMemory
from video.visitors.records import Visitor
from video.visitors.salts import DAY_MS, begins_ms, week_of

CACHE: Final = Path(".cache/bench/visitors")
BEGIN_MS: Final = begins_ms(week_of(1_780_000_000_000)) + DAY_MS
STORES: Final = 200
ROUNDS: Final = 200
SIZES: Final = (1_000, 10_000, 100_000)
LEVELS: Final = (0.30, 0.40, 0.50, 0.60)

Faces = npt.NDArray[np.float32]


class Visits(NamedTuple):
    """Visits of people: whose each is, and its three frames."""

    person: npt.NDArray[np.int64]
    frames: Faces
    pictures: int
    """How many pictures there were; in some no face was found."""


def main() -> None:
    """Measures all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--similarity", type=float, default=0.5, help="The least cosine of one visitor.")
    arguments = parser.parse_args()
    began_s, similarity = time.perf_counter(), arguments.similarity
    visits = visits_of(arguments.faces)
    random = np.random.default_rng(1)
    first = _first_of_each(visits)
    mean, root = _distribution(visits.frames[first].mean(axis=1))
    made_up = _drawn(random, mean, root, SIZES[-1])
    result = {
        "bench": "visitors",
        "similarity": similarity,
        "people": len(first),
        "pictures": visits.pictures,
        "visits": len(visits.person),
        "tail": {"real": _tail(random, visits.frames[first][:, 0]), "made_up": _tail(random, made_up[:20_000])},
        "memory_of": [
            _strangers(random, visits, known, made_up[: looks - known], similarity)
            for known, looks in ((1_000, 1_000), (2_000, 2_000), (1_000, 10_000), (1_000, 100_000))
        ],
        "life": [_life(random, visits, people, similarity) for people in (1_000, len(first))],
        "cost": [_cost(made_up[:size], visits.frames) for size in SIZES],
        "took_s": round(time.perf_counter() - began_s),
        "load": os.getloadavg()[0],
    }
    print(json.dumps(result, indent=1))


# ---- pictures ------------------------------------------------------------------------------------------------------


def visits_of(folder: Path) -> Visits:
    """Returns the visits of a folder's people, kept from an earlier run of the same engine if there was one."""
    engine = open_sface()
    kept = CACHE / f"{folder.resolve().name}-{engine.version.replace('+', '-')}.npz"
    if kept.exists():
        with np.load(kept, allow_pickle=False) as arrays:
            return Visits(arrays["person"], arrays["frames"], int(arrays["pictures"]))
    person, frames, pictures = [], [], 0
    for number, paths in enumerate(people_of(folder).values()):
        for path in paths:
            pictures += 1
            seen = [_face_in(picture) for picture in _looks_of(read_picture(path))]
            if all(one is not None for one in seen):
                person.append(number)
                frames.append(np.stack([one for one in seen if one is not None]))
    visits = Visits(np.array(person), np.stack(frames), pictures)
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez(kept, person=visits.person, frames=visits.frames, pictures=pictures)
    return visits


def _looks_of(picture: Image) -> Iterator[Image]:
    yield picture
    smaller = cv2.resize(picture, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
    yield np.asarray(smaller * 0.75, dtype=np.uint8)
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 4, 1.0)
    turned = cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REFLECT)
    yield np.asarray(np.minimum(turned * 1.2, 255), dtype=np.uint8)


def _face_in(picture: Image) -> Embedding | None:
    """Returns the face nearest to the middle, whose picture it is."""
    engine = open_sface()
    height, width = (int(side) for side in picture.shape[:2])

    def off_middle(box: BoxXYXY) -> float:
        across, down = (box[0] + box[2] - width) / 2, (box[1] + box[3] - height) / 2
        return abs(across) + abs(down)

    faces = sorted(engine.detect(picture), key=lambda face: off_middle(face.box))
    return engine.embed(picture, faces[0]) if faces else None


def _first_of_each(visits: Visits) -> npt.NDArray[np.int64]:
    """Returns the number of each person's first visit."""
    _, first = np.unique(visits.person, return_index=True)
    return np.asarray(first, dtype=np.int64)


# ---- made-up looks -------------------------------------------------------------------------------------------------


def _distribution(faces: Faces) -> tuple[Faces, Faces]:
    """Returns the mean of faces, and what makes their covariance of independent normal numbers."""
    mean = faces.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov((faces - mean).T))
    return mean, np.asarray(vectors * np.sqrt(np.maximum(values, 0)), dtype=np.float32)


def _drawn(random: np.random.Generator, mean: Faces, root: Faces, count: int) -> Faces:
    drawn = mean + random.standard_normal((count, len(mean)), dtype=np.float32) @ root.T
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), dtype=np.float32)


def _tail(random: np.random.Generator, faces: Faces) -> dict[str, float]:
    """Returns which share of pairs of strangers is so much alike."""
    chosen = faces[random.permutation(len(faces))[:4_000]]
    scores = (chosen @ chosen.T)[np.triu_indices(len(chosen), 1)]
    return {f"{level:.2f}": float(f"{(scores >= level).mean():.3g}") for level in LEVELS}


# ---- who is taken for whom -----------------------------------------------------------------------------------------


def _filled(faces: Sequence[Embedding], similarity: float) -> VisitorIndex:
    """Returns a memory of so many people, each seen once, whose keys are their numbers."""
    index = VisitorIndex(similarity=similarity, capacity=200_000)
    index.apply(index.ask([faces[0]] * 2, "S", BEGIN_MS).records[:1])
    week = week_of(BEGIN_MS)
    for number, face in enumerate(faces):
        key, look = number.to_bytes(16, "big"), np.asarray(face, dtype="<f4").tobytes()
        index.apply([Visitor(key=key, week=week, institution_id="S", seen_ms=BEGIN_MS, looks=[look])])
    return index


def _mean(frames: Faces) -> Embedding:
    return unit(frames.mean(axis=0))


def _strangers(
    random: np.random.Generator, visits: Visits, known: int, made_up: Faces, similarity: float
) -> dict[str, object]:
    """Returns what becomes of strangers and of second visits before a memory of `known` people and made-up looks."""
    first = _first_of_each(visits)
    order = random.permutation(len(first))
    aside = max(len(first) - known, 100)
    counts = {"strangers": 0, "taken_for_somebody": 0, "in_doubt": 0}
    again = {"second_visits": 0, "known_again": 0, "split": 0, "taken_for_another": 0, "in_doubt": 0}
    for begin in range(0, len(first) if known > len(first) / 2 else aside, aside):
        strangers = order[begin : begin + aside]
        inside = np.setdiff1d(order, strangers, assume_unique=True)[:known]
        index = _filled([*(_mean(visits.frames[first[one]]) for one in inside), *made_up], similarity)
        for one in strangers:
            answer = index.ask(list(visits.frames[first[one]]), "T", BEGIN_MS)
            counts["strangers"] += 1
            counts["in_doubt"] += answer.visitor_id is None
            counts["taken_for_somebody"] += answer.visitor_id is not None and not answer.is_new
        if begin:
            continue
        for place, one in enumerate(inside):
            for visit in np.flatnonzero(visits.person == visits.person[first[one]])[1:2]:
                answer = index.ask(list(visits.frames[visit]), "T", BEGIN_MS)
                again["second_visits"] += 1
                again["in_doubt"] += answer.visitor_id is None
                again["split"] += answer.is_new
                if answer.visitor_id is not None and not answer.is_new:
                    mine = index._keys[answer.visitor_id] == place.to_bytes(16, "big")  # noqa: SLF001 - who it is
                    again["known_again" if mine else "taken_for_another"] += 1
    return {
        "looks": min(known, len(first) - aside) + len(made_up),
        "of_them_made_up": len(made_up),
        **counts,
        "false_merge_ratio": round(counts["taken_for_somebody"] / counts["strangers"], 4),
        "again": again,
        "split_ratio": round(again["split"] / again["second_visits"], 4),
    }


def _life(random: np.random.Generator, visits: Visits, people: int, similarity: float) -> dict[str, object]:
    """Returns what becomes of all visits of so many people, each remembered."""
    chosen = random.permutation(np.unique(visits.person))[:people]
    order = random.permutation(np.flatnonzero(np.isin(visits.person, chosen)))
    index, owners = VisitorIndex(similarity=similarity), {}  # type: VisitorIndex, dict[str, int]
    named: dict[int, set[str]] = {}
    merged = split = doubt = repeated = 0
    for place, visit in enumerate(order):
        person = int(visits.person[visit])
        at_ms = BEGIN_MS + place * 6 * DAY_MS // len(order)
        name = index.recognise(list(visits.frames[visit]), str(random.integers(STORES)), at_ms)
        doubt += name is None
        repeated += person in named
        if name is None:
            continue
        merged += owners.setdefault(name, person) != person
        split += person in named and name not in named[person] and owners[name] == person
        named.setdefault(person, set()).add(name)
    return {
        "people": people,
        "visits": len(order),
        "repeated": repeated,
        "ids": len(index),
        "visits_in_doubt": doubt,
        "visits_under_anothers_id": merged,
        "repeated_visits_with_a_new_id": split,
    }


# ---- cost ----------------------------------------------------------------------------------------------------------


def _cost(faces: Faces, frames: Faces) -> dict[str, object]:
    """Returns what questions, insertion and expiry cost with so many looks; times of this thread's processor."""
    with tempfile.TemporaryDirectory() as folder:
        settings = VisitorSettings(folder=folder, key=SecretBytes(b"k" * 32), capacity=200_000)
        memory = VisitorMemory(settings, BEGIN_MS)
        week, spread_ms = week_of(BEGIN_MS), DAY_MS // len(faces)
        memory.index.apply(memory.index.ask([faces[0]] * 2, "S", BEGIN_MS).records[:1])
        began_s = time.thread_time()
        for number, face in enumerate(faces):
            visitor = Visitor(
                key=number.to_bytes(16, "big"),
                week=week,
                institution_id=str(number % STORES),
                seen_ms=BEGIN_MS + number * spread_ms,
                looks=[face.astype("<f4").tobytes()],
            )
            memory.index.apply([visitor])
        inserted_s = time.thread_time() - began_s
        now_ms = BEGIN_MS + DAY_MS
        asked = [list(frames[number % len(frames)]) for number in range(ROUNDS)]
        questions = _timed(lambda one: memory.index.ask(one, "nowhere", now_ms), asked)
        at_store = _timed(lambda one: memory.index.ask(one, "7", now_ms), asked)
        kept = _timed(lambda one: memory.recognise(one, "7", now_ms), asked, time.perf_counter)
        began_s = time.perf_counter()
        memory.write_snapshot(now_ms, threading.Lock())
        snapshot_s = time.perf_counter() - began_s
        size_bytes = sum(path.stat().st_size for path in Path(folder).iterdir())
        room_bytes = memory.index.room_bytes
        memory.close()
        began_s = time.perf_counter()
        again = VisitorMemory(settings, now_ms)
        read_s = time.perf_counter() - began_s
        count, began_s = len(again.index), time.thread_time()
        again.index.advance(now_ms + 30 * DAY_MS)
        expired_s = time.thread_time() - began_s
        again.close()
    return {
        "looks": len(faces),
        "question_ms": questions,
        "question_with_a_store_ms": at_store,
        "remembered_on_disk_ms": kept,
        "insertion_us": round(inserted_s / len(faces) * 1e6, 1),
        "expiry_us": round(expired_s / count * 1e6, 1),
        "matrix_bytes": room_bytes,
        "disk_bytes": size_bytes,
        "snapshot_s": round(snapshot_s, 2),
        "start_s": round(read_s, 2),
    }


def _timed(
    ask: Callable[[list[Embedding]], object],
    asked: Sequence[list[Embedding]],
    clock: Callable[[], float] = time.thread_time,
) -> dict[str, float]:
    taken = []
    for frames in asked:
        began_s = clock()
        ask(frames)
        taken.append(1_000 * (clock() - began_s))
    return {"median": round(float(np.median(taken)), 2), "p95": round(float(np.percentile(taken, 95)), 2)}


if __name__ == "__main__":
    main()
