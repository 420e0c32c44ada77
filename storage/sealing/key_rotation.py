"""Another key for what is sealed: everything is sealed anew under it, and the old one goes once nothing needs it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from storage.errors import AlteredData, WrongKey
from storage.evidence.kept_files import KeptFiles
from storage.sealing.crypto import Keyring, earlier_keys, put_new_key
from storage.sealing.rows import SealedRows

QUIET_S: Final = 60.0
"""So long after a new key came into force a process may still be writing what it sealed before."""


class Resealed(msgspec.Struct, frozen=True, kw_only=True):
    """What one pass did: `done` came under the key in force, `stuck` (kind and id) open under no key at hand."""

    done: int
    stuck: tuple[str, ...]


class KeyRotation:
    """Of one key file and all that is sealed by it. Killed at any moment, the next one goes on where it was."""

    def __init__(self, path: Path, keyring: Keyring, files: Sequence[KeptFiles], rows: Sequence[SealedRows]) -> None:
        self._path, self._keyring, self._files, self._rows = path, keyring, files, rows

    def is_unfinished(self) -> bool:
        """Returns whether an earlier key is still there."""
        return bool(earlier_keys(self._path))

    def begin(self) -> None:
        """A new key is in force, in every process; the one before still opens what it sealed. Raises: KeyUnusable."""
        put_new_key(self._path)

    def count(self) -> int:
        """Returns how many things are sealed."""
        return sum(1 for kept in self._files for _ in kept.files.ids()) + sum(rows.count() for rows in self._rows)

    def reseal(self, progress: Callable[[int], None]) -> Resealed:
        """Returns what was sealed anew; `progress` is told of each thing that was looked at.

        Raises: TransientError if the disk or the database does not answer.
        """
        done, stuck = 0, []
        for name, reseal in self._everything():
            try:
                done += reseal()
            except (AlteredData, WrongKey):
                stuck.append(name)
            progress(1)
        return Resealed(done=done, stuck=tuple(stuck))

    def seconds_until_quiet(self, quiet_s: float) -> float:
        """Returns how long it takes until nobody can still be writing under the key before."""
        return max(0.0, self._path.stat().st_mtime + quiet_s - time.time())

    def retire(self) -> None:
        """The earlier keys are gone. To be called only after a pass that found nothing to do and nothing stuck."""
        for path in earlier_keys(self._path):
            path.unlink()

    def _everything(self) -> Iterator[tuple[str, Callable[[], bool]]]:
        for kept in self._files:
            for file_id in kept.files.ids():
                yield f"{kept.kind.name} {file_id}", partial(kept.files.reseal, file_id)
        for rows in self._rows:
            for row_id in rows.ids():
                yield f"{rows.column.name} {row_id}", partial(rows.reseal, row_id)
