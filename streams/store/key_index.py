"""Rows by key: sorted runs of (hash, row), merged as they grow, before them a small table of the newest.

A hash stands for a key, so a search may return rows of another key with the same hash: whoever asks compares the key.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from detectors.windows import Int64s
from events.errors import InvariantError
from streams.store.columns import StoreCorrupt, encode_text, private, ranges

NEWEST_ROWS = 4096
MERGE_RATIO = 4

ENTRY_BYTES = 8

Hashes = npt.NDArray[np.uint32]
Rows = npt.NDArray[np.uint32]


def hash_of(*parts: str) -> int:
    """Returns the 32-bit hash of a key of one or more texts; the same in every process."""
    text = parts[0] if len(parts) == 1 else "\x00".join(parts)
    return zlib.crc32(encode_text(text))


def hashes_of(texts: Iterable[str]) -> Hashes:
    """Returns the hashes of keys of one text each."""
    crc32 = zlib.crc32
    return np.array([crc32(encode_text(text)) for text in texts], dtype=np.uint32)


class RunState(msgspec.Struct, frozen=True):
    """What a snapshot remembers of a run: its file, how many rows it has and their CRC-32."""

    file: str
    rows: int
    crc: int


@dataclass(slots=True)
class _Run:
    """Entries by hash, those of one hash in the order they were added."""

    hashes: Hashes
    rows: Rows
    state: RunState | None = None

    def __len__(self) -> int:
        return len(self.hashes)

    def crc(self) -> int:
        return zlib.crc32(self.rows.data, zlib.crc32(self.hashes.data))


class KeyIndex:
    """Rows by the hash of their key. Adding is cheap; a search costs one binary search a run and key.

    Args:
        path: where the files of runs lie, a number is added to the name; None keeps them in memory.
        states: the runs there were.
    Raises: StoreCorrupt when a file is not what its state says.
    """

    def __init__(self, path: Path | None = None, states: Sequence[RunState] = ()) -> None:
        self._path = path
        self._newest: dict[int, list[int]] = {}
        self._newest_rows = 0
        self._runs = [self._restored(state) for state in states]
        self._made = max((int(state.file.rpartition("-")[2]) for state in states), default=0)

    @property
    def memory_bytes(self) -> int:
        """Returns how many bytes the runs take."""
        return sum(int(run.hashes.nbytes + run.rows.nbytes) for run in self._runs)

    def add(self, hashes: npt.ArrayLike, first_row: int) -> None:
        """Adds one row after another, `first_row` and on, under these hashes."""
        given = np.asarray(hashes, dtype=np.uint32)
        self.add_pairs(given, np.arange(first_row, first_row + len(given), dtype=np.uint32))

    def add_pairs(self, hashes: npt.ArrayLike, rows: npt.ArrayLike) -> None:
        """Adds rows under hashes, one each."""
        given, places = np.asarray(hashes, dtype=np.uint32), np.asarray(rows, dtype=np.uint32)
        if len(given) >= NEWEST_ROWS:
            self._flush()
            self._merge(_sorted_run(given, places))
            return
        newest = self._newest
        for key_hash, row in zip(given.tolist(), places.tolist(), strict=True):
            known = newest.get(key_hash)
            if known is None:
                newest[key_hash] = [row]
            else:
                known.append(row)
        self._newest_rows += len(given)
        if self._newest_rows >= NEWEST_ROWS:
            self._flush()

    def extend_from(self, other: KeyIndex, place_of: Int64s) -> None:
        """Adds the entries of another index, row by row at their new places; a place of −1 leaves an entry out."""
        other._flush()
        for run in other._runs:
            places = place_of[run.rows]
            kept = places >= 0
            if kept.any():
                self._runs.append(_Run(run.hashes[kept], places[kept].astype(np.uint32)))

    def find(self, hashes: Sequence[int] | Hashes) -> tuple[Int64s, Int64s]:
        """Returns (number, row) of every row whose hash is the one of that number, in no order."""
        wanted = np.asarray(hashes, dtype=np.uint32)
        found = [_found_in(run, wanted) for run in self._runs]
        newest = self._newest
        pairs = [(number, row) for number, one in enumerate(wanted.tolist()) for row in newest.get(one, ())]
        if pairs or not found:
            found.append((np.array([n for n, _ in pairs], np.int64), np.array([row for _, row in pairs], np.int64)))
        if len(found) == 1:
            return found[0]
        return np.concatenate([owner for owner, _ in found]), np.concatenate([rows for _, rows in found])

    def freeze(self) -> list[RunState]:
        """Returns the state of this moment, all of it on disk."""
        self._flush()
        self._runs = [run if run.state is not None else self._written(run) for run in self._runs]
        return [run.state for run in self._runs if run.state is not None]

    def _flush(self) -> None:
        """Turns the newest rows into a run."""
        if not self._newest:
            return
        counts = np.fromiter((len(rows) for rows in self._newest.values()), np.int64, len(self._newest))
        hashes = np.repeat(np.fromiter(self._newest, np.uint32, len(self._newest)), counts)
        rows = np.fromiter((row for rows in self._newest.values() for row in rows), np.uint32, len(hashes))
        self._newest, self._newest_rows = {}, 0
        self._merge(_sorted_run(hashes, rows))

    def _merge(self, run: _Run) -> None:
        """Adds a run and merges runs of like size; of one hash, earlier rows stay before later ones."""
        self._runs.append(run)
        while len(self._runs) > 1 and len(self._runs[-2]) < MERGE_RATIO * len(self._runs[-1]):
            last, before = self._runs.pop(), self._runs.pop()
            self._runs.append(
                _sorted_run(np.concatenate([before.hashes, last.hashes]), np.concatenate([before.rows, last.rows]))
            )

    def _written(self, run: _Run) -> _Run:
        self._made += 1
        file = self._file(self._made)
        with open(file, "wb", opener=private) as opened:
            opened.write(run.hashes.data)
            opened.write(run.rows.data)
            opened.flush()
            os.fsync(opened.fileno())
        return self._restored(RunState(file.name, len(run), run.crc()))

    def _restored(self, state: RunState) -> _Run:
        file = self._file(int(state.file.rpartition("-")[2]))
        if not file.is_file() or file.stat().st_size != ENTRY_BYTES * state.rows:
            raise StoreCorrupt(f"{file.name} is missing or of another length")
        both = np.memmap(file, dtype=np.uint32, mode="r")
        run = _Run(both[: state.rows], both[state.rows :], state)
        if run.crc() != state.crc:
            raise StoreCorrupt(f"{file.name} has another checksum than its snapshot says")
        return run

    def _file(self, number: int) -> Path:
        if self._path is None:
            raise InvariantError("an index in memory has no file")
        return self._path.with_name(f"{self._path.name}-{number}")


def _found_in(run: _Run, wanted: Hashes) -> tuple[Int64s, Int64s]:
    starts = np.searchsorted(run.hashes, wanted, side="left").astype(np.int64)
    counts = np.searchsorted(run.hashes, wanted, side="right") - starts
    owner, position = ranges(starts, counts)
    return owner, run.rows[position].astype(np.int64)


def _sorted_run(hashes: Hashes, rows: Rows) -> _Run:
    order = np.argsort(hashes, kind="stable")
    return _Run(hashes[order], rows[order])
