"""Append-only columns of numbers, bytes and texts, in memory or in files that are mapped into it.

A column only ever grows at its end, so a file that was sound with n rows stays sound for those n rows for ever: a
snapshot is no more than the counts and checksums of a moment.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from detectors.windows import FEW, Int64s

FIRST_CAPACITY = 1024
GROWTH = 1.5
CRC_BYTES = 1 << 24
COPIED_TOGETHER = 1 << 18

_WIDER = {"i1": "i2", "i2": "i4", "i4": "i8", "f4": "f8"}


def private(path: str, flags: int) -> int:
    """Opens a file that nobody but its owner may read; the opener of `open`."""
    return os.open(path, flags, 0o600)


class StoreCorrupt(Exception):
    """A file of the store is not what its snapshot says; the log has everything."""


class ColumnState(msgspec.Struct, frozen=True):
    """What a snapshot remembers of a column: its type, how many rows it had and the CRC-32 of their bytes."""

    dtype: str
    rows: int
    crc: int


class Column:
    """A growing column of integers or floats; it widens its type by itself when a value needs it.

    Args:
        dtype: the narrowest type to begin with: i1, i2, i4, i8, u1, u4, f4 or f8.
        path: where the file lies, its type is added to the name; None keeps the column in memory.
        state: what the file held; None begins anew.
    Raises: StoreCorrupt when the file is not what the state says.
    """

    def __init__(self, dtype: str, path: Path | None = None, state: ColumnState | None = None) -> None:
        self._dtype, self._path = dtype if state is None else state.dtype, path
        self._rows = 0
        self._crc, self._crc_rows = 0, 0
        self._map: np.memmap[Any, Any] | None = None
        self._data = self._allocate(FIRST_CAPACITY) if state is None else self._restored(state)

    def __len__(self) -> int:
        return self._rows

    @property
    def values(self) -> npt.NDArray[Any]:
        """Returns all rows; shape (n,). Not to be written to, and not to be kept over the next `extend`."""
        return self._data[: self._rows]

    @property
    def memory_bytes(self) -> int:
        """Returns how many bytes the rows take."""
        return self._rows * int(self._data.itemsize)

    def extend(self, values: npt.ArrayLike) -> None:
        """Afterwards the values stand at the end."""
        given = np.asarray(values)
        if len(given) == 0:
            return
        self._widen_for(given)
        self._reserve(self._rows + len(given))
        self._data[self._rows : self._rows + len(given)] = given
        self._rows += len(given)

    def freeze(self) -> ColumnState:
        """Returns the state of this moment, all of it on disk."""
        if self._map is not None:
            self._map.flush()
        raw = self.values[self._crc_rows :].view(np.uint8)
        for first in range(0, len(raw), CRC_BYTES):
            self._crc = zlib.crc32(raw[first : first + CRC_BYTES].data, self._crc)
        self._crc_rows = self._rows
        return ColumnState(self._dtype, self._rows, self._crc)

    def _file(self) -> Path:
        if self._path is None:
            raise StoreCorrupt("a column in memory has no file")
        return self._path.with_name(f"{self._path.name}.{self._dtype}")

    def _restored(self, state: ColumnState) -> npt.NDArray[Any]:
        file, size = self._file(), np.dtype(state.dtype).itemsize
        if not file.is_file() or file.stat().st_size < max(state.rows, 1) * size:
            raise StoreCorrupt(f"{file.name} is missing or too short")
        self._rows = state.rows
        self._data = self._view_of(file, state.dtype)
        if self.freeze() != state:
            raise StoreCorrupt(f"{file.name} has another checksum than its snapshot says")
        return self._data

    def _widen_for(self, values: npt.NDArray[Any]) -> None:
        dtype = self._dtype
        while dtype in _WIDER and not _fits(values, dtype):
            dtype = _WIDER[dtype]
        if dtype != self._dtype:
            before = self.values
            self._dtype, self._crc, self._crc_rows = dtype, 0, 0
            self._data = self._allocate(max(FIRST_CAPACITY, len(before)))
            self._data[: len(before)] = before

    def _reserve(self, rows: int) -> None:
        if rows > len(self._data):
            before = self.values
            capacity = max(rows, int(len(self._data) * GROWTH))
            if self._path is None:
                self._data = self._allocate(capacity)
                self._data[: len(before)] = before
            else:
                self._data = self._allocate(capacity)  # the same file, longer: the rows are there

    def _allocate(self, capacity: int) -> npt.NDArray[Any]:
        if self._path is None:
            return np.empty(capacity, dtype=self._dtype)
        file = self._file()
        size = capacity * np.dtype(self._dtype).itemsize
        with open(file, "r+b" if file.exists() else "w+b", opener=private) as opened:
            os.posix_fallocate(opened.fileno(), 0, size)  # a full disk is an error here, not a signal at a write
        return self._view_of(file, self._dtype)

    def _view_of(self, file: Path, dtype: str) -> npt.NDArray[Any]:
        """Returns the file's rows as an ordinary array: of a memmap each slice would become an object of its own."""
        mapped = self._map = np.memmap(file, dtype=dtype, mode="r+")
        return mapped.view(np.ndarray)


class Blobs:
    """A growing column of byte strings: one heap (u1) and the end of each row in it (i4)."""

    def __init__(self, heap: Column, ends: Column) -> None:
        self._heap, self._ends = heap, ends

    def __len__(self) -> int:
        return len(self._ends)

    def extend(self, values: Sequence[bytes]) -> None:
        """Afterwards the values stand at the end."""
        if not values:
            return
        ends = np.cumsum([len(value) for value in values], dtype=np.int64) + len(self._heap)
        self._heap.extend(np.frombuffer(b"".join(values), dtype=np.uint8))
        self._ends.extend(ends)

    def extend_from(self, other: Blobs, rows: Int64s) -> None:
        """Afterwards these rows of another column stand at the end."""
        ends = other._ends.values.astype(np.int64)
        starts = np.where(rows > 0, ends[rows - 1], 0) if len(rows) else np.zeros(0, dtype=np.int64)
        sizes = ends[rows] - starts
        self._ends.extend(np.cumsum(sizes) + len(self._heap))
        for first in range(0, len(rows), COPIED_TOGETHER):
            some = slice(first, first + COPIED_TOGETHER)
            self._heap.extend(other._heap.values[ranges(starts[some], sizes[some])[1]])

    def at(self, rows: npt.ArrayLike) -> list[bytes]:
        """Returns the values of these rows."""
        wanted = np.asarray(rows, dtype=np.int64)
        if len(wanted) == 0:
            return []
        ends = self._ends.values
        if len(wanted) <= FEW:
            text = self._heap.values.data
            return [bytes(text[ends[row - 1] if row else 0 : ends[row]]) for row in wanted.tolist()]
        starts = np.where(wanted > 0, ends[wanted - 1], 0).tolist()
        heap = self._heap.values.data
        return [bytes(heap[start:end]) for start, end in zip(starts, ends[wanted].tolist(), strict=True)]


def encode_text(text: str) -> bytes:
    """Returns the bytes under which a text is kept and hashed."""
    try:
        return text.encode()
    except UnicodeEncodeError:  # a surrogate without its other half
        return text.encode("utf-8", "surrogatepass")


def texts_of(blobs: Blobs, rows: npt.ArrayLike) -> list[str]:
    """Returns the texts of these rows."""
    return [value.decode("utf-8", "surrogatepass") for value in blobs.at(rows)]


def extend_texts(blobs: Blobs, texts: Iterable[str]) -> None:
    """Afterwards the texts stand at the end."""
    blobs.extend([encode_text(text) for text in texts])


def numbered(values: npt.NDArray[np.signedinteger]) -> tuple[Int64s, Int64s]:
    """Returns (different values, ascending; the number of each value's among them)."""
    if len(values) > FEW:
        used, number = np.unique(values, return_inverse=True)
        return used.astype(np.int64), number.astype(np.int64)
    listed: list[int] = values.tolist()
    ascending = sorted(set(listed))
    place = {value: number for number, value in enumerate(ascending)}
    return np.array(ascending, dtype=np.int64), np.array([place[value] for value in listed], dtype=np.int64)


def _fits(values: npt.NDArray[Any], dtype: str) -> bool:
    if dtype.startswith("f"):
        with np.errstate(over="ignore"):
            return bool(np.array_equal(values.astype(dtype).astype(np.float64), values, equal_nan=True))
    bounds = np.iinfo(dtype)
    return bool(values.min() >= bounds.min and values.max() <= bounds.max)


def ranges(starts: Int64s, counts: Int64s) -> tuple[Int64s, Int64s]:
    """Returns (owner, number) for every number of the ranges [start, start + count), owner by owner."""
    owners = np.repeat(np.arange(len(starts), dtype=np.int64), counts)
    offsets = np.arange(len(owners), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
    return owners, np.repeat(starts, counts) + offsets
