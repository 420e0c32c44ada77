"""Columns that a filter compares: one value a swipe, or a list of texts, with what is unknown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.windows import Bools, Int32s, Int64s

Value = bool | int | str | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """For each swipe whether something holds; where neither, it is unknown. Both have shape (n,).

    `and`, `or` and `not` are Kleene's: what is unknown stays so unless the other side decides alone.
    """

    holds: Bools
    fails: Bools

    @classmethod
    def of(cls, values: Bools, known: Bools) -> Truth:
        """Returns what is known to be so, and known not to be."""
        return cls(holds=values & known, fails=~values & known)

    def __and__(self, other: Truth) -> Truth:
        return Truth(holds=self.holds & other.holds, fails=self.fails | other.fails)

    def __or__(self, other: Truth) -> Truth:
        return Truth(holds=self.holds | other.holds, fails=self.fails & other.fails)

    def __invert__(self) -> Truth:
        return Truth(holds=self.fails, fails=self.holds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """A whole number or a flag a swipe: int64 or bool."""

    values: Int64s | Bools
    known: Bools

    def at(self, rows: Int64s) -> list[bool | int | None]:
        """Returns the values of these rows, None where unknown."""
        pairs = zip(self.values[rows].tolist(), self.known[rows].tolist(), strict=True)
        return [value if known else None for value, known in pairs]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A text a swipe: a code of `names`, or −1 where unknown."""

    codes: Int32s | Int64s
    names: Sequence[str]

    @property
    def known(self) -> Bools:
        """Which swipes have one."""
        return self.codes >= 0

    def where(self, test: Callable[[str], bool]) -> Truth:
        """Returns where a text passes the test; each different one is tested once."""
        used = np.unique(self.codes)
        passed = np.fromiter((code >= 0 and test(self.names[code]) for code in used.tolist()), np.bool_, len(used))
        return Truth.of(passed[np.searchsorted(used, self.codes)], self.known)

    def at(self, rows: Int64s) -> list[str | None]:
        """Returns the texts of these rows, None where unknown."""
        return [self.names[code] if code >= 0 else None for code in self.codes[rows].tolist()]


@dataclass(frozen=True, slots=True, kw_only=True)
class WordLists:
    """A list of texts for each of `size` swipes: rows `owner` (ascending), codes of `names`."""

    owner: Int64s
    codes: Int32s
    names: Sequence[str]
    size: int

    def some(self, passing: Callable[[Sequence[str]], Sequence[bool]]) -> Truth:
        """Returns which lists hold a text that passes; each different text is asked about once."""
        used = np.unique(self.codes)
        passed = np.array(passing([self.names[code] for code in used.tolist()]), dtype=np.bool_)
        holds = np.zeros(self.size, dtype=np.bool_)
        holds[self.owner[passed[np.searchsorted(used, self.codes)]]] = True
        return Truth(holds=holds, fails=~holds)

    @property
    def known(self) -> Bools:
        """Every list is known."""
        return np.ones(self.size, dtype=np.bool_)

    def at(self, rows: Int64s) -> list[tuple[str, ...]]:
        """Returns the lists of these rows."""
        start, end = np.searchsorted(self.owner, rows, "left"), np.searchsorted(self.owner, rows, "right")
        spans = zip(start.tolist(), end.tolist(), strict=True)
        return [tuple(self.names[code] for code in self.codes[first:after].tolist()) for first, after in spans]


Column = Numbers | Words | WordLists
