"""From a similarity to the probability that a stranger is that much like the holder. Pure.

A calibration is counts of similarities, so that those of two days or two sites add up and any part can be left out
again. What a similarity is worth is said on the safe side: up to the edge of the tail by the upper end of an interval
around the counts, beyond it by an exponential that falls no faster than the data do, nowhere below what was counted,
and never below a tenth of the rarest event that so many pairs could show.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from video.engine import Embedding

BINS = 400
"""Similarities of -1..1 are counted in steps of 0.005; what lies on an edge counts as the step above."""
TAIL_SHARE = 0.01
"""The tail is the highest hundredth of the strangers' similarities."""
LEAST_IN_TAIL = 30
"""With fewer similarities than these in its tail a calibration says nothing of rare events."""
LEAST_PAIRS, LEAST_PEOPLE = 3_000, 50
"""A camera's own calibration counts from so many pairs of so many people; until then the general one does."""
Z_SAFE = 1.959964
DECADES_BEYOND = 10.0
"""No probability is said that is smaller than one in so many times the pairs."""

Basis = Literal["camera", "general"]
Counts = tuple[int, ...]
"""How many similarities lie in each step, from the lowest."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Similarities of one engine version: of strangers, and of holders with their own references.

    `people` is how many different people the strangers' pairs are made of; `spread` is how many times the share of rare
    pairs varies more than that of independent ones would, because each person is in many of them; 1 if it is not known.
    """

    engine_version: str
    strangers: Counts
    own: Counts
    people: int
    spread: float = 1.0

    @property
    def pairs(self) -> int:
        """How many pairs of strangers were counted."""
        return sum(self.strangers)

    @property
    def is_enough(self) -> bool:
        """Whether rare events can be told from it."""
        in_tail = self.pairs * TAIL_SHARE >= LEAST_IN_TAIL
        return in_tail and self.pairs >= LEAST_PAIRS and self.people >= LEAST_PEOPLE

    def false_match(self, similarity: float) -> float:
        """Returns the probability, above 0, that a stranger is at least that much like the holder; an upper bound."""
        return _tail_probability(self.strangers, similarity, self.spread)

    def false_non_match(self, similarity: float) -> float | None:
        """Returns the probability that a holder is at most that like the own reference; None if none were counted."""
        if not sum(self.own):
            return None
        return _tail_probability(self.own[::-1], -similarity, 1.0)


def count_similarities(similarities: Iterable[float] | npt.NDArray[np.floating]) -> Counts:
    """Returns how many similarities lie in each step; what is beyond -1..1 counts in the outermost one."""
    values = np.asarray(similarities if isinstance(similarities, np.ndarray) else list(similarities), dtype=np.float64)
    steps = np.clip(np.floor((values + 1) / 2 * BINS + 1e-9), 0, BINS - 1).astype(np.int64)
    return tuple(int(count) for count in np.bincount(steps, minlength=BINS))


def no_counts() -> Counts:
    """Returns counts of nothing."""
    return (0,) * BINS


def trim_counts(counts: Counts) -> tuple[int, Counts]:
    """Returns the first step that has any, and the counts from it to the last that has."""
    some = [place for place, count in enumerate(counts) if count]
    return (some[0], counts[some[0] : some[-1] + 1]) if some else (0, ())


def untrimmed_counts(first: int, counts: Sequence[int]) -> Counts:
    """Returns what `trim_counts` was given. Raises: ValueError for steps that there are not, or less than none."""
    end = first + len(counts)
    if first < 0 or end > BINS or min(counts, default=0) < 0:
        raise ValueError(f"steps {first} to {end} of {BINS}")
    empty = no_counts()
    return (*empty[:first], *counts, *empty[end:])


def add_counts(many: Iterable[Counts]) -> Counts:
    """Returns the counts of all together."""
    total = no_counts()
    for counts in many:
        total = tuple(one + other for one, other in zip(total, counts, strict=True))
    return total


def spread_of(exceeding: npt.NDArray[np.int_], partners: int) -> float:
    """Returns how many times the share of rare pairs varies more than that of independent pairs, at least 1.

    Args: exceeding has one value a person: how many of the person's pairs are rare; each is in `partners` pairs.
    """
    people = len(exceeding)
    share = float(exceeding.sum()) / max(people * partners, 1)
    if people < 2 or share <= 0 or share >= 1:  # noqa: PLR2004 - one person has no spread
        return 1.0
    pairs = people * partners / 2
    variance = 4 / people * float(np.var(exceeding / partners, ddof=1))
    return max(variance / (share * (1 - share) / pairs), 1.0)


def calibrate(
    engine_version: str, people: Sequence[str], faces: Sequence[Embedding], own: Iterable[float] = ()
) -> Calibration:
    """Returns the counts of every two faces of different people, and of holders' similarities with themselves.

    Of a camera, the faces are those of holders who were recognised there: any two of them are strangers. Their own
    similarities are not to be given then, for only those that were high enough are known.

    Args: people says whose each face is; there are faces of two people or more.
    """
    names, vectors = np.array(people), np.stack(faces)
    alike = np.asarray(vectors @ vectors.T, dtype=np.float64)
    apart = names[:, None] != names[None, :]
    strangers = alike[np.triu(apart)]
    rare = (alike >= np.quantile(strangers, 1 - TAIL_SHARE)) & apart
    return Calibration(
        engine_version=engine_version,
        strangers=count_similarities(strangers),
        own=count_similarities(own),
        people=len(set(people)),
        spread=spread_of(rare.sum(axis=1), len(people) - 1),
    )


@dataclass(frozen=True, kw_only=True)
class FalseMatch:
    """What a screen says instead of a cosine: one stranger in `one_in` is this much like the holder, or more.

    `basis` "general" means that the camera has no calibration of its own. One holder in `holders_one_in` is this unlike
    the own reference, or more: always in general, for a camera knows only those whom it recognised.
    """

    probability: float
    one_in: int
    basis: Basis
    pairs: int
    holders_one_in: int | None


def false_match(similarity: float, general: Calibration, own: Calibration | None) -> FalseMatch:
    """Returns what a similarity is worth at a camera; its own calibration counts only if it is enough.

    A calibration of another engine version than the general one does not count.
    """
    is_own = own is not None and own.is_enough and own.engine_version == general.engine_version
    chosen = own if own is not None and is_own else general
    probability = chosen.false_match(similarity)
    unlike = general.false_non_match(similarity)
    return FalseMatch(
        probability=probability,
        one_in=one_in(probability),
        basis="camera" if is_own else "general",
        pairs=chosen.pairs,
        holders_one_in=None if unlike is None else one_in(unlike),
    )


def one_in(probability: float) -> int:
    """Returns N of "one in N", rounded down to two digits, so that no more is promised than is known."""
    exact = 1 / probability
    step = int("1".ljust(len(str(int(exact))) - 1, "0"))
    return max(int(exact) // step * step, 1)


def merge_calibrations(many: Sequence[Calibration]) -> Calibration:
    """Returns the calibration of all pairs together; its people are at least those of the largest part.

    Raises: ValueError for none, or for several engine versions, whose similarities can't be compared.
    """
    versions = {one.engine_version for one in many}
    if len(versions) != 1:
        raise ValueError(f"calibrations of {len(versions)} engine versions")
    return Calibration(
        engine_version=versions.pop(),
        strangers=add_counts(one.strangers for one in many),
        own=add_counts(one.own for one in many),
        people=max(one.people for one in many),
        spread=max(one.spread for one in many),
    )


def _tail_probability(counts: Counts, similarity: float, spread: float) -> float:
    """Returns an upper bound of the share at or above a similarity, which never falls to 0 and never rises with it."""
    pairs = sum(counts)
    if pairs == 0:
        return 1.0
    above = np.cumsum(np.array(counts, dtype=np.int64)[::-1])[::-1]
    place = min(max(int(np.floor((similarity + 1) / 2 * BINS + 1e-9)), 0), BINS - 1)
    edge = _tail_edge(above, pairs)
    if place <= edge:
        return _upper(int(above[place]), pairs, spread)
    at_edge = _upper(int(above[edge]), pairs, spread)
    fitted = at_edge * float(np.exp(-(place - edge) / _slowest_decay(counts, above, edge, spread)))
    return max(fitted, int(above[place]) / pairs, 1 / (DECADES_BEYOND * pairs))


def _tail_edge(above: npt.NDArray[np.int64], pairs: int) -> int:
    """Returns the first step from which at most a hundredth of all lies, but with enough in the tail to fit it."""
    least = max(pairs * TAIL_SHARE, LEAST_IN_TAIL)
    return int(np.flatnonzero(above >= min(least, pairs))[-1])


def _slowest_decay(counts: Counts, above: npt.NDArray[np.int64], edge: int, spread: float) -> float:
    """Returns over how many steps the tail falls to 1/e: mean excess over the edge, enlarged by its uncertainty."""
    beyond = np.arange(len(counts) - edge) + 1
    in_tail = int(above[edge])
    mean_excess = float(np.dot(np.array(counts[edge:], dtype=np.float64), beyond)) / in_tail
    return mean_excess * (1 + Z_SAFE * float(np.sqrt(spread / in_tail)))


def _upper(hits: int, of: int, spread: float) -> float:
    """Returns the upper end of Wilson's interval, as of so many independent pairs as the spread leaves."""
    independent = max(of / spread, 1.0)
    share = hits / of
    z2 = Z_SAFE**2
    half = Z_SAFE * float(np.sqrt(share * (1 - share) / independent + z2 / (4 * independent**2)))
    return min((share + z2 / (2 * independent) + half) / (1 + z2 / independent), 1.0)
