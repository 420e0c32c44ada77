"""Makes a general calibration out of a folder of labelled pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from video.calibration import Calibration, calibrate
from video.engine import Embedding, FaceEngine
from video.evaluation.folder import middle_face, read_picture
from video.quality import judge_face


def choose_people(people: Mapping[str, Sequence[Path]], most: int | None) -> list[tuple[Path, ...]]:
    """Returns the first two pictures, or the only one, of so many people, evenly spread over the names."""
    named = [tuple(pictures[:2]) for _, pictures in sorted(people.items()) if pictures]
    if most is None or most >= len(named):
        return named
    return [named[place * len(named) // most] for place in range(most)]


def calibrate_on(engine: FaceEngine, people: Sequence[Sequence[Path]], tell: Callable[[int], None]) -> Calibration:
    """Returns the counts of every two people's first pictures and of each one's two; those below the gate are left out.

    At least two people have a picture that passes the gate.
    """
    firsts: dict[str, Embedding] = {}
    own: list[float] = []
    for pictures in people:
        faces = [_usable_face(engine, path) for path in pictures]
        if faces[0] is not None:
            firsts[pictures[0].parent.name] = faces[0]
        if len(faces) > 1 and faces[0] is not None and faces[1] is not None:
            own.append(float(faces[0] @ faces[1]))
        tell(1)
    return calibrate(engine.version, list(firsts), list(firsts.values()), own)


def _usable_face(engine: FaceEngine, path: Path) -> Embedding | None:
    picture = read_picture(path)
    face = middle_face(picture, engine.detect(picture))
    if face is None or not judge_face(picture, face).usable:
        return None
    return engine.embed(picture, face)
