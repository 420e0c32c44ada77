"""A folder of labelled faces: one folder a person, and `pairs.txt` in the form of Labeled Faces in the Wild."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from events.errors import ConfigError
from video.engine import DetectedFace, Image

PAIRS_FILE = "pairs.txt"
SAME_CELLS, DIFFERENT_CELLS = 3, 4


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two pictures, whether they show one person, and the fold (from 0) that they are tested in."""

    fold: int
    same: bool
    first: Path
    second: Path


def read_pairs(folder: Path, most: int | None = None) -> list[Pair]:
    """Returns the pairs whose pictures are both there, in the order of the file.

    Its first line says how many folds there are (absent: one) and how many pairs of each kind a fold has; in each fold
    the pairs of one person come first. Args: most is how many pairs of each kind a fold has at most.

    Raises: ConfigError when the file is absent or not of that form, or hardly any picture is there.
    """
    path = folder / PAIRS_FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        each = int(lines[0].split()[-1])
        pairs = [_pair_of(folder, line, index // (2 * each)) for index, line in enumerate(lines[1:]) if line.strip()]
    except (OSError, ValueError, IndexError, ZeroDivisionError) as error:
        wanted = "`FOLDS EACH`, then lines `NAME N M` and `NAME N OTHER M`, tabs between"
        raise ConfigError(str(path), "pairs", str(error), wanted) from error
    there = [pair for pair in pairs if pair.first.is_file() and pair.second.is_file()]
    if {pair.same for pair in there} != {True, False}:
        raise ConfigError(str(path), "pairs", f"{len(there)} with both pictures", "pairs of one person and of two")
    return there if most is None else _first_of_each(there, most)


def people_of(folder: Path) -> dict[str, list[Path]]:
    """Returns the pictures of each person, both in the order of their names."""
    folders = sorted(one for one in folder.iterdir() if one.is_dir())
    return {one.name: sorted(one.glob("*.jpg")) for one in folders}


def read_picture(path: Path) -> Image:
    """Returns the picture. Raises: ConfigError when it cannot be read."""
    found = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if found is None:
        raise ConfigError(str(path), "picture", "unreadable", "a JPEG file")
    return np.asarray(found, dtype=np.uint8)


def middle_face(picture: Image, faces: Sequence[DetectedFace]) -> DetectedFace | None:
    """Returns the face nearest to the picture's middle, the one that its label means; None without a face."""
    height, width = picture.shape[:2]

    def off(face: DetectedFace) -> float:
        left, top, right, bottom = face.box
        return float(np.hypot((left + right - width) / 2, (top + bottom - height) / 2))

    return min(faces, key=off, default=None)


def _first_of_each(pairs: Sequence[Pair], most: int) -> list[Pair]:
    seen: Counter[tuple[int, bool]] = Counter()
    first: list[Pair] = []
    for pair in pairs:
        seen[pair.fold, pair.same] += 1
        if seen[pair.fold, pair.same] <= most:
            first.append(pair)
    return first


def _pair_of(folder: Path, line: str, fold: int) -> Pair:
    cells = line.split("\t")
    if len(cells) == SAME_CELLS:
        other = (cells[0], cells[2])
    elif len(cells) == DIFFERENT_CELLS:
        other = (cells[2], cells[3])
    else:
        raise ValueError(line)
    first, second = (folder / name / f"{name}_{int(number):04d}.jpg" for name, number in ((cells[0], cells[1]), other))
    return Pair(fold=fold, same=len(cells) == SAME_CELLS, first=first, second=second)
