"""The clock of the product's processes."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Returns the time in milliseconds UTC."""
    return time.time_ns() // 1_000_000
