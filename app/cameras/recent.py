"""The swipes of the last minutes, for workers that are started anew: what was swiped, and who said the last word."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Final

import msgspec

from video.messages import Observed, SwipeSeen

FRESH_SWIPE_MS: Final = 120_000
"""An older swipe is not sent to the cameras: what they remember of it may be gone."""
RECENT_SWIPES: Final = 512


class _Told(msgspec.Struct, frozen=True):
    """Which word of a swipe an observation is."""

    stage: str


class RecentSwipes:
    """Outlives the workers that were told of the swipes. Callable from several threads at once."""

    def __init__(self, clock_ms: Callable[[], int], *, most: int = RECENT_SWIPES) -> None:
        """Nothing was swiped yet. Args: most is how many are kept; the oldest go first."""
        self._clock_ms, self._most = clock_ms, most
        self._swipes: dict[str, SwipeSeen] = {}
        self._lock = threading.Lock()

    def is_fresh(self, occurred_at_ms: int) -> bool:
        """Returns whether a swipe of this time is still worth looking at."""
        return occurred_at_ms >= self._clock_ms() - FRESH_SWIPE_MS

    def add(self, seen: SwipeSeen) -> None:
        """The swipe is kept as long as it is fresh and there is room."""
        with self._lock:
            self._forget_old()
            self._swipes.setdefault(seen.settlement_id, seen)
            while len(self._swipes) > self._most:
                del self._swipes[next(iter(self._swipes))]

    def heard(self, message: Observed) -> None:
        """A camera that has said its last word of a swipe is named with it from now on."""
        if message.settlement_id is None or msgspec.json.decode(message.original, type=_Told).stage != "final":
            return
        with self._lock:
            seen = self._swipes.get(message.settlement_id)
            if seen is not None and message.camera_id not in seen.said_by:
                said_by = (*seen.said_by, message.camera_id)
                self._swipes[message.settlement_id] = msgspec.structs.replace(seen, said_by=said_by)

    def at(self, tills: Collection[tuple[str, str]]) -> list[SwipeSeen]:
        """Returns the fresh swipes at these tills (institution, till), in the order in which they came."""
        with self._lock:
            self._forget_old()
            return [seen for seen in self._swipes.values() if (seen.institution_id, seen.till_id) in tills]

    def _forget_old(self) -> None:
        self._swipes = {key: seen for key, seen in self._swipes.items() if self.is_fresh(seen.occurred_at_ms)}
