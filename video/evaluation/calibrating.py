"""Makes a general calibration out of a folder of labelled pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from video.calibration import TAIL_SHARE, Calibration, count_similarities, spread_of
from video.engine import Embedding, FaceEngine
from video.evaluation.folder import middle_face, read_picture
from video.quality import judge_face


def choose_people(people: Mapping[str, Sequence[Path]], most: int | None) -> list[tuple[Path, ...]]:
    """Returns the first two pictures, or the only one, of so many people, evenly spread over the names."""
    named = [tuple(pictures[:2]) for _, pictures in sorted(people.items()) if pictures]
    if most is None or most >= len(named):
        return named
    return [named[place * len(named) // most] for place in range(most)]


def calibrate(engine: FaceEngine, people: Sequence[Sequence[Path]], tell: Callable[[int], None]) -> Calibration:
    """Returns the counts of every two people's first pictures and of each one's two; those below the gate are left out.

    At least two people have a picture that passes the gate.
    """
    firsts: list[Embedding] = []
    own: list[float] = []
    for pictures in people:
        faces = [_usable_face(engine, path) for path in pictures]
        if faces[0] is not None:
            firsts.append(faces[0])
        if len(faces) > 1 and faces[0] is not None and faces[1] is not None:
            own.append(float(faces[0] @ faces[1]))
        tell(1)
    vectors = np.stack(firsts)
    similarities = vectors @ vectors.T
    strangers = similarities[np.triu_indices(len(firsts), k=1)]
    rare = similarities >= np.quantile(strangers, 1 - TAIL_SHARE)
    np.fill_diagonal(rare, val=False)
    return Calibration(
        engine_version=engine.version,
        strangers=count_similarities(strangers),
        own=count_similarities(own),
        people=len(firsts),
        spread=spread_of(rare.sum(axis=1), len(firsts) - 1),
    )


def _usable_face(engine: FaceEngine, path: Path) -> Embedding | None:
    picture = read_picture(path)
    face = middle_face(picture, engine.detect(picture))
    if face is None or not judge_face(picture, face).usable:
        return None
    return engine.embed(picture, face)
