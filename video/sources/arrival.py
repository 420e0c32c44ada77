"""When pictures of a live stream were taken: by their own stamps, tied to this machine's clock. Pure."""

from __future__ import annotations

from typing import Final

JUMP_MS: Final = 2_000
"""A stamp this far from what it should be belongs to a new count: the camera started anew, or its clock was set."""
CREEP_RATIO: Final = 0.001
"""How fast the tie may slip later, part of the time gone by: far more than two quartz clocks drift apart."""


class ArrivalClock:
    """Gives each picture the time at which it would have arrived over a line that never lingers.

    The smallest delay seen is the truth, and follows the drift between the camera's quartz and this machine's. So the
    intervals are the camera's, without the network's jitter, and the time of day is this machine's.
    """

    def __init__(self) -> None:
        self._tie_ms: float | None = None
        self._last_arrival_ms = 0

    def time_of(self, stamp_ms: int, arrived_at_ms: int) -> int:
        """Returns the time of day of a picture. Args: stamp_ms counts from anywhere; arrivals do not go back."""
        tie_ms = arrived_at_ms - stamp_ms
        gone_ms = max(arrived_at_ms - self._last_arrival_ms, 0)
        self._last_arrival_ms = arrived_at_ms
        if self._tie_ms is None or abs(tie_ms - self._tie_ms) > JUMP_MS or tie_ms < self._tie_ms:
            self._tie_ms = tie_ms
        else:
            self._tie_ms += min(tie_ms - self._tie_ms, gone_ms * CREEP_RATIO)
        return round(stamp_ms + self._tie_ms)
