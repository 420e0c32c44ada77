"""Similarities of both face engines on a sample of Labeled Faces in the Wild, as JSON: what the thresholds rest on.

`python bench/face_thresholds.py IMAGES [PAIRS_EACH] [SEED]`; IMAGES holds one folder a person and pairs.txt.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import cv2
import numpy as np

from video.engine import Embedding, FaceEngine
from video.sface_engine import open_sface
from video.worker import open_engine

Pair = tuple[bool, Path, Path]


def read_pairs(images: Path) -> list[Pair]:
    """Returns (same person, one picture, the other) of every pair whose pictures are there."""
    pairs: list[Pair] = []
    for line in (images / "pairs.txt").read_text().splitlines()[1:]:
        cells = line.split("\t")
        other = (cells[0], cells[2]) if len(cells) == 3 else (cells[2], cells[3])
        paths = [images / name / f"{name}_{int(number):04d}.jpg" for name, number in ((cells[0], cells[1]), other)]
        if all(path.is_file() for path in paths):
            pairs.append((len(cells) == 3, paths[0], paths[1]))
    return pairs


def sample_pairs(pairs: list[Pair], each: int, seed: int) -> list[Pair]:
    """Returns so many pairs of one person and of two."""
    chooser = random.Random(seed)
    groups = [[pair for pair in pairs if pair[0] == same] for same in (True, False)]
    return [pair for group in groups for pair in chooser.sample(group, min(each, len(group)))]


def embed_middle_face(engine: FaceEngine, path: Path) -> Embedding | None:
    """Returns the embedding of the face nearest to the middle, found by the default engine; None without a face."""
    picture = np.asarray(cv2.imread(str(path)), dtype=np.uint8)
    middle = picture.shape[1] / 2
    faces = open_sface().detect(picture)
    if not faces:
        return None
    return engine.embed(picture, min(faces, key=lambda face: abs((face.box[0] + face.box[2]) / 2 - middle)))


def measure(engine: FaceEngine, pairs: list[Pair]) -> dict[str, object]:
    """Returns how often the engine's thresholds err on the pairs, and the edges of both distributions."""
    near: dict[bool, list[float]] = {True: [], False: []}
    for same, one, other in pairs:
        faces = [embed_middle_face(engine, path) for path in (one, other)]
        if faces[0] is not None and faces[1] is not None:
            near[same].append(float(faces[0] @ faces[1]))
    own, strange = np.array(near[True]), np.array(near[False])
    decides = engine.thresholds
    return {
        "engine": engine.name,
        "version": engine.version,
        "pairs": {"same": len(own), "different": len(strange)},
        "thresholds": {"match": decides.match, "mismatch": decides.mismatch},
        "same_called_mismatch": float((own <= decides.mismatch).mean()),
        "same_not_called_match": float((own < decides.match).mean()),
        "different_called_match": float((strange >= decides.match).mean()),
        "different_not_called_mismatch": float((strange > decides.mismatch).mean()),
        "same_percentiles_0_1_5_50": [round(float(value), 3) for value in np.percentile(own, [0, 1, 5, 50])],
        "different_percentiles_50_95_99_100": [
            round(float(value), 3) for value in np.percentile(strange, [50, 95, 99, 100])
        ],
    }


def main() -> None:
    """Prints one JSON line per engine."""
    images = Path(sys.argv[1])
    each = int(sys.argv[2]) if len(sys.argv) > 2 else 150
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 7
    pairs = sample_pairs(read_pairs(images), each, seed)
    for name in ("sface", "dlib"):
        print(json.dumps(measure(open_engine(name), pairs)))


if __name__ == "__main__":
    main()
