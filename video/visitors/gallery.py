"""The looks of visitors as the rows of one matrix without holes. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from video.engine import Embedding

DIMENSIONS: Final = 128
LEAST_ROWS: Final = 256

Faces = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


class Gallery:
    """Looks, each of an owner. Adding one, and removing an owner's, costs the same however many there are.

    The matrix has room for up to twice as many; a removed look is overwritten by the last one, whose row is zeroed.
    """

    def __init__(self) -> None:
        self._faces: Faces = np.zeros((LEAST_ROWS, DIMENSIONS), np.float32)
        self._owners: list[bytes] = []
        self._rows: dict[bytes, list[int]] = {}

    def __len__(self) -> int:
        return len(self._owners)

    @property
    def room_bytes(self) -> int:
        """Returns how much memory the matrix takes."""
        return self._faces.nbytes

    def add(self, owner: bytes, look: Embedding) -> None:
        """The owner has one look more."""
        row = len(self._owners)
        if row == len(self._faces):
            self._resize(2 * row)
        self._faces[row] = look
        self._owners.append(owner)
        self._rows.setdefault(owner, []).append(row)

    def remove(self, owner: bytes) -> None:
        """The owner has no look."""
        for row in sorted(self._rows.pop(owner, ()), reverse=True):
            last = len(self._owners) - 1
            mover = self._owners.pop()
            if row != last:
                self._faces[row], self._owners[row] = self._faces[last], mover
                rows = self._rows[mover]
                rows[rows.index(last)] = row
            self._faces[last] = 0
        if LEAST_ROWS < len(self._faces) > 4 * len(self._owners):
            self._resize(max(LEAST_ROWS, 2 * len(self._owners)))

    def looks(self, owner: bytes) -> Faces:
        """Returns the looks of an owner, a copy, a row each."""
        return self._faces[self._rows.get(owner, [])]

    def rows_of(self, owners: Iterable[bytes]) -> Rows:
        """Returns where the looks of these owners are."""
        return np.fromiter((row for owner in owners for row in self._rows[owner]), np.int64)

    def owner(self, row: int) -> bytes:
        """Returns whose look a row is."""
        return self._owners[row]

    def similarities(self, faces: Faces, rows: Rows | None = None) -> Faces:
        """Returns the cosine of each face (a row) with each look (a column): those of `rows`, or all."""
        looks = self._faces[: len(self._owners)] if rows is None else self._faces[rows]
        return np.asarray(faces @ looks.T, dtype=np.float32)

    def _resize(self, rows: int) -> None:
        faces = np.zeros((rows, DIMENSIONS), np.float32)
        faces[: len(self._owners)] = self._faces[: len(self._owners)]
        self._faces = faces
