"""The last minutes of a camera as it sent them: compressed packets, bounded in time and in bytes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, takewhile

from video.sources.port import Packet


@dataclass(slots=True)
class _Group:
    """A key picture and all that is decoded after it until the next; `first` counts packets from the start."""

    first: int
    packets: list[Packet] = field(default_factory=list)
    bytes: int = 0


class PacketRing:
    """Filled by the thread that reads the camera, read by those that decode.

    Whole groups are dropped, the oldest first, so that what is there can be decoded from its beginning. A packet's
    number is its place in all that ever came.
    """

    def __init__(self, *, keep_ms: int, most_bytes: int) -> None:
        """Args: keep_ms is the time kept before the latest packet; most_bytes bounds the content of all packets."""
        self._keep_ms, self._most_bytes = keep_ms, most_bytes
        self._lock = threading.Lock()
        self._groups: deque[_Group] = deque()
        self._count = 0
        self._bytes = 0
        self._latest_ms: int | None = None

    def add(self, packet: Packet) -> None:
        """Afterwards the packet is kept, unless no key picture came before it; older groups may be gone."""
        with self._lock:
            if packet.is_key:
                self._groups.append(_Group(first=self._count))
            if not self._groups:
                return
            group = self._groups[-1]
            group.packets.append(packet)
            group.bytes += len(packet.data)
            self._bytes += len(packet.data)
            self._count += 1
            self._latest_ms = packet.raw_at_ms if packet.is_key else max(self._latest_ms or 0, packet.raw_at_ms)
            self._shorten(self._latest_ms)

    def _shorten(self, latest_ms: int) -> None:
        """Drops what is too old or too much; a group that is too much by itself goes too."""
        while self._groups and (
            self._bytes > self._most_bytes
            or (len(self._groups) > 1 and self._groups[1].packets[0].raw_at_ms <= latest_ms - self._keep_ms)
        ):
            self._bytes -= self._groups.popleft().bytes

    def packets(self, first_ms: int, last_ms: int) -> tuple[Packet, ...]:
        """Returns the packets from the key picture at or before first_ms to last_ms, both of the camera's clock.

        Where the memory begins later, from there; none where no picture of it was taken in between.
        """
        with self._lock:
            groups = self._groups_from(first_ms)
            found = tuple(one for group in groups for one in group.packets if one.raw_at_ms <= last_ms)
            return found if any(one.raw_at_ms >= first_ms for one in found) else ()

    def numbered(self, first_ms: int) -> tuple[int, Sequence[Packet]]:
        """Returns all from the key picture at or before first_ms, and the number of its packet."""
        with self._lock:
            found = self._groups_from(first_ms)
            if not found:
                return self._count, ()
            return found[0].first, tuple(chain.from_iterable(group.packets for group in found))

    def keys(self, after: int) -> list[tuple[int, Packet]]:
        """Returns the key pictures whose number is at least this, each with its number, oldest first."""
        with self._lock:
            late = takewhile(lambda group: group.first >= after, reversed(self._groups))
            return [(group.first, group.packets[0]) for group in late][::-1]

    def first_between(self, first_ms: int, end_ms: int) -> int | None:
        """Returns when the first kept picture of a span was taken; its end is outside. None where there is none."""
        with self._lock:
            found = (one.raw_at_ms for group in self._groups_from(first_ms) for one in group.packets)
            return min((at_ms for at_ms in found if first_ms <= at_ms < end_ms), default=None)

    @property
    def count(self) -> int:
        """How many packets have come: the number of the next."""
        with self._lock:
            return self._count

    @property
    def latest_ms(self) -> int | None:
        """When the latest picture was taken; None before the first."""
        with self._lock:
            return self._latest_ms

    @property
    def bytes(self) -> int:
        """How much is kept."""
        with self._lock:
            return self._bytes

    def _groups_from(self, first_ms: int) -> list[_Group]:
        found: deque[_Group] = deque()
        for group in reversed(self._groups):
            found.appendleft(group)
            if group.packets[0].raw_at_ms <= first_ms:
                break
        return list(found)
