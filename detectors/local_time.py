"""Local time of day and its offset from UTC, for whole columns."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from detectors.windows import Int64s

DAY_MS = 86_400_000
LAST_DAY = 47_481
"""31 December 2099, in days since 1970."""
MINUTE_MS = 60_000


def local_ms(time_ms: Int64s, zone: str) -> Int64s:
    """Returns local wall-clock milliseconds (UTC plus the zone's offset then) of UTC times, years 2000 to 2099.

    Offsets are looked up once a day, and once a minute on days on which they change: since 2000 every zone changes on a
    whole minute.
    """
    place = ZoneInfo(zone)
    day = time_ms // DAY_MS
    first = int(day.min(initial=LAST_DAY))
    known = np.zeros(int(day.max(initial=first)) - first + 1, dtype=np.bool_)
    known[day - first] = True
    days = np.flatnonzero(known)
    at_start, at_end = np.zeros((2, len(known)), dtype=np.int64)
    at_start[days] = _offsets_ms((first + days) * DAY_MS, place)
    at_end[days] = _offsets_ms((first + days + 1) * DAY_MS, place)
    offset: Int64s = at_start[day - first]
    changing = (at_start != at_end)[day - first]
    if changing.any():
        minutes, minute_of = np.unique(time_ms[changing] // MINUTE_MS, return_inverse=True)
        offset[changing] = _offsets_ms(minutes * MINUTE_MS, place)[minute_of]
    return time_ms + offset


def _offsets_ms(time_ms: Int64s, place: ZoneInfo) -> Int64s:
    return np.fromiter((_offset_ms(instant, place) for instant in time_ms.tolist()), dtype=np.int64)


def _offset_ms(instant_ms: int, place: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(instant_ms // 1000, UTC).astimezone(place).utcoffset()
    return 0 if offset is None else int(offset.total_seconds()) * 1000


def date_numbers(local: Int64s) -> Int64s:
    """Returns the date of local wall-clock milliseconds as the number yyyymmdd."""
    day = (local // DAY_MS).astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    months = month.astype(np.int64)
    day_of_month = (day - month.astype("datetime64[D]")).astype(np.int64) + 1
    return np.asarray((months // 12 + 1970) * 10_000 + (months % 12 + 1) * 100 + day_of_month, dtype=np.int64)
