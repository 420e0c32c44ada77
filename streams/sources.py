"""Where offers come from: files and lists, read in chunks, and single originals read again."""

from __future__ import annotations

import gzip
import zlib
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import chain, groupby
from pathlib import Path
from typing import BinaryIO, Protocol

from events.dead_letters import Place
from events.errors import ConfigError
from streams.arrivals import Chunk, chunk_of
from streams.places import Offer, Progress, unnoticed

CHUNK_BYTES = 16 * 2**20
CHUNK_LINES = 20_000
LINE_BYTES, PACKED_LINE_BYTES = 500, 60
"""Of a usual event."""


class Source(Protocol):
    """Offers in order of arrival, which count from 0."""

    def size(self) -> int:
        """Returns about how many offers there are."""

    def chunks(self, first: int, progress: Progress) -> Iterator[Chunk]:
        """Yields all offers; the first gets the number `first`."""

    def offers(self, progress: Progress) -> Iterator[Offer]:
        """Yields all offers."""

    def originals(self, numbers: Sequence[int]) -> Iterator[bytes]:
        """Yields the originals of these offers, whose numbers ascend."""

    def place(self, number: int) -> Place:
        """Returns where an offer stands."""


class Offered:
    """Offers that are at hand."""

    def __init__(self, offers: Sequence[Offer]) -> None:
        self._offers = offers

    def size(self) -> int:
        """Returns how many offers there are."""
        return len(self._offers)

    def chunks(self, first: int, progress: Progress) -> Iterator[Chunk]:
        """Yields all offers; nobody is told of progress."""
        del progress
        for start in range(0, len(self._offers), CHUNK_LINES):
            yield chunk_of([original for original, _ in self._offers[start : start + CHUNK_LINES]], first + start)

    def offers(self, progress: Progress) -> Iterator[Offer]:
        """Yields all offers; nobody is told of progress."""
        del progress
        return iter(self._offers)

    def originals(self, numbers: Sequence[int]) -> Iterator[bytes]:
        """Yields the originals of these offers."""
        return (self._offers[number][0] for number in numbers)

    def place(self, number: int) -> Place:
        """Returns the place that came with an offer."""
        return self._offers[number][1]


class JsonLinesFile:
    """A .jsonl or .jsonl.gz file; all its lines count, also the blank ones, which offer nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def size(self) -> int:
        """Returns about how many lines there are, from the file's size. Raises: ConfigError when there is no file."""
        try:
            return self._path.stat().st_size // (PACKED_LINE_BYTES if self._path.suffix == ".gz" else LINE_BYTES)
        except OSError as error:
            raise ConfigError(str(self._path), "FILE", str(self._path), f"cannot be read: {error}") from error

    def chunks(self, first: int, progress: Progress) -> Iterator[Chunk]:
        """Yields all lines that are not blank. Raises: ConfigError when the file cannot be read."""
        for start, lines in self._blocks(progress):
            yield _without_blanks(chunk_of(lines, first + start))

    def offers(self, progress: Progress) -> Iterator[Offer]:
        """Yields all lines that are not blank. Raises: ConfigError when the file cannot be read."""
        for start, lines in self._blocks(progress):
            for number, line in enumerate(lines, start):
                if line.strip():
                    yield line, self.place(number)

    def originals(self, numbers: Sequence[int]) -> Iterator[bytes]:
        """Yields the originals of these lines; reads the file up to the last of them."""
        wanted = deque(numbers)
        for start, lines in self._blocks(unnoticed):
            while wanted and wanted[0] - start < len(lines):
                yield lines[wanted.popleft() - start]
            if not wanted:
                return
        raise ConfigError(str(self._path), "FILE", str(self._path), "has changed, or cannot be read a second time")

    def place(self, number: int) -> Place:
        """Returns file and line, which counts from 1."""
        return Place(file=str(self._path), line=number + 1)

    def _blocks(self, progress: Progress) -> Iterator[tuple[int, list[bytes]]]:
        """Yields lines without their ends, with the number of the first of them."""
        told, number = 0, 0
        try:
            with self._path.open("rb") as file, _unpacked(file, self._path) as unpacked:
                while block := unpacked.read(CHUNK_BYTES):
                    block += unpacked.readline()
                    lines = block.removesuffix(b"\n").split(b"\n")
                    yield number, [line.removesuffix(b"\r") for line in lines] if b"\r" in block else lines
                    number += len(lines)
                    progress(file.tell() - told)
                    told = file.tell()
        except (OSError, EOFError, zlib.error) as error:
            raise ConfigError(str(self._path), "FILE", str(self._path), f"cannot be read: {error}") from error


def _without_blanks(chunk: Chunk) -> Chunk:
    """Returns the chunk without what is no event because its line is blank."""
    return replace(chunk, invalid=[invalid for invalid in chunk.invalid if invalid.original.strip()])


def _unpacked(file: BinaryIO, path: Path) -> AbstractContextManager[BinaryIO | gzip.GzipFile]:
    return gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else nullcontext(file)


def source_of(path: Path) -> Source:
    """Returns the reader of an event file."""
    if path.suffix == ".parquet":
        from streams.parquet.source import ParquetFile  # noqa: PLC0415 - Arrow is loaded by those who read Parquet

        return ParquetFile(path)
    return JsonLinesFile(path)


def events_in(files: Sequence[Path]) -> int:
    """Returns about how many events the files hold. Raises: ConfigError when one cannot be read."""
    return sum(source_of(file).size() for file in files)


def read_offers(path: Path, progress: Progress = unnoticed) -> Iterator[Offer]:
    """Yields every offer of an event file with its place. Raises: ConfigError when the file cannot be read."""
    return source_of(path).offers(progress)


class Input:
    """Sources one after another; their offers are numbered through."""

    def __init__(self, sources: Sequence[Source], progress: Progress = unnoticed) -> None:
        self._sources, self._progress = sources, progress
        self._starts: list[int] = []

    def chunks(self) -> Iterator[Chunk]:
        """Yields everything."""
        number = 0
        for source in self._sources:
            self._starts.append(number)
            for chunk in source.chunks(number, self._progress):
                yield chunk
                number = chunk.first + chunk.size

    def offers(self) -> Iterator[Offer]:
        """Yields every offer with its place."""
        return chain.from_iterable(source.offers(self._progress) for source in self._sources)

    def originals(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Yields these numbers, which ascend, with the originals of their offers; what was read is read again."""
        for at, of_source in groupby(numbers, key=self._source_at):
            wanted = list(of_source)
            start = self._starts[at]
            found = self._sources[at].originals([number - start for number in wanted])
            yield from zip(wanted, found, strict=True)

    def place(self, number: int) -> Place:
        """Returns where an offer stands."""
        at = self._source_at(number)
        return self._sources[at].place(number - self._starts[at])

    def _source_at(self, number: int) -> int:
        return bisect_right(self._starts, number) - 1
