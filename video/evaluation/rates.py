"""Rates with their confidence, and what a set of similarities is worth. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Similarities = npt.NDArray[np.float64]
Z_95 = 1.959964
"""Standard deviations of a two-sided interval of 95 %."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How many of how many, and Wilson's interval of 95 % around it."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The share, 0 of nothing."""
        return self.hits / self.of if self.of else 0.0

    @property
    def low(self) -> float:
        """The interval's lower end."""
        return max(self._middle - self._half, 0.0) if self.of else 0.0

    @property
    def high(self) -> float:
        """The interval's upper end; above 0 also where nothing was counted."""
        return min(self._middle + self._half, 1.0) if self.of else 1.0

    @property
    def _middle(self) -> float:
        return (self.hits + Z_95**2 / 2) / (self.of + Z_95**2)

    @property
    def _half(self) -> float:
        spread = self.value * (1 - self.value) * self.of + Z_95**2 / 4
        return Z_95 * float(np.sqrt(spread)) / (self.of + Z_95**2)


@dataclass(frozen=True, kw_only=True)
class FoldedAccuracy:
    """Accuracy on each fold with the threshold that is best on all others; their mean and its standard error."""

    mean: float
    standard_error: float
    folds: tuple[float, ...]
    thresholds: tuple[float, ...]


def best_threshold(own: Similarities, strange: Similarities) -> float:
    """Returns the similarity from which to say "same" with the fewest errors; of equal ones the middle."""
    candidates = np.unique(np.concatenate([own, strange]))
    edges = (candidates[1:] + candidates[:-1]) / 2
    if not len(edges):
        return float(candidates[0])
    missed = np.searchsorted(np.sort(own), edges, side="left")
    taken = len(strange) - np.searchsorted(np.sort(strange), edges, side="left")
    errors = missed + taken
    best = edges[errors == errors.min()]
    return float(best[len(best) // 2])


def folded_accuracy(
    similarities: Similarities, same: npt.NDArray[np.bool_], fold: npt.NDArray[np.int_]
) -> FoldedAccuracy:
    """Returns how often the pairs of a fold are told right by a threshold that has not seen them.

    Args: similarities, same and fold have one value for each pair; there are two folds or more.
    """
    accuracies: list[float] = []
    thresholds: list[float] = []
    for number in np.unique(fold):
        tested = fold == number
        known, known_same = similarities[~tested], same[~tested]
        threshold = best_threshold(known[known_same], known[~known_same])
        thresholds.append(threshold)
        accuracies.append(float(((similarities[tested] >= threshold) == same[tested]).mean()))
    spread = float(np.std(accuracies, ddof=1)) / float(np.sqrt(len(accuracies))) if len(accuracies) > 1 else 0.0
    return FoldedAccuracy(
        mean=float(np.mean(accuracies)),
        standard_error=spread,
        folds=tuple(accuracies),
        thresholds=tuple(thresholds),
    )


def threshold_at(strange: Similarities, false_accepts: float) -> float:
    """Returns the lowest similarity from which at most that share of strangers is taken for the person."""
    most = int(np.floor(len(strange) * false_accepts + 1e-9))
    if most >= len(strange):
        return float(strange.min())
    return float(np.nextafter(np.sort(strange)[len(strange) - most - 1], np.inf))


def accepted_at(similarities: Similarities, threshold: float) -> Rate:
    """Returns how many are accepted from a threshold on."""
    return Rate(hits=int((similarities >= threshold).sum()), of=len(similarities))
