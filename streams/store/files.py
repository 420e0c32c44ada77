"""The files of a store: makes its columns and indexes, freezes them together and brings them back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from streams.store.columns import Blobs, Column, ColumnState
from streams.store.key_index import KeyIndex, RunState
from streams.store.names import Names


class FilesState(msgspec.Struct, frozen=True):
    """What every column and index of a store held at one moment."""

    columns: dict[str, ColumnState]
    indexes: dict[str, tuple[RunState, ...]]


class Files:
    """Gives out columns and indexes by name, new ones or as a state says; with no directory they are in memory.

    Raises: StoreCorrupt, when a part is made of a file that is not what the state says.
    """

    def __init__(self, directory: Path | None = None, state: FilesState | None = None) -> None:
        self._directory, self._state = directory, state
        self._columns: dict[str, Column] = {}
        self._indexes: dict[str, KeyIndex] = {}
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def column(self, name: str, dtype: str) -> Column:
        """Returns a column that begins as narrow as `dtype`."""
        state = None if self._state is None else self._state.columns[name]
        self._columns[name] = Column(dtype, self._path(name), state)
        return self._columns[name]

    def index(self, name: str) -> KeyIndex:
        """Returns an index of rows by key."""
        states: Sequence[RunState] = () if self._state is None else self._state.indexes[name]
        self._indexes[name] = KeyIndex(self._path(name), states)
        return self._indexes[name]

    def blobs(self, name: str) -> Blobs:
        """Returns a column of byte strings."""
        return Blobs(self.column(f"{name}_bytes", "u1"), self.column(f"{name}_ends", "i4"))

    def names(self, name: str) -> Names:
        """Returns a dictionary of texts."""
        return Names(self.blobs(name), self.index(f"{name}_index"))

    @property
    def memory_bytes(self) -> dict[str, int]:
        """Returns how many bytes each part takes."""
        return {name: part.memory_bytes for name, part in (self._columns | self._indexes).items()}

    def freeze(self) -> FilesState:
        """Returns the state of this moment, all of it on disk."""
        return FilesState(
            {name: column.freeze() for name, column in self._columns.items()},
            {name: tuple(index.freeze()) for name, index in self._indexes.items()},
        )

    def sweep(self, state: FilesState) -> None:
        """Afterwards there are no files but those that a state needs, and those in use."""
        if self._directory is None:
            return
        needed = {f"{name}.{column.dtype}" for name, column in state.columns.items()}
        needed |= {run.file for runs in state.indexes.values() for run in runs}
        for file in self._directory.iterdir():
            if file.name not in needed:
                file.unlink()

    def _path(self, name: str) -> Path | None:
        return None if self._directory is None else self._directory / name
