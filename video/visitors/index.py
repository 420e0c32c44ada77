"""Which visitor is this? Exact search over the faces of the last days, and what is to be kept of each answer. Pure.

Time is what it is told and never runs backwards. Chance is a parameter.
"""

from __future__ import annotations

import heapq
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from video.engine import Embedding, unit
from video.visitors.gallery import Faces, Gallery, Rows
from video.visitors.records import (
    Emptied,
    Forgotten,
    Joined,
    LookAdded,
    Record,
    Renamed,
    Salted,
    Seen,
    Visitor,
)
from video.visitors.salts import DAY_MS, SALT_BYTES, ends_ms, visitor_id, week_of

LEAST_FRAMES: Final = 2
"""So many frames must agree before an id is given or given again."""
MOST_LOOKS: Final = 3
"""So many looks of a visitor are taken in; only when two visitors are joined has one more."""
SAME_LOOK: Final = 0.75
"""A look is added only if it is less similar than this to those that are kept."""
LATELY_MS: Final = DAY_MS
"""Who was seen at a store within this time comes first there."""
KEY_BYTES: Final = 16
VISITORS_A_PIECE: Final = 256


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Who it is, None in doubt; and what is to be kept before that is said. `is_new`: nobody had this id before."""

    visitor_id: str | None
    records: tuple[Record, ...] = ()
    is_new: bool = False


@dataclass(kw_only=True)
class _Known:
    """A visitor as it is remembered; `number` grows with each, and `visitor_id` is None once its salt has ended."""

    number: int
    week: int
    visitor_id: str | None
    institution_id: str
    seen_ms: int


_NOBODY: Final = Answer(visitor_id=None)


class VisitorIndex:
    """Used by one thread at a time."""

    def __init__(
        self,
        *,
        similarity: float = 0.50,
        ttl_ms: int = 7 * DAY_MS,
        capacity: int = 100_000,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """Nobody is known.

        Args: similarity is the least cosine of one visitor; ttl_ms how long after the last sight one is remembered, the
            last millisecond included; capacity the most looks, beyond which the longest unseen are forgotten; random
            gives so many bytes that nobody can guess.
        """
        self._similarity, self._ttl_ms, self._capacity, self._random = similarity, ttl_ms, capacity, random
        self._salts: dict[int, bytes] = {}
        self._now_ms = 0
        self.forgotten = 0
        """How many visitors and salts have gone since the beginning."""
        self._clear()

    def _clear(self) -> None:
        self._gallery = Gallery()
        self._known: dict[bytes, _Known] = {}
        self._keys: dict[str, bytes] = {}
        self._here: defaultdict[str, dict[bytes, None]] = defaultdict(dict)
        self._unseen: list[tuple[int, int, bytes]] = []
        self._next = 0
        self._salts.clear()

    def __len__(self) -> int:
        return len(self._known)

    @property
    def looks(self) -> int:
        """Returns how many looks are remembered, of all visitors."""
        return len(self._gallery)

    @property
    def room_bytes(self) -> int:
        """Returns how much memory the looks take."""
        return self._gallery.room_bytes

    # ---- questions -----------------------------------------------------------------------------------------------

    def recognise(self, frames: Sequence[Embedding], institution_id: str, at_ms: int) -> str | None:
        """Returns who it is, as `ask`, and remembers it."""
        answer = self.ask(frames, institution_id, at_ms)
        self.apply(answer.records)
        return answer.visitor_id

    def ask(self, frames: Sequence[Embedding], institution_id: str, at_ms: int) -> Answer:
        """Returns the visitor that at least two frames, and more than half of them, agree on.

        Each frame names the nearest look that is similar enough. Those who were seen at this store lately are asked
        first; where they don't agree on one of those, all visitors are. A new visitor if nobody is known and the frames
        agree with each other; None in doubt. Nothing changes but that time has gone on: `apply` the records for that.

        Args: frames are embeddings of one face; at_ms when it was seen.
        """
        self.advance(at_ms)
        if len(frames) < LEAST_FRAMES:
            return _NOBODY
        faces = np.stack(frames).astype(np.float32)
        key = _agreed(self._named(faces, self._lately_at(institution_id, at_ms)))
        if key is None:
            names = self._named(faces, None)
            key = _agreed(names)
            if key is None and any(name is not None for name in names):
                return _NOBODY
        if key is not None:
            return self._seen_again(key, faces, institution_id, at_ms)
        return self._welcome(faces, institution_id, at_ms) if self._are_one(faces) else _NOBODY

    def forget(self, visitor_id: str) -> tuple[Record, ...]:
        """Returns what makes a visitor unknown, nothing where nobody has that id."""
        key = self._keys.get(visitor_id)
        return () if key is None else (Forgotten(key=key),)

    def join(self, kept_id: str, gone_id: str) -> tuple[Record, ...]:
        """Returns what makes two visitors one, who has the first one's id; nothing unless both are known and two."""
        kept, gone = self._keys.get(kept_id), self._keys.get(gone_id)
        if kept is None or gone is None or kept == gone:
            return ()
        other = self._visitor(gone)
        return (
            Joined(kept=kept, gone=gone, institution_id=other.institution_id, seen_ms=other.seen_ms, looks=other.looks),
        )

    def pieces(self) -> Iterator[list[Record]]:
        """Yields all that is remembered, and does not mind if things go on between two pieces.

        An index to which the pieces are applied, and then what happened since the first, gives the same answers.
        """
        yield [Emptied(), *(Salted(week=week, salt=salt) for week, salt in sorted(self._salts.items()))]
        keys = list(self._known)
        for first in range(0, len(keys), VISITORS_A_PIECE):
            yield [self._visitor(key) for key in keys[first : first + VISITORS_A_PIECE] if key in self._known]

    # ---- what happens --------------------------------------------------------------------------------------------

    def advance(self, now_ms: int) -> None:
        """Whoever was seen longer ago than the time to live is forgotten, and salts that have ended are destroyed."""
        self._now_ms = max(self._now_ms, now_ms)
        oldest_ms = self._now_ms - self._ttl_ms
        while (longest := self._longest_unseen()) is not None and self._known[longest].seen_ms < oldest_ms:
            self._forget(longest)
        for week in [week for week in self._salts if ends_ms(week) <= self._now_ms]:
            self._end_salt(week)

    def apply(self, records: Sequence[Record]) -> None:
        """Afterwards what they say has happened; of visitors that are not known any more, nothing has."""
        for record in records:
            self._apply(record)
        while len(self._gallery) > self._capacity and (longest := self._longest_unseen()) is not None:
            self._forget(longest)

    def _apply(self, record: Record) -> None:
        match record:
            case Emptied():
                self._clear()
            case Salted():
                self._begin_salt(record.week, record.salt)
            case Visitor() if record.key not in self._known:
                self._add(record)
            case LookAdded() if record.key in self._known:
                self._add_looks(record.key, [record.look])
            case Seen() if record.key in self._known:
                self._see(record.key, record.institution_id, record.seen_ms)
            case Renamed() if record.key in self._known:
                self._name(record.key, record.week)
            case Forgotten() if record.key in self._known:
                self._forget(record.key)
            case Joined() if record.kept in self._known:
                self._join(record)
            case _:
                pass

    def _add(self, record: Visitor) -> None:
        self._known[record.key] = _Known(
            number=self._next,
            week=record.week,
            visitor_id=None,
            institution_id=record.institution_id,
            seen_ms=record.seen_ms,
        )
        self._next += 1
        self._name(record.key, record.week)
        self._here[record.institution_id][record.key] = None
        heapq.heappush(self._unseen, (record.seen_ms, self._known[record.key].number, record.key))
        self._add_looks(record.key, record.looks)

    def _add_looks(self, key: bytes, looks: Sequence[bytes]) -> None:
        there = {_packed(look) for look in self._gallery.looks(key)}
        for look in looks:
            if look not in there:
                self._gallery.add(key, np.frombuffer(look, "<f4"))

    def _name(self, key: bytes, week: int) -> None:
        """The visitor has the id that a week's salt gives, none where that has ended."""
        salt, known = self._salts.get(week), self._known[key]
        if known.visitor_id is not None:
            del self._keys[known.visitor_id]
        known.week, known.visitor_id = week, None if salt is None else visitor_id(salt, key)
        if known.visitor_id is not None:
            self._keys[known.visitor_id] = key

    def _see(self, key: bytes, institution_id: str, seen_ms: int) -> None:
        known = self._known[key]
        if seen_ms < known.seen_ms:
            return
        if known.institution_id != institution_id:
            self._leave(known.institution_id, key)
            self._here[institution_id][key] = None
        known.institution_id, known.seen_ms = institution_id, seen_ms

    def _forget(self, key: bytes) -> None:
        known = self._known.pop(key)
        if known.visitor_id is not None:
            del self._keys[known.visitor_id]
        self._leave(known.institution_id, key)
        self._gallery.remove(key)
        self.forgotten += 1

    def _join(self, record: Joined) -> None:
        if record.gone in self._known:
            self._forget(record.gone)
        self._add_looks(record.kept, record.looks)
        self._see(record.kept, record.institution_id, record.seen_ms)

    def _leave(self, institution_id: str, key: bytes) -> None:
        here = self._here[institution_id]
        del here[key]
        if not here:
            del self._here[institution_id]

    def _begin_salt(self, week: int, salt: bytes) -> None:
        self._salts[week] = salt
        for key, known in self._known.items():
            if known.week == week:
                self._name(key, week)

    def _end_salt(self, week: int) -> None:
        del self._salts[week]
        self.forgotten += 1
        for known in self._known.values():
            if known.week == week and known.visitor_id is not None:
                del self._keys[known.visitor_id]
                known.visitor_id = None

    def _longest_unseen(self) -> bytes | None:
        """Returns who was not seen for longest. An entry of the heap may be older than the last sight: it goes back."""
        while self._unseen:
            seen_ms, number, key = self._unseen[0]
            known = self._known.get(key)
            if known is None or known.number != number:
                heapq.heappop(self._unseen)
            elif known.seen_ms != seen_ms:
                heapq.heapreplace(self._unseen, (known.seen_ms, number, key))
            else:
                return key
        return None

    # ---- who it is -----------------------------------------------------------------------------------------------

    def _lately_at(self, institution_id: str, at_ms: int) -> Rows:
        since_ms = at_ms - LATELY_MS
        here = self._here.get(institution_id, {})
        return self._gallery.rows_of(key for key in here if self._known[key].seen_ms >= since_ms)

    def _named(self, faces: Faces, rows: Rows | None) -> list[bytes | None]:
        """Returns whom each face is most similar to among these rows, or all; of equal ones the first to be known."""
        if not (len(self._gallery) if rows is None else len(rows)):
            return [None] * len(faces)
        scores = self._gallery.similarities(faces, rows)
        best = scores.max(axis=1)
        names: list[bytes | None] = []
        for score, top in zip(scores, best.tolist(), strict=True):
            if top < self._similarity:
                names.append(None)
                continue
            at = np.flatnonzero(score == top)
            owners = {self._gallery.owner(row) for row in (at if rows is None else rows[at]).tolist()}
            names.append(min(owners, key=lambda key: self._known[key].number))
        return names

    def _are_one(self, faces: Faces) -> bool:
        """Whether at least two frames are similar to each other, and no frame stands alone."""
        scores = faces @ faces.T
        return bool((((scores >= self._similarity).sum(axis=1)) >= LEAST_FRAMES).all())

    def _seen_again(self, key: bytes, faces: Faces, institution_id: str, at_ms: int) -> Answer:
        records: list[Record] = [Seen(key=key, institution_id=institution_id, seen_ms=at_ms)]
        mean = unit(faces.mean(axis=0))
        looks = self._gallery.looks(key)
        scores = looks @ mean
        # Only a look close to what is known already is added, so that looks cannot drift from one face to another.
        if len(looks) < MOST_LOOKS and self._similarity <= float(scores.min()) and float(scores.max()) < SAME_LOOK:
            records.append(LookAdded(key=key, look=_packed(mean)))
        name = self._known[key].visitor_id
        if name is not None:
            return Answer(visitor_id=name, records=tuple(records))
        week, salt, salted = self._newest_salt()
        return Answer(
            visitor_id=visitor_id(salt, key), records=(*salted, Renamed(key=key, week=week), *records), is_new=True
        )

    def _welcome(self, faces: Faces, institution_id: str, at_ms: int) -> Answer:
        key = self._random(KEY_BYTES)
        week, salt, salted = self._newest_salt()
        visitor = Visitor(
            key=key,
            week=week,
            institution_id=institution_id,
            seen_ms=at_ms,
            looks=[_packed(unit(faces.mean(axis=0)))],
        )
        return Answer(visitor_id=visitor_id(salt, key), records=(*salted, visitor), is_new=True)

    def _newest_salt(self) -> tuple[int, bytes, tuple[Record, ...]]:
        """Returns this week, its salt, and what is to be kept of a salt that did not exist yet."""
        week = week_of(self._now_ms)
        salt = self._salts.get(week)
        if salt is not None:
            return week, salt, ()
        made = Salted(week=week, salt=self._random(SALT_BYTES))
        return week, made.salt, (made,)

    def _visitor(self, key: bytes) -> Visitor:
        known = self._known[key]
        return Visitor(
            key=key,
            week=known.week,
            institution_id=known.institution_id,
            seen_ms=known.seen_ms,
            looks=[_packed(look) for look in self._gallery.looks(key)],
        )


def _agreed(names: Sequence[bytes | None]) -> bytes | None:
    """Returns whom at least two frames, and more than half of all, name."""
    counts = Counter(name for name in names if name is not None)
    if not counts:
        return None
    name, count = max(counts.items(), key=lambda one: one[1])
    return name if count >= LEAST_FRAMES and count * 2 > len(names) else None


def _packed(face: Embedding) -> bytes:
    return face.astype("<f4").tobytes()
