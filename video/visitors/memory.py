"""The memory of visitors: the index, and the journal that it is made of again after a restart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import msgspec

from events.errors import ConfigError
from video.engine import Embedding
from video.sealing import seal_with
from video.settings import VisitorSettings
from video.visitors.index import VisitorIndex
from video.visitors.journal import ALLOWED, Journal, NotKept
from video.visitors.records import Forgotten, Joined, Record, decode_records, encode_records

ERASED_WITHIN_MS: Final = 3_600_000
"""What is forgotten is gone from the disk so soon, give or take a round of whoever tidies up."""
LEAST_APPENDED_BYTES: Final = 4 * 1024 * 1024
"""So much is appended before a snapshot is worth while, or as much as the last one was."""


class VisitorMemory:
    """Who was seen lately; used by one thread at a time, but for `write_snapshot`."""

    def __init__(self, settings: VisitorSettings, now_ms: int) -> None:
        """Afterwards whoever was known is known again. Args: without a folder nothing survives the process.

        Raises: ConfigError where there is no key, or it does not open what is there; NotKept.
        """
        self.index = VisitorIndex(similarity=settings.similarity, ttl_ms=settings.ttl_ms, capacity=settings.capacity)
        self._journal = _journal_of(settings)
        self._snapshot_bytes, self._forgotten = 0, 0
        self._snapshot_at_ms = 0  # how old what is on the disk is, nobody knows after a start
        self._must_erase = False
        if self._journal is None:
            return
        for piece in self._journal.read():
            records = _records_in(piece, settings)
            self.index.apply(records)
            self._must_erase = self._must_erase or any(isinstance(one, Forgotten | Joined) for one in records)
        self.index.advance(now_ms)

    @property
    def torn_bytes(self) -> int:
        """How much of an unfinished piece a crash had left."""
        return 0 if self._journal is None else self._journal.torn_bytes

    def recognise(self, frames: Sequence[Embedding], institution_id: str, at_ms: int) -> str | None:
        """Returns who it is (`VisitorIndex.ask`); a new id is on the disk before it is returned. Raises: NotKept."""
        answer = self.index.ask(frames, institution_id, at_ms)
        self._keep(answer.records, synced=answer.is_new)
        return answer.visitor_id

    def forget(self, visitor_id: str) -> bool:
        """Returns whether there was such a visitor; there is none now, after a crash neither. Raises: NotKept."""
        return self._done(self.index.forget(visitor_id))

    def join(self, kept_id: str, gone_id: str) -> bool:
        """Returns whether both were known; they are one now, and have the first one's id. Raises: NotKept."""
        return self._done(self.index.join(kept_id, gone_id))

    def is_to_be_written(self, now_ms: int) -> bool:
        """Returns whether a snapshot is due: much was appended, or what is forgotten by now is still on the disk."""
        self.index.advance(now_ms)
        if self._journal is None:
            return False
        if self._journal.appended_bytes > max(LEAST_APPENDED_BYTES, self._snapshot_bytes):
            return True
        is_time = now_ms - self._snapshot_at_ms >= ERASED_WITHIN_MS
        return self._must_erase or (is_time and self.index.forgotten > self._forgotten)

    def write_snapshot(self, now_ms: int, lock: AbstractContextManager[object]) -> None:
        """Afterwards all that is remembered is on the disk, and nothing older.

        May run in a thread of its own: it holds the lock, under which everything else is done, for milliseconds at a
        time. Raises: NotKept.
        """
        with lock:
            if self._journal is None:
                return
            number, pieces = self._journal.begin_snapshot(), self.index.pieces()
            self._forgotten, self._must_erase, self._snapshot_at_ms = self.index.forgotten, False, now_ms
        self._snapshot_bytes = 0
        try:
            self._journal.write_snapshot(number, self._encoded(pieces, lock))
        except NotKept:
            self._must_erase = True
            raise

    def _encoded(self, pieces: Iterator[Sequence[Record]], lock: AbstractContextManager[object]) -> Iterator[bytes]:
        while True:
            with lock:
                piece = next(pieces, None)
                encoded = None if piece is None else encode_records(piece)
            if encoded is None:
                return
            self._snapshot_bytes += len(encoded)
            yield encoded

    def close(self) -> None:
        """Everything is on the disk."""
        if self._journal is not None:
            self._journal.close()

    def _done(self, records: Sequence[Record]) -> bool:
        self._keep(records, synced=True)
        self._must_erase = self._must_erase or bool(records)
        return bool(records)

    def _keep(self, records: Sequence[Record], *, synced: bool) -> None:
        if records and self._journal is not None:
            self._journal.append(encode_records(records), synced=synced)
        self.index.apply(records)


def _journal_of(settings: VisitorSettings) -> Journal | None:
    if settings.folder is None:
        return None
    key = settings.key
    if key is None:
        raise ConfigError("visitors", "key", None, "a key: visitors are only kept sealed")
    return Journal(Path(settings.folder), lambda segment: seal_with(key, f"visitors {segment}"))


def _records_in(piece: bytes, settings: VisitorSettings) -> list[Record]:
    try:
        return decode_records(piece)
    except msgspec.MsgspecError as error:
        raise ConfigError(str(settings.folder), "visitors", str(error), ALLOWED) from error
