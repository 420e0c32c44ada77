"""What becomes of holders and strangers before worse and worse pictures, gate and vote as in the product."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from video.engine import Embedding, FaceEngine, Image, Thresholds, similarity
from video.evaluation.degraded import Degrading
from video.evaluation.folder import middle_face, read_picture
from video.evaluation.rates import Rate
from video.quality import judge_face
from video.verdict import FrameVote, count_votes


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One person before the camera, shown by one photograph, and the reference that another photograph gives."""

    person: str
    photograph: Path
    reference: Path


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """The verdicts of visits with one way to make pictures worse: each visitor with the own card and with others'.

    `wrong` are false rejects and false accepts among all verdicts. `unusable` are visits of which no frame passed the
    gate or showed a face; their verdicts are inconclusive too.
    """

    name: str
    wrong: Rate
    false_reject: Rate
    inconclusive_own: Rate
    false_accept: Rate
    inconclusive_strange: Rate
    unusable: Rate
    problems: Mapping[str, int]


@dataclass
class _Tally:
    own: Counter[str] = field(default_factory=Counter)
    strange: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    unusable: int = 0


def choose_visits(people: Mapping[str, Sequence[Path]], most: int, seed: int) -> list[Visit]:
    """Returns a visit each of so many people with two pictures: the second is seen, the first is the reference."""
    able = sorted(name for name, pictures in people.items() if len(pictures) > 1)
    chosen = random.Random(seed).sample(able, min(most, len(able)))  # noqa: S311 - repeatable, nothing secret
    return [Visit(person=name, photograph=people[name][1], reference=people[name][0]) for name in sorted(chosen)]


def embed_references(engine: FaceEngine, visits: Sequence[Visit]) -> dict[str, Embedding]:
    """Returns the reference of each person whose face is found, as it would be enrolled from that photograph."""
    references: dict[str, Embedding] = {}
    for visit in visits:
        picture = read_picture(visit.reference)
        face = middle_face(picture, engine.detect(picture))
        if face is not None:
            references[visit.person] = engine.embed(picture, face)
    return references


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How visits are measured: frames of each, and whose cards a visitor tries beside the own."""

    engine: FaceEngine
    thresholds: Thresholds
    frames: int
    strangers: int
    seed: int

    def measure(
        self,
        degrading: Degrading,
        visits: Sequence[Visit],
        references: Mapping[str, Embedding],
        tell: Callable[[int], None],
    ) -> Verdicts:
        """Returns the verdicts of all visits whose person has a reference."""
        tally = _Tally()
        able = [visit for visit in visits if visit.person in references]
        for visit in able:
            chance = np.random.default_rng([self.seed, *degrading.name.encode(), *visit.person.encode()])
            seen = self._look(degrading, visit, chance, tally.problems)
            tally.unusable += not seen
            tally.own[self._verdict(seen, references[visit.person])] += 1
            others = sorted(name for name in references if name != visit.person)
            for place in chance.choice(len(others), min(self.strangers, len(others)), replace=False):
                tally.strange[self._verdict(seen, references[others[place]])] += 1
            tell(1)
        return _verdicts_of(degrading.name, tally)

    def _look(
        self, degrading: Degrading, visit: Visit, chance: np.random.Generator, problems: Counter[str]
    ) -> list[tuple[Embedding, float]]:
        """Returns embedding and quality of each frame that may vote."""
        photograph = read_picture(visit.photograph)
        face = middle_face(photograph, self.engine.detect(photograph))
        if face is None:
            problems["no_face"] += self.frames
            return []
        frames = (degrading.take(photograph, face, chance) for _ in range(self.frames))
        judged = [self._judge(frame, problems) for frame in frames]
        return [one for one in judged if one is not None]

    def _judge(self, frame: Image, problems: Counter[str]) -> tuple[Embedding, float] | None:
        face = middle_face(frame, self.engine.detect(frame))
        if face is None:
            problems["no_face"] += 1
            return None
        quality = judge_face(frame, face)
        problems.update(quality.problems)
        return (self.engine.embed(frame, face), quality.score) if quality.usable else None

    def _verdict(self, seen: Sequence[tuple[Embedding, float]], reference: Embedding) -> str:
        votes = [FrameVote(similarity=similarity(face, [reference]) or 0.0, quality=worth) for face, worth in seen]
        return count_votes(votes, self.thresholds).verdict


def _verdicts_of(name: str, tally: _Tally) -> Verdicts:
    own, strange = tally.own.total(), tally.strange.total()
    return Verdicts(
        name=name,
        wrong=Rate(hits=tally.own["mismatch"] + tally.strange["match"], of=own + strange),
        false_reject=Rate(hits=tally.own["mismatch"], of=own),
        inconclusive_own=Rate(hits=tally.own["inconclusive"], of=own),
        false_accept=Rate(hits=tally.strange["match"], of=strange),
        inconclusive_strange=Rate(hits=tally.strange["inconclusive"], of=strange),
        unusable=Rate(hits=tally.unusable, of=own),
        problems=dict(sorted(tally.problems.items())),
    )
