"""Durations as people write them: 90s, 10m, 24h, 7d."""

from __future__ import annotations

import re

UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PATTERN = re.compile(r"^([0-9]+)(ms|s|m|h|d)\Z")


def duration_ms(text: str) -> int:
    """Returns the milliseconds of a duration such as `90s`, `10m`, `24h` or `7d`.

    Raises: ValueError, saying how a duration is written, for anything else.
    """
    match = _PATTERN.match(text)
    if match is None:
        raise ValueError("a duration is a whole number and a unit: 90s, 10m, 24h or 7d")
    return int(match[1]) * UNITS_MS[match[2]]


def duration_text(duration: int) -> str:
    """Returns the shortest writing of a duration in milliseconds: 600000 is `10m`."""
    for unit in ("d", "h", "m", "s"):
        if duration and duration % UNITS_MS[unit] == 0:
            return f"{duration // UNITS_MS[unit]}{unit}"
    return f"{duration}ms"
