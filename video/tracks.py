"""Faces of several pictures put together, so that the frames of one person can vote. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from video.engine import BoxXYXY, Embedding, similarity
from video.reading import Reading, SeenFace
from video.verdict import FrameVote, Judging, Vote, count_votes, vote_together

SAME_PERSON = 0.40
"""Cosine from which two faces, seconds apart before one camera, are one person."""
SAME_PLACE = 0.3
"""Overlap of boxes from which two faces are one person where one of them cannot be compared."""
FOLLOWED_MS = 1_500


@dataclass(frozen=True, kw_only=True)
class Sight:
    """One face of a track in one picture; `similarity` is None where it may not vote or there is no reference.

    `second_similarity` is the second engine's, None also where that has no vote.
    """

    reading: Reading
    seen: SeenFace
    similarity: float | None
    second_similarity: float | None = None


@dataclass
class Track:
    """One person through the pictures of one swipe."""

    sights: list[Sight] = field(default_factory=list)

    def vote(self, judging: Judging) -> Vote:
        """Returns the vote of the pictures so far."""
        first = count_votes(_votes((sight.similarity, sight) for sight in self.sights), judging.first)
        if judging.second is None:
            return first
        second = count_votes(_votes((sight.second_similarity, sight) for sight in self.sights), judging.second)
        return vote_together(first, second, judging.voting)

    @property
    def usable(self) -> list[Sight]:
        """The sights that may vote and be remembered."""
        return [sight for sight in self.sights if sight.seen.embedding is not None]

    @property
    def best(self) -> Sight:
        """The sight of best quality; of equal ones the earliest."""
        return max(self.sights, key=lambda sight: (sight.seen.quality.score, -sight.reading.at_ms))

    @property
    def nearness(self) -> float:
        """How much of a customer it is: widths of the face in pixels, summed over the pictures."""
        return sum(sight.seen.face.width_px for sight in self.sights)

    def embeddings(self, most: int) -> list[Embedding]:
        """Returns the embeddings of the best usable sights, best first."""
        usable = sorted(self.usable, key=lambda sight: (-sight.seen.quality.score, sight.reading.at_ms))
        return [sight.seen.embedding for sight in usable[:most] if sight.seen.embedding is not None]


class Tracks:
    """The people of one swipe's pictures, compared with its holder's references."""

    def __init__(self, references: Sequence[Embedding], second_references: Sequence[Embedding] = ()) -> None:
        """Nobody has been seen yet. Args: second_references are the second engine's, where it has a vote."""
        self._references, self._second_references = tuple(references), tuple(second_references)
        self.all: list[Track] = []

    def add(self, reading: Reading) -> None:
        """Afterwards each face of the picture belongs to one track; two faces of one picture never to the same."""
        taken: set[int] = set()
        for seen in reading.faces:
            index = self._track_of(seen, reading.at_ms, taken)
            if index is None:
                index = len(self.all)
                self.all.append(Track())
            taken.add(index)
            self.all[index].sights.append(self._sight(reading, seen))

    def _sight(self, reading: Reading, seen: SeenFace) -> Sight:
        first, second = seen.embedding, seen.second_embedding
        return Sight(
            reading=reading,
            seen=seen,
            similarity=None if first is None else similarity(first, self._references),
            second_similarity=None if second is None else similarity(second, self._second_references),
        )

    def _track_of(self, seen: SeenFace, at_ms: int, taken: set[int]) -> int | None:
        scores = [(_likeness(track, seen, at_ms), -index) for index, track in enumerate(self.all) if index not in taken]
        best = max(scores, default=(0.0, 0))
        return -best[1] if best[0] > 0 else None


def _votes(compared: Iterable[tuple[float | None, Sight]]) -> list[FrameVote]:
    """Returns the votes of those sights that were compared."""
    return [
        FrameVote(similarity=near, quality=sight.seen.quality.score) for near, sight in compared if near is not None
    ]


def _likeness(track: Track, seen: SeenFace, at_ms: int) -> float:
    """Returns how surely the face belongs to the track: above 1 by its look, up to 1 by its place, 0 not at all."""
    embeddings = track.embeddings(most=1)
    if embeddings and seen.embedding is not None:
        look = float(np.dot(embeddings[0], seen.embedding))
        return 1 + look if look >= SAME_PERSON else 0.0
    last = track.sights[-1]
    if at_ms - last.reading.at_ms > FOLLOWED_MS:
        return 0.0
    overlap = overlap_of(last.seen.face.box, seen.face.box)
    return overlap if overlap >= SAME_PLACE else 0.0


def overlap_of(one: BoxXYXY, other: BoxXYXY) -> float:
    """Returns how much of two boxes they share: 0 nothing, 1 all."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (_area(one) + _area(other) - shared)


def _area(box: BoxXYXY) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
