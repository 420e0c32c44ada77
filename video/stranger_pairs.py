"""How alike the holders are whom one camera has recognised: any two of them are strangers. Pure.

Faces stay here, in memory, of so many holders and for so long; what leaves are counts. A worker that is started anew
begins without any: pairs with whom it had seen before are lost, none is invented.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from video.calibration import Counts, add_counts, calibrate, count_similarities, no_counts, trim_counts
from video.engine import Embedding
from video.messages import PairsCounted

MOST_HOLDERS = 200
"""So many are remembered, the last ones: each new holder makes as many pairs at most."""


@dataclass(frozen=True, kw_only=True)
class _Holder:
    """A recognised holder, told from others by the references that recognised them."""

    number: int
    marks: frozenset[bytes]
    face: Embedding
    at_ms: int


@dataclass
class _Today:
    """The pairs of a day so far, whoever is in them, and when the first of those was seen."""

    day: str
    oldest_day: str
    strangers: Counts = field(default_factory=no_counts)
    people: set[int] = field(default_factory=set)


class StrangerPairs:
    """Counts the pairs of one camera, day by day of UTC; whoever comes again while still remembered counts once."""

    def __init__(self, camera_id: str, engine_version: str, *, kept_ms: int) -> None:
        """Nobody has been recognised yet. Args: kept_ms is how long a holder is remembered."""
        self._camera_id, self._engine_version, self._kept_ms = camera_id, engine_version, kept_ms
        self._holders: list[_Holder] = []
        self._begun_at_ms: int | None = None
        self._seen = 0
        self._today = _Today(day="", oldest_day="")

    def add(self, references: Sequence[Embedding], face: Embedding, at_ms: int) -> PairsCounted | None:
        """Returns the day's counts so far after one more holder was recognised, None where that makes no new pair.

        The spread is that of the holders who are remembered now, not of all who were counted.
        """
        marks = frozenset(hashlib.sha256(reference.tobytes()).digest() for reference in references)
        before = [one for one in self._holders if one.at_ms > at_ms - self._kept_ms]
        if any(one.marks & marks for one in before):
            return None
        self._begun_at_ms = at_ms if self._begun_at_ms is None else self._begun_at_ms
        self._seen += 1
        newest = _Holder(number=self._seen, marks=marks, face=face, at_ms=at_ms)
        self._holders = [*before, newest][-MOST_HOLDERS:]
        return self._count(newest, before[-MOST_HOLDERS:], self._begun_at_ms) if before else None

    def _count(self, newest: _Holder, before: Sequence[_Holder], begun_at_ms: int) -> PairsCounted:
        day = _day_of(newest.at_ms)
        if day > self._today.day:  # who comes late counts to the day that has begun
            self._today = _Today(day=day, oldest_day=day)
        today = self._today
        alike = count_similarities([float(one.face @ newest.face) for one in before])
        today.strangers = add_counts([today.strangers, alike])
        today.people |= {newest.number, *(one.number for one in before)}
        today.oldest_day = min(day, today.oldest_day, *(_day_of(one.at_ms) for one in before))
        first, counts = trim_counts(today.strangers)
        return PairsCounted(
            camera_id=self._camera_id,
            engine_version=self._engine_version,
            day=today.day,
            begun_at_ms=begun_at_ms,
            oldest_day=today.oldest_day,
            people=len(today.people),
            spread=round(self._spread(), 3),
            first=first,
            counts=counts,
        )

    def _spread(self) -> float:
        names = [str(one.number) for one in self._holders]
        return calibrate(self._engine_version, names, [one.face for one in self._holders]).spread


def _day_of(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()
