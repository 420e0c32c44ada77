"""How well an engine tells people apart, on the pairs of a folder of labelled faces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from video.engine import Embedding, FaceEngine, Thresholds
from video.evaluation.folder import Pair, middle_face, read_picture
from video.evaluation.rates import (
    FoldedAccuracy,
    Rate,
    Similarities,
    accepted_at,
    best_threshold,
    folded_accuracy,
    threshold_at,
)
from video.quality import judge_face

FALSE_ACCEPTS = 1e-3
NOBODY = -1.0
"""Similarity of a pair in which a face was missed: nobody is recognised."""


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """The middle face of each picture as its engine sees it; None where it finds none."""

    faces: Mapping[Path, Embedding | None]
    refused: Rate
    problems: Mapping[str, int]

    @property
    def missed(self) -> Rate:
        """In how many pictures no face was found."""
        return Rate(hits=sum(face is None for face in self.faces.values()), of=len(self.faces))


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """What an engine makes of pairs. `false_*` and `undecided_*` are those of its own thresholds, one picture each.

    `accepted` is the share of pairs of one person accepted from `accept_from` on, where at most one in a thousand of
    the listed pairs of two is; `accepted_widely` the same, where the strangers are all pictures of different people.
    `own_alike` and `strange_alike` are the pairs of one person, and all of two, that would be told as duplicates.
    """

    pairs: Rate
    missed: Rate
    refused: Rate
    problems: Mapping[str, int]
    folded: FoldedAccuracy | None
    best: Rate
    accept_from: float
    accepted: Rate
    strangers: int
    accept_widely_from: float
    accepted_widely: Rate
    false_mismatch: Rate
    false_match: Rate
    undecided_same: Rate
    undecided_different: Rate
    alike_from: float
    own_alike: Rate
    strange_alike: Rate


def embed_pictures(engine: FaceEngine, pictures: Iterable[Path], tell: Callable[[int], None]) -> Embedded:
    """Returns the middle face of each picture, and how many of them the quality gate would refuse."""
    faces: dict[Path, Embedding | None] = {}
    problems: Counter[str] = Counter()
    refused = 0
    for path in pictures:
        picture = read_picture(path)
        face = middle_face(picture, engine.detect(picture))
        faces[path] = None if face is None else engine.embed(picture, face)
        if face is not None:
            found = judge_face(picture, face).problems
            refused += bool(found)
            problems.update(found)
        tell(1)
    seen = sum(face is not None for face in faces.values())
    return Embedded(faces=faces, refused=Rate(hits=refused, of=seen), problems=dict(sorted(problems.items())))


def measure_accuracy(
    pairs: Sequence[Pair], embedded: Embedded, thresholds: Thresholds, *, alike_from: float
) -> Accuracy:
    """Returns what the engine makes of the pairs; a pair with a missed face counts as not recognised.

    Args: alike_from is the similarity from which two enrolled people are told as one face.
    """
    similarities = np.array([_similarity(pair, embedded) for pair in pairs])
    same, fold = np.array([pair.same for pair in pairs]), np.array([pair.fold for pair in pairs])
    own, strange = similarities[same], similarities[~same]
    everybody = stranger_similarities(embedded.faces)
    near, wide = threshold_at(strange, FALSE_ACCEPTS), threshold_at(everybody, FALSE_ACCEPTS)
    best = best_threshold(own, strange)
    right = int((own >= best).sum() + (strange < best).sum())
    return Accuracy(
        pairs=Rate(hits=int(same.sum()), of=len(pairs)),
        missed=embedded.missed,
        refused=embedded.refused,
        problems=embedded.problems,
        folded=folded_accuracy(similarities, same, fold) if len(set(fold.tolist())) > 1 else None,
        best=Rate(hits=right, of=len(pairs)),
        accept_from=near,
        accepted=accepted_at(own, near),
        strangers=len(everybody),
        accept_widely_from=wide,
        accepted_widely=accepted_at(own, wide),
        false_mismatch=Rate(hits=int((own <= thresholds.mismatch).sum()), of=len(own)),
        false_match=accepted_at(strange, thresholds.match),
        undecided_same=_between(own, thresholds),
        undecided_different=_between(strange, thresholds),
        alike_from=alike_from,
        own_alike=accepted_at(own, alike_from),
        strange_alike=accepted_at(everybody, alike_from),
    )


def stranger_similarities(faces: Mapping[Path, Embedding | None]) -> Similarities:
    """Returns the similarity of every two pictures of different people; a picture's folder is its person."""
    seen = [(path.parent.name, face) for path, face in faces.items() if face is not None]
    names, vectors = np.array([name for name, _ in seen]), np.stack([face for _, face in seen])
    similarities = vectors @ vectors.T
    apart = np.triu(names[:, None] != names[None, :])
    return np.asarray(similarities[apart], dtype=np.float64)


def own_similarities(faces: Mapping[Path, Embedding | None]) -> Similarities:
    """Returns the similarity of every two different pictures of one person."""
    seen = [(path.parent.name, face) for path, face in faces.items() if face is not None]
    names, vectors = np.array([name for name, _ in seen]), np.stack([face for _, face in seen])
    together = np.triu(names[:, None] == names[None, :], k=1)
    return np.asarray((vectors @ vectors.T)[together], dtype=np.float64)


def _similarity(pair: Pair, embedded: Embedded) -> float:
    first, second = embedded.faces[pair.first], embedded.faces[pair.second]
    return NOBODY if first is None or second is None else float(first @ second)


def _between(similarities: Similarities, thresholds: Thresholds) -> Rate:
    inside = (similarities > thresholds.mismatch) & (similarities < thresholds.match)
    return Rate(hits=int(inside.sum()), of=len(similarities))
