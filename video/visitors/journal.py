"""Sealed pieces on disk, appended one after the other: what was synced is there whenever process or power ends.

The folder holds segments, NUMBER.enc, read in the order of their numbers. A segment is a row of pieces, each its length
(4 bytes, big-endian) and what the seal of that segment made of it; the first says only that it is a segment. A snapshot
is a segment that begins by voiding all before it; it is written beside and gets its name once it is whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from events.errors import ConfigError, TransientError
from video.sealing import Seal, SealBroken

HEAD: Final = b"swipewatch visitors"
LENGTH_BYTES: Final = 4
SUFFIX: Final = ".enc"
ALLOWED: Final = "segments sealed under this key: restore the key, or remove the folder to forget all visitors"


class NotKept(TransientError):
    """The disk has not taken it, and nothing of it is there; or it does not give what it has."""


class Journal:
    """Used by one thread at a time; but a snapshot may be written beside it."""

    def __init__(self, folder: Path, seal_for: Callable[[str], Seal]) -> None:
        """Nothing is read yet. Args: `seal_for` gives the seal of a segment by its name."""
        self._folder, self._seal_for = folder, seal_for
        self._file: int | None = None
        self._number = 0
        self._length = 0
        self.appended_bytes = 0
        """So much was appended since the last snapshot was begun."""
        self.torn_bytes = 0
        """So much of an unfinished last piece was cut off by `read`."""

    def read(self) -> Iterator[bytes]:
        """Yields every piece; afterwards more may be appended. What a crash has left of the last piece is cut off.

        Raises: ConfigError when a segment was sealed under another key, or altered; NotKept.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for part in self._folder.glob(f"*{SUFFIX}.part"):
                part.unlink()
            numbers = sorted(int(path.stem) for path in self._folder.glob(f"*{SUFFIX}"))
            for number in numbers:
                yield from self._segment(number, is_last=number == numbers[-1])
            if self._file is None:
                self._begin(numbers[-1] + 1 if numbers else 1)
        except OSError as error:
            self.close()
            raise _not_kept(error) from error

    def append(self, piece: bytes, *, synced: bool) -> None:
        """Afterwards the piece is in the file, and on the disk if `synced`. Raises: NotKept."""
        if self._file is None:
            raise NotKept("visitors: the journal is closed")
        sealed = _framed(self._seal_for(self._name(self._number)).seal(piece))
        try:
            _write_all(self._file, sealed, self._length)
            if synced:
                os.fsync(self._file)
        except OSError as error:
            with suppress(OSError):  # what is left of it then is written over by the next piece
                os.ftruncate(self._file, self._length)
            raise _not_kept(error) from error
        self._length += len(sealed)
        self.appended_bytes += len(sealed)

    def begin_snapshot(self) -> int:
        """Returns the number of a snapshot of all that was appended so far; what comes now is read after it."""
        if self._file is None:
            raise NotKept("visitors: the journal is closed")
        before = self._file
        try:
            os.fsync(before)
            self._begin(self._number + 2)
        except OSError as error:
            raise _not_kept(error) from error
        os.close(before)
        self.appended_bytes = 0
        return self._number - 1

    def write_snapshot(self, number: int, pieces: Iterable[bytes]) -> None:
        """Afterwards the snapshot is on the disk and the segments before it are gone. Raises: NotKept.

        Args: `number` as `begin_snapshot` gave it; `pieces`, of which the first voids all before.
        """
        path = self._path(number)
        part, seal = path.with_name(f"{path.name}.part"), self._seal_for(path.name)
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                for piece in (HEAD, *pieces):
                    file.write(_framed(seal.seal(piece)))
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            _sync(self._folder)
            for other in self._folder.glob(f"*{SUFFIX}"):
                if int(other.stem) < number:
                    other.unlink()
            _sync(self._folder)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise _not_kept(error) from error

    def close(self) -> None:
        """Everything is on the disk; nothing more is appended."""
        if self._file is not None:
            with suppress(OSError):
                os.fsync(self._file)
            os.close(self._file)
            self._file = None

    def _begin(self, number: int) -> None:
        """A new segment is there, with nothing in it yet."""
        head = _framed(self._seal_for(self._name(number)).seal(HEAD))
        file = os.open(self._path(number), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write_all(file, head, 0)
            os.fsync(file)
            _sync(self._folder)
        except OSError:
            os.close(file)
            self._path(number).unlink()
            raise
        self._file, self._number, self._length = file, number, len(head)

    def _segment(self, number: int, *, is_last: bool) -> Iterator[bytes]:
        """Yields a segment's pieces; of the last one the end may be torn, and it is gone on with."""
        path = self._path(number)
        content, seal = path.read_bytes(), self._seal_for(path.name)
        at, count = 0, 0
        while at < len(content):
            end = at + LENGTH_BYTES + int.from_bytes(content[at : at + LENGTH_BYTES], "big")
            try:
                piece = seal.unseal(content[at + LENGTH_BYTES : end])
            except SealBroken as error:
                is_torn = end >= len(content) or not any(content[at:])
                if is_last and is_torn and (count or len(content) < _head_bytes(seal)):
                    self.torn_bytes = len(content) - at
                    break
                raise ConfigError(str(self._folder), "visitors", str(error), ALLOWED) from error
            if count:
                yield piece
            at, count = end, count + 1
        if is_last and not count:
            path.unlink()
        elif is_last:
            self._file = os.open(path, os.O_RDWR)
            os.ftruncate(self._file, at)
            self._number, self._length = number, at
            self.appended_bytes += at

    def _path(self, number: int) -> Path:
        return self._folder / self._name(number)

    def _name(self, number: int) -> str:
        return f"{number:08d}{SUFFIX}"


def _not_kept(error: OSError) -> NotKept:
    return NotKept(f"visitors: {error.strerror or error}")


def _framed(sealed: bytes) -> bytes:
    return len(sealed).to_bytes(LENGTH_BYTES, "big") + sealed


def _write_all(file: int, content: bytes, at: int) -> None:
    written = os.pwrite(file, content, at)
    if written < len(content):
        raise OSError(f"the disk took {written} of {len(content)} bytes")


def _head_bytes(seal: Seal) -> int:
    return len(_framed(seal.seal(HEAD)))


def _sync(folder: Path) -> None:
    """Afterwards the names in the folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
