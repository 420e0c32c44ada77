"""Texts and their codes: every different text once, numbered from 0 in order of first sight."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from detectors.windows import Int64s
from streams.store.columns import Blobs, encode_text, extend_texts, texts_of
from streams.store.key_index import KeyIndex, hashes_of

REMEMBERED = 65_536


class Names:
    """A dictionary of texts without a Python object for each: a heap of texts and an index of their hashes."""

    def __init__(self, texts: Blobs, index: KeyIndex) -> None:
        self._texts, self._index = texts, index
        self._remembered: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def codes(self, names: Sequence[str | None]) -> Int64s:
        """Returns the code of each name, a new one at first sight; −1 for None."""
        self._forget()
        self._learn({name for name in names if name is not None})
        remembered = self._remembered
        return np.fromiter((-1 if name is None else remembered[name] for name in names), np.int64, len(names))

    def find(self, names: Sequence[str]) -> Int64s:
        """Returns the code of each name seen before, −1 for the others."""
        self._forget()
        self._look_up({name for name in names if name not in self._remembered})
        remembered = self._remembered
        return np.fromiter((remembered.get(name, -1) for name in names), np.int64, len(names))

    def of(self, codes: npt.ArrayLike) -> list[str]:
        """Returns the names of codes (≥ 0)."""
        return texts_of(self._texts, codes)

    def extend_from(self, other: Names, codes: Int64s) -> Int64s:
        """Takes these names (codes ascending, each once) of another dictionary over; returns each new code.

        Shape (names of the other + 1,): what was left out has −1, and so has −1 itself: it is the last.
        """
        place_of = np.full(len(other) + 1, -1, dtype=np.int64)
        place_of[codes] = np.arange(len(codes), dtype=np.int64)
        self._texts.extend_from(other._texts, codes)
        self._index.extend_from(other._index, place_of)
        return place_of

    def _forget(self) -> None:
        if len(self._remembered) > REMEMBERED:
            self._remembered.clear()

    def _learn(self, names: Iterable[str]) -> None:
        unknown = [name for name in names if name not in self._remembered]
        self._look_up(unknown)
        new = [name for name in unknown if name not in self._remembered]
        if new:
            first = len(self._texts)
            extend_texts(self._texts, new)
            self._index.add(hashes_of(new), first)
            self._remembered.update(zip(new, range(first, first + len(new)), strict=True))

    def _look_up(self, names: Iterable[str]) -> None:
        """Remembers those of the names that have a code."""
        asked = list(names)
        if not asked or len(self._texts) == 0:
            return
        owner, code = self._index.find(hashes_of(asked))
        wanted = [encode_text(name) for name in asked]
        for number, one, text in zip(owner.tolist(), code.tolist(), self._texts.at(code), strict=True):
            if wanted[number] == text:
                self._remembered[asked[number]] = one
