"""Which swipes of two persons lie within minutes of each other at one till, by the pair."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.windows import Int64s
from streams.store.files import Files
from streams.store.key_index import hash_of
from streams.store.swipes import Owned, SwipeStore

Pair = tuple[str, str]
"""Two persons, sorted."""


class MeetingStore:
    """Pairs of rows of the swipes. That two swipes lie so is for ever; whether they stand is asked of them."""

    def __init__(self, files: Files, swipes: SwipeStore) -> None:
        self._swipes = swipes
        self._one, self._other = files.column("meeting_one", "i1"), files.column("meeting_other", "i1")
        self._index = files.index("by_pair")

    def add(self, pairs: Sequence[Pair], one: Int64s, other: Int64s) -> None:
        """Adds meetings, each once: the pair, and the rows of both swipes in any order."""
        low, high = np.minimum(one, other), np.maximum(one, other)
        hashes = [hash_of(*pair) for pair in pairs]
        _, at = self._index.find(np.unique(np.array(hashes, dtype=np.uint32)))
        known = set(zip(self._one.values[at].tolist(), self._other.values[at].tolist(), strict=True))
        new = {
            (first, second): key
            for key, first, second in zip(hashes, low.tolist(), high.tolist(), strict=True)
            if (first, second) not in known
        }
        self._index.add(list(new.values()), len(self._one))
        self._one.extend([first for first, _ in new])
        self._other.extend([second for _, second in new])

    def keep(self, other: MeetingStore, place_of: Int64s) -> None:
        """Takes over the meetings of swipes that both have new places."""
        one, other_one = place_of[other._one.values.astype(np.int64)], place_of[other._other.values.astype(np.int64)]
        entries = np.flatnonzero((one >= 0) & (other_one >= 0)).astype(np.int64)
        entry_of = np.full(len(one), -1, dtype=np.int64)
        entry_of[entries] = np.arange(len(entries), dtype=np.int64)
        self._one.extend(one[entries])
        self._other.extend(other_one[entries])
        self._index.extend_from(other._index, entry_of)

    def pairs(self) -> list[Pair]:
        """Returns every pair that ever met."""
        ones = self._swipes.text("person_id", self._one.values.astype(np.int64))
        others = self._swipes.text("person_id", self._other.values.astype(np.int64))
        return list(dict.fromkeys((min(pair), max(pair)) for pair in zip(ones, others, strict=True)))

    def of_pairs(self, pairs: Sequence[Pair]) -> Owned:
        """Returns the swipes of each pair's meetings, some more than once."""
        owner, at = self._index.find([hash_of(*pair) for pair in pairs])
        one, other = self._one.values[at].astype(np.int64), self._other.values[at].astype(np.int64)
        rows = np.concatenate([one, other])
        names = self._swipes.text("person_id", rows)
        half = len(at)
        met = [
            tuple(sorted((names[number], names[number + half]))) == pairs[asked]
            for number, asked in enumerate(owner.tolist())
        ]
        same = np.array(met, dtype=np.bool_)
        return np.concatenate([owner[same], owner[same]]), np.concatenate([one[same], other[same]])
