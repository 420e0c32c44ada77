"""The snapshot of an engine: a cache of what its log says, so that a start reads only the log's tail.

A snapshot that is missing, of another format or damaged costs the time to read the whole log, never a result.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec

import detectors
import streams
from detectors.catalogue import Rulebook, Ruleset
from detectors.meetings import MeetingReach
from detectors.rule import Reach
from streams.store.columns import StoreCorrupt, private
from streams.store.files import FilesState

FORMAT: Final = 2
_NAME: Final = "snapshot.msgpack"


class Position(msgspec.Struct, frozen=True):
    """A place in the accepted log: an event's number and the digest of its content.

    On a cluster one in the flow to the partition, too: the offset of the next record.
    """

    seq: int
    digest: bytes
    flow_offset: int = 0


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine was at one moment.

    `generation` names the folders of its files. `applied` is the last event of the log that it holds; `rules` the times
    and hashes of the versions it judged by, `code` the hash of the program that did. Meetings and sightings were kept
    as far as `meeting` and `tie` say. Keys were cut into `count` partitions; those it holds are there by their numbers.
    """

    format: int = FORMAT
    code: str
    rules: tuple[tuple[int, str], ...]
    generation: int
    applied: Position
    pruned_at_ms: int
    watermark_ms: int
    tie: Reach | None
    meeting: MeetingReach | None
    count: int
    partitions: tuple[tuple[int, FilesState], ...]

    def holds(self, count: int, held: Sequence[int] | None) -> bool:
        """Returns whether it is of these of so many partitions; None stands for all of them."""
        numbers = list(range(count) if held is None else held)
        return self.count == count and [number for number, _ in self.partitions] == numbers

    def rulebook(self) -> Rulebook:
        """Returns the versions it judged by, by their hashes alone."""
        return Rulebook(
            versions=tuple(Ruleset(version=name, entries=(), effective_from_ms=from_ms) for from_ms, name in self.rules)
        )


def rules_of(rulebook: Rulebook) -> tuple[tuple[int, str], ...]:
    """Returns what a snapshot remembers of a rulebook."""
    return tuple((ruleset.effective_from_ms, ruleset.version) for ruleset in rulebook.versions)


@lru_cache(maxsize=1)
def code_hash() -> str:
    """Returns a hash of the program that decides: the sources of detectors/ and streams/."""
    digest = hashlib.sha256()
    for package in (detectors, streams):
        for source in sorted(Path(next(iter(package.__path__))).rglob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()


def write_snapshot(directory: Path, snapshot: Snapshot) -> None:
    """Afterwards the snapshot is on disk, whole, in place of the one before."""
    body = msgspec.msgpack.encode(snapshot)
    draft = directory / f"{_NAME}.new"
    with open(draft, "wb", opener=private) as file:
        file.write(zlib.crc32(body).to_bytes(4, "big") + body)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(directory / _NAME)
    folder = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_snapshot(directory: Path) -> Snapshot | None:
    """Returns the snapshot of a directory, or None when there is none of this format. Raises: StoreCorrupt."""
    file = directory / _NAME
    if not file.is_file():
        return None
    raw = file.read_bytes()
    if zlib.crc32(raw[4:]) != int.from_bytes(raw[:4], "big"):
        raise StoreCorrupt(f"{file.name} has another checksum than it says")
    try:
        snapshot = msgspec.msgpack.decode(raw[4:], type=Snapshot)
    except msgspec.ValidationError:  # an older format
        return None
    return snapshot if snapshot.format == FORMAT else None


def clear(directory: Path) -> None:
    """Afterwards the directory is empty."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, mode=0o700)
