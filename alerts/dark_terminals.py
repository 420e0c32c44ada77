"""When a terminal that says nothing is dark: an alert for the centre, for nobody at the store can tell."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

DarkReason = Literal["reminder", "open_store"]
DAY_MINUTES = 24 * 60


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """An institution's opening hours, in minutes of its local day."""

    opens_minute: int
    closes_minute: int
    time_zone: str


def is_open(hours: Hours, at_ms: int) -> bool:
    """Returns whether the institution is open then; equal hours (also 00:00 and 24:00) mean always, closing is not."""
    open_for = (hours.closes_minute - hours.opens_minute) % DAY_MINUTES
    local = datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(ZoneInfo(hours.time_zone))
    since_open = (local.hour * 60 + local.minute - hours.opens_minute) % DAY_MINUTES
    return open_for == 0 or since_open < open_for


def dark_reason(
    *, now_ms: int, heard_at_ms: int, after_ms: int, hours: Hours | None, reminder_ms: int | None
) -> DarkReason | None:
    """Returns why a terminal's silence concerns the centre, or None.

    It does once nothing was heard for `after_ms`, while a reminder has waited as long or the store has been open as
    long. A store that never reported its hours is not known to be open.

    Args:
        now_ms: now, UTC ms, as all times here.
        heard_at_ms: when the terminal was last heard of.
        after_ms: how long it may be silent.
        hours: the store's opening hours, None when they are not known.
        reminder_ms: when the oldest reminder was written that no terminal of the store has shown, None without any.
    """
    if now_ms - heard_at_ms < after_ms:
        return None
    if reminder_ms is not None and now_ms - reminder_ms >= after_ms:
        return "reminder"
    if hours is not None and is_open(hours, now_ms) and is_open(hours, now_ms - after_ms):
        return "open_store"
    return None
