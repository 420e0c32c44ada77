"""Recordings of real people and cameras: what no composed clip can show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.video.counter import SHARED_DATA, Counter
from video.engine import Embedding, FaceEngine, Image
from video.presence import CounterBackground
from video.verdict import verdict_of_frame


def _pictures(name: str, numbers: Sequence[int]) -> Iterator[Image]:
    path = SHARED_DATA / "video" / name
    if not path.is_file():
        pytest.skip(f"no recording at {path}")
    capture = cv2.VideoCapture(str(path))
    for number in range(max(numbers) + 1):
        assert capture.grab()
        if number in numbers:
            _, picture = capture.retrieve()
            smaller = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            yield np.asarray(smaller, dtype=np.uint8)
    capture.release()


def test_among_real_bystanders_one_is_compared_and_nobody_else_named(sface, reference_of):
    counter = Counter(sface)
    pictures = list(_pictures("several-faces-1080p.mp4", range(0, 100, 8)))
    counter.show(pictures[:8])
    counter.swipe("S1", sface=reference_of(sface, "biden.jpg"))
    counter.show(pictures[8:])
    counter.wait(8_000)
    final = counter.events("S1", "final")[0]
    assert final["people"] >= 3
    named = [face for face in final["faces"] if face.get("settlement_id") or face.get("visitor_id")]
    assert len(named) == 1
    assert named[0]["verdict"] in ("mismatch", "inconclusive")
    assert max(len(one.still) for one in counter.observed if one.still) <= 60_000


def test_a_real_corridor_is_a_healthy_camera(sface):
    counter = Counter(sface)
    counter.show(_pictures("corridor-one-by-one.mp4", range(0, 240, 6)))
    assert counter.states == ["ok"]


def test_real_people_who_show_only_their_backs_are_somebody_and_an_empty_corridor_is_nobody():
    learn, empty, occupied = range(0, 40, 2), (470, 485, 730, 905, 1220), (120, 300, 600, 800, 1000, 1300)
    numbers = sorted({*learn, *empty, *occupied})
    background = CounterBackground()
    said = {
        number: background.see(picture, 100 * number, lambda: False)
        for number, picture in zip(numbers, _pictures("corridor-one-by-one.mp4", numbers), strict=True)
    }
    assert [said[number].present for number in empty] == [False] * 5
    assert [said[number].present for number in occupied] == [True] * 6
    assert all(said[number].known for number in (*empty, *occupied))


def test_on_a_sample_of_faces_in_the_wild_the_verdicts_hold(sface):
    """Two dozen pairs of press photographs: none of one person is a mismatch too often, none of two a match."""
    pairs = _pairs(12)
    said: dict[bool, list[str]] = {True: [], False: []}
    for same, one, other in pairs:
        faces = [_middle_face(sface, path) for path in (one, other)]
        said[same].append(verdict_of_frame(float(faces[0] @ faces[1]), sface.thresholds))
    assert said[True].count("match") >= 11
    assert said[True].count("mismatch") <= 1
    assert said[False].count("match") == 0
    assert said[False].count("mismatch") >= 11


def _pairs(each: int) -> list[tuple[bool, Path, Path]]:
    folder = SHARED_DATA / "lfw"
    if not (folder / "pairs.txt").is_file():
        pytest.skip(f"no Labeled Faces in the Wild at {folder}")
    rows = [row.split("\t") for row in (folder / "pairs.txt").read_text().splitlines()[1:]]
    found: list[tuple[bool, Path, Path]] = []
    for same in (True, False):
        some = [row for row in rows if (len(row) == 3) == same][:: len(rows) // 2 // each][:each]
        for row in some:
            one, other = (row[0], row[1]), ((row[0], row[2]) if same else (row[2], row[3]))
            paths = [folder / person / f"{person}_{int(number):04d}.jpg" for person, number in (one, other)]
            found.append((same, paths[0], paths[1]))
    return found


def _middle_face(engine: FaceEngine, path: Path) -> Embedding:
    picture = np.asarray(cv2.imread(str(path)), dtype=np.uint8)
    faces = engine.detect(picture)
    centre = picture.shape[1] / 2
    face = min(faces, key=lambda one: abs((one.box[0] + one.box[2]) / 2 - centre))
    return engine.embed(picture, face)
