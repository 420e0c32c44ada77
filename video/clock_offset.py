"""How far a camera's clock is from its till's: whoever swipes a card stands at the counter then. Pure.

Somebody is at the counter at every swipe, and not always without one. So of all offsets between the clocks those are
likely under which the camera saw somebody at the swipes, the more so the emptier the counter is otherwise. One swipe
leaves a minute or two; each further one, of a visit with other times of coming and going, leaves less.

How it is wired: each camera has one `ClockOffsetEstimate`. It is told `saw(at_ms, present)` for every picture of which
presence is known (healthy, the empty counter known), at rest and around swipes, and `swiped(at_ms)` for every swipe of
the camera's till. Picture times are the camera's own plus the *configured* offset, never plus what is estimated here:
the estimate must not chase itself. `reckoned()` then says what must be added besides, or None. While it is not None the
worker adds its `correction_ms` to the camera's times (an observation carries raw time and the whole offset applied),
sends ClockOffsetEstimated when it changes, and says `clock_drift` instead of `ok` while it `is_beyond` the limit.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RANGE_MS = 120_000
STEP_MS = 500
SEEN_AT_SWIPE = 0.95
"""How likely the camera sees somebody at the moment of a swipe; the rest is mistakes of all sorts."""
LONGEST_GAP_MS = 30_000
"""Pictures further apart say nothing of the time between them."""
KEPT_MS = 900_000
MOST_KEPT = 8_192
LEAST_APART_MS = 45_000
"""Of swipes that are closer, say of one family, only the first counts: they are one visit."""
HALF_LIFE_MS = 86_400_000
"""Time after which a swipe counts half: a clock that runs 30 parts in a million off drifts 2.6 s meanwhile."""
MOST_CERTAIN = 14.0
"""Log-likelihood by which the best offset may lead: so little that a clock that was set is followed in some swipes."""
LEAST_SWIPES = 5
LARGEST_ERROR_MS = 12_000
CREDIBLE_SIGMAS = 2.0
LEAST_ERROR_MS = 1_000
USUAL_SHARE = 0.5
BASE_WEIGHT = 20.0
"""Pictures' worth of belief that the counter is occupied half the time, before any is known."""
BASE_HALF_LIFE_MS = 86_400_000


@dataclass(frozen=True, kw_only=True)
class ClockOffset:
    """What must be added to a camera's times, ± error_ms (about 95 %), as so many swipes say."""

    offset_ms: int
    error_ms: int
    swipes: int

    @property
    def correction_ms(self) -> int:
        """What to add to the camera's times: nothing while a right clock would be within the error bar too."""
        return self.offset_ms if abs(self.offset_ms) > self.error_ms else 0

    def is_beyond(self, limit_ms: int) -> bool:
        """Returns whether the clocks are further apart than the limit, even at the near end of the error bar."""
        return abs(self.offset_ms) - self.error_ms > limit_ms


class ClockOffsetEstimate:
    """The likelihood of each offset, kept up to date; one camera's."""

    def __init__(self) -> None:
        self._offsets = np.arange(-RANGE_MS, RANGE_MS + 1, STEP_MS)
        self._likelihood: Floats = np.zeros(len(self._offsets))
        self._times: deque[int] = deque(maxlen=MOST_KEPT)
        self._presence: deque[float] = deque(maxlen=MOST_KEPT)
        self._waiting: deque[int] = deque()
        self._swiped_at_ms: int | None = None
        self._counted_at_ms: int | None = None
        self._base = _Share()
        self.swipes = 0

    def saw(self, at_ms: int, present: bool) -> None:  # noqa: FBT001 - the one thing it says
        """Afterwards the camera is known to have seen somebody, or nobody, then. Times don't go back."""
        if self._times and at_ms <= self._times[-1]:
            return
        if self._times:
            self._base.add(bool(self._presence[-1]), min(at_ms - self._times[-1], LONGEST_GAP_MS))
        self._times.append(at_ms)
        self._presence.append(float(present))
        while self._times[0] < at_ms - KEPT_MS:
            self._times.popleft()
            self._presence.popleft()
        while self._waiting and self._waiting[0] + RANGE_MS + LONGEST_GAP_MS <= at_ms:
            self._count(self._waiting.popleft())

    def swiped(self, at_ms: int) -> None:
        """Afterwards the swipe will count, once the camera's pictures of two minutes after it are known."""
        if self._swiped_at_ms is not None and at_ms - self._swiped_at_ms < LEAST_APART_MS:
            return
        self._swiped_at_ms = at_ms
        self._waiting.append(at_ms)

    def reckoned(self) -> ClockOffset | None:
        """Returns the offset; None while its error is large, as before an empty or an always busy counter."""
        if self.swipes < LEAST_SWIPES:
            return None
        weight = np.exp(self._likelihood - self._likelihood.max())
        weight /= weight.sum()
        middle = float(weight @ self._offsets)
        spread = float(np.sqrt(weight @ (self._offsets - middle) ** 2))
        error_ms = round(max(CREDIBLE_SIGMAS * spread, LEAST_ERROR_MS))
        if error_ms > LARGEST_ERROR_MS:
            return None
        return ClockOffset(offset_ms=round(middle), error_ms=error_ms, swipes=self.swipes)

    def _count(self, swipe_at_ms: int) -> None:
        """Weighs each offset by what the camera saw at the moment that the swipe then had by its clock."""
        seen = self._seen_at(swipe_at_ms - self._offsets)
        known = ~np.isnan(seen)
        if not known.any():
            return
        base = self._base.share
        likely = seen * SEEN_AT_SWIPE + (1 - seen) * (1 - SEEN_AT_SWIPE)
        usual = seen * base + (1 - seen) * (1 - base)
        told = np.where(known, np.log(np.where(known, likely, 1.0)) - np.log(np.where(known, usual, 1.0)), 0.0)
        self._likelihood = self._likelihood * self._kept_share(swipe_at_ms) + told
        self._likelihood = np.maximum(self._likelihood, self._likelihood.max() - MOST_CERTAIN)
        self.swipes += 1

    def _kept_share(self, at_ms: int) -> float:
        before, self._counted_at_ms = self._counted_at_ms, at_ms
        return 1.0 if before is None else float(0.5 ** (max(at_ms - before, 0) / HALF_LIFE_MS))

    def _seen_at(self, moments: npt.NDArray[np.int64]) -> Floats:
        """Returns how likely somebody was there, between two pictures as the nearer says more; NaN where none are."""
        times, presence = np.array(self._times), np.array(self._presence)
        after = np.clip(np.searchsorted(times, moments), 1, max(len(times) - 1, 1))
        if len(times) < 2:  # noqa: PLR2004 - between two
            return np.full(len(moments), np.nan)
        inside = (moments >= times[0]) & (moments <= times[-1]) & (times[after] - times[after - 1] <= LONGEST_GAP_MS)
        return np.where(inside, np.interp(moments, times, presence), np.nan)


class _Share:
    """The share of time in which the counter is occupied, of about the last day."""

    def __init__(self) -> None:
        self._occupied_ms, self._all_ms = USUAL_SHARE * BASE_WEIGHT * 1_000, BASE_WEIGHT * 1_000

    def add(self, occupied: bool, duration_ms: int) -> None:  # noqa: FBT001 - the one thing it says
        kept = 0.5 ** (duration_ms / BASE_HALF_LIFE_MS)
        self._occupied_ms = kept * self._occupied_ms + (duration_ms if occupied else 0)
        self._all_ms = kept * self._all_ms + duration_ms

    @property
    def share(self) -> float:
        return min(max(self._occupied_ms / self._all_ms, 1 - SEEN_AT_SWIPE), SEEN_AT_SWIPE)
