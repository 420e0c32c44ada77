"""Which visitors were seen around which swipes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.windows import Int64s
from streams.store.files import Files
from streams.store.key_index import hashes_of
from streams.store.swipes import Owned


class SightingStore:
    """Rows of swipes by the visitors that any face around them was ever said to be."""

    def __init__(self, files: Files) -> None:
        self._visitors, self._visitor = files.names("visitor"), files.column("sighting_visitor", "i1")
        self._swipe, self._index = files.column("sighting_swipe", "i1"), files.index("by_visitor")

    def add(self, visitors: Sequence[str], rows: Sequence[int]) -> None:
        """Adds sightings, each once: a visitor and the row of a swipe."""
        owner, known_rows = self.of_visitors(list(dict.fromkeys(visitors)))
        names = list(dict.fromkeys(visitors))
        known = {(names[number], row) for number, row in zip(owner.tolist(), known_rows.tolist(), strict=True)}
        new = [pair for pair in dict.fromkeys(zip(visitors, rows, strict=True)) if pair not in known]
        self._index.add(hashes_of(visitor for visitor, _ in new), len(self._swipe))
        self._visitor.extend(self._visitors.codes([visitor for visitor, _ in new]))
        self._swipe.extend([row for _, row in new])

    def keep(self, other: SightingStore, place_of: Int64s) -> None:
        """Takes over the sightings around swipes that have new places."""
        swipes = place_of[other._swipe.values.astype(np.int64)]
        entries = np.flatnonzero(swipes >= 0).astype(np.int64)
        entry_of = np.full(len(swipes), -1, dtype=np.int64)
        entry_of[entries] = np.arange(len(entries), dtype=np.int64)
        visitors = other._visitor.values[entries].astype(np.int64)
        self._visitor.extend(self._visitors.extend_from(other._visitors, np.unique(visitors))[visitors])
        self._swipe.extend(swipes[entries])
        self._index.extend_from(other._index, entry_of)

    def visitors(self) -> list[str]:
        """Returns every visitor that was ever seen."""
        return self._visitors.of(np.arange(len(self._visitors), dtype=np.int64))

    def of_visitors(self, visitors: Sequence[str]) -> Owned:
        """Returns the swipes around which each visitor was seen."""
        owner, at = self._index.find(hashes_of(visitors))
        same = self._visitor.values[at] == self._visitors.find(visitors)[owner]
        rows: Int64s = self._swipe.values[at[same]].astype(np.int64)
        return owner[same], rows
