"""What a store's agent has seen and the centre does not have yet: sealed files, in order, bounded in bytes."""

from __future__ import annotations

import errno
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args

import msgspec
import structlog

from events.errors import TransientError
from storage.errors import AlteredData, WrongKey
from storage.sealing.crypto import Keyring
from storage.sealing.durable_files import replace_file
from video.messages import (
    FromCameras,
    Observed,
    OriginalCut,
    decode_from_cameras,
    encode_message,
)

Kind = Literal["original", "still", "observation"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
"""The least valuable first: when there is no room that is how they go. States of cameras count as observations."""
MESSAGE_BYTES: Final = 32 * 1024 * 1024 - 65_536
"""The centre takes no larger message."""
TOGETHER: Final = 100
TOGETHER_BYTES: Final = 256 * 1024
"""So much goes in one request: over a thin line more would hold up what has just been seen."""
DROPPED_FILE: Final = "dropped.json"
NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
UNREADABLE: Final = (OSError, AlteredData, WrongKey)

_log = structlog.get_logger()


class Waiting(NamedTuple):
    """One file that waits: its size as it lies there, and when it was written."""

    size_bytes: int
    written_at_ms: int


class Level(NamedTuple):
    """How much of a kind waits."""

    messages: int
    size_bytes: int


class StoreBuffer:
    """Keeps messages until they are sent. Safe to use from several threads; one process at a time has a directory.

    A message has a number, which grows; its picture lies beside it under the same number, so that it can go first.
    Observations are on the disk when `put` returns, whatever befalls the machine; everything else survives the process.
    """

    def __init__(self, directory: Path, keyring: Keyring, *, most_bytes: int, clock_ms: Callable[[], int]) -> None:
        """What an earlier process left is there again. Raises: TransientError when the directory cannot be used."""
        self._directory, self._keyring, self._most_bytes, self._clock_ms = directory, keyring, most_bytes, clock_ms
        self._lock = threading.Condition()
        # Linked lists: a plain dict is slow to say which is its first once many before it have gone.
        self._waiting: dict[Kind, OrderedDict[int, Waiting]] = {kind: OrderedDict() for kind in KINDS}
        self._in_hand: set[int] = set()
        self._total_bytes = 0
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._read_directory()
            self._dropped = self._read_dropped()
        except OSError as error:
            raise TransientError(f"{directory} cannot be used: {error.strerror}") from error
        self._last = max((number for kept in self._waiting.values() for number in kept), default=0)

    def put(self, message: FromCameras) -> None:
        """Afterwards the message waits, or it is counted among those that found no room."""
        still = message.still if isinstance(message, Observed) else None
        if isinstance(message, Observed) and still is not None:
            message = msgspec.structs.replace(message, still=None)
        with self._lock:
            self._last += 1
            if still is not None:
                self._write("still", self._last, still)
            self._write(_kind_of(message), self._last, encode_message(message))
            self._lock.notify_all()

    def take(self, kinds: Sequence[Kind], timeout_s: float) -> list[int]:
        """Returns the oldest messages of the first of these kinds that has any, in order; they will not be dropped.

        They are some that are small together, or a single one. None when nothing of them waits within `timeout_s`.
        """
        with self._lock:
            self._lock.wait_for(lambda: any(self._waiting[kind] for kind in kinds), timeout_s)
            taken = next((self._oldest(self._waiting[kind]) for kind in kinds if self._waiting[kind]), [])
            self._in_hand.update(taken)
        return taken

    def read(self, number: int) -> bytes | None:
        """Returns a taken message with its picture, where that is still there and opens.

        None for a message that does not open; it is given up.
        """
        kind = next((kind for kind in KINDS if kind != "still" and number in self._waiting[kind]), None)
        if kind is None:
            return None
        try:
            plain = self._read(kind, number)
        except UNREADABLE as error:
            _log.error("buffered_message.unreadable", number=number, kind=kind, error=str(error))
            self.give_up(number)
            return None
        still = self._read_still(number) if number in self._waiting["still"] else None
        message = decode_from_cameras(plain) if still is not None else None
        if isinstance(message, Observed):
            return encode_message(msgspec.structs.replace(message, still=still))
        return plain

    def sent(self, number: int) -> None:
        """The centre has the message."""
        with self._lock:
            for kind in KINDS:
                self._remove(kind, number)
            self._in_hand.discard(number)

    def give_up(self, number: int) -> None:
        """The message will never be sent; it is counted."""
        with self._lock:
            for kind in KINDS:
                if number in self._waiting[kind]:
                    self._drop(kind, number)
            self._in_hand.discard(number)

    def put_back(self, number: int) -> None:
        """A taken message waits again, in its place."""
        with self._lock:
            self._in_hand.discard(number)

    def levels(self) -> dict[Kind, Level]:
        """Returns how much of each kind waits."""
        with self._lock:
            return {
                kind: Level(len(kept), sum(one.size_bytes for one in kept.values()))
                for kind, kept in self._waiting.items()
            }

    def oldest_at_ms(self) -> int | None:
        """Returns when the oldest message was written that waits."""
        with self._lock:
            firsts = [next(iter(kept.values())).written_at_ms for kept in self._waiting.values() if kept]
        return min(firsts, default=None)

    def dropped(self) -> dict[Kind, int]:
        """Returns how many of each kind will never be sent, since the directory was made."""
        with self._lock:
            return dict(self._dropped)

    def _read_still(self, number: int) -> bytes | None:
        """Returns a taken message's picture; one that does not open, as a power cut may leave it, goes by itself."""
        try:
            return self._read("still", number)
        except UNREADABLE as error:
            _log.error("buffered_message.unreadable", number=number, kind="still", error=str(error))
            with self._lock:
                self._drop("still", number)
            return None

    # ---- below, the lock is held ------------------------------------------------------------------------------------

    def _oldest(self, kept: Mapping[int, Waiting]) -> list[int]:
        taken, size_bytes = list[int](), 0
        for number, waiting in kept.items():
            still = self._waiting["still"].get(number)
            size_bytes += waiting.size_bytes + (0 if still is None else still.size_bytes)
            if taken and (size_bytes > TOGETHER_BYTES or len(taken) == TOGETHER):
                break
            taken.append(number)
        return taken

    def _write(self, kind: Kind, number: int, plain: bytes) -> None:
        sealed = self._keyring.seal(plain, _context(kind, number))
        path = self._path(kind, number)
        if len(plain) > MESSAGE_BYTES or not self._make_room(kind, len(sealed)):
            self._count(kind)
            return
        while True:
            try:
                replace_file(path, sealed, synced=kind == "observation")
            except OSError as error:
                path.with_name(f"{path.name}.tmp").unlink(missing_ok=True)
                if error.errno in NO_ROOM and self._drop_one(kind):
                    continue
                _log.error("message.not_buffered", kind=kind, error=error.strerror)
                self._count(kind)
                return
            self._waiting[kind][number] = Waiting(len(sealed), self._clock_ms())
            self._total_bytes += len(sealed)
            return

    def _make_room(self, kind: Kind, size_bytes: int) -> bool:
        """Returns whether so much more fits, once what is worth no more than this kind has gone."""
        while self._total_bytes + size_bytes > self._most_bytes:
            if not self._drop_one(kind):
                return False
        return True

    def _drop_one(self, at_most: Kind) -> bool:
        """Drops the oldest of the least valuable, none above this kind; returns whether there was one."""
        for kind in KINDS[: KINDS.index(at_most) + 1]:
            for number in self._waiting[kind]:
                if number not in self._in_hand:
                    self._drop(kind, number)
                    return True
        return False

    def _drop(self, kind: Kind, number: int) -> None:
        """An observation takes its picture along."""
        if kind == "observation" and number in self._waiting["still"]:
            self._drop("still", number)
        self._remove(kind, number)
        self._count(kind)

    def _count(self, kind: Kind) -> None:
        self._dropped[kind] += 1
        if self._dropped[kind] == 1 or self._dropped[kind] % 100 == 0:
            _log.warning("messages.dropped", kind=kind, count=self._dropped[kind])
        try:
            replace_file(self._directory / DROPPED_FILE, msgspec.json.encode(self._dropped), synced=False)
        except OSError as error:
            _log.error("dropped_messages.not_counted", error=error.strerror)

    def _remove(self, kind: Kind, number: int) -> None:
        gone = self._waiting[kind].pop(number, None)
        if gone is None:
            return
        self._total_bytes -= gone.size_bytes
        try:
            self._path(kind, number).unlink(missing_ok=True)
        except OSError as error:
            _log.error("buffered_message.not_removed", number=number, error=error.strerror)

    def _read(self, kind: Kind, number: int) -> bytes:
        return self._keyring.unseal(self._path(kind, number).read_bytes(), _context(kind, number))

    def _path(self, kind: Kind, number: int) -> Path:
        return self._directory / f"{number:012d}.{kind}.enc"

    def _read_directory(self) -> None:
        for left in ("*.tmp", "*.clip.enc"):  # written when a crash came; clips that an earlier version made here
            for path in self._directory.glob(left):
                path.unlink()
        for number, kind, path in sorted(self._found()):
            about = path.stat()
            self._waiting[kind][number] = Waiting(about.st_size, about.st_mtime_ns // 1_000_000)
            self._total_bytes += about.st_size
        for number in [one for one in self._waiting["still"] if one not in self._waiting["observation"]]:
            self._remove("still", number)  # written just before a crash; its observation was not

    def _found(self) -> Iterator[tuple[int, Kind, Path]]:
        for path in self._directory.glob("*.enc"):
            number, _, kind = path.stem.partition(".")
            if number.isdigit() and kind in KINDS:
                yield int(number), msgspec.convert(kind, Kind), path

    def _read_dropped(self) -> dict[Kind, int]:
        try:
            counted = msgspec.json.decode((self._directory / DROPPED_FILE).read_bytes(), type=dict[str, int])
        except (FileNotFoundError, msgspec.MsgspecError):
            counted = {}
        return {kind: counted.get(kind, 0) for kind in KINDS}  # another version has other kinds


def _kind_of(message: FromCameras) -> Kind:
    match message:
        case OriginalCut():
            return "original"
        case _:
            return "observation"


def _context(kind: Kind, number: int) -> str:
    return f"waiting {kind} {number}"
