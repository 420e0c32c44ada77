"""When a camera that cannot be believed is an alert for the centre: nobody at the store need notice."""

from __future__ import annotations

from alerts.dark_terminals import Hours, is_open

LIT_BY_THE_STORE = "dark"
"""The only state that a closed store's camera is rightly in: its lamps are off."""


def concerns_centre(*, state: str, ill_since_ms: int, now_ms: int, after_ms: int, hours: Hours | None) -> bool:
    """Returns whether a camera that is not `ok` now, and was not since then, is the centre's business.

    It is after `after_ms`, both ends inside. A dark picture is only while the store is open, and has been as long; a
    store that never reported its hours is not known to be open.

    Args:
        state: what is wrong now.
        ill_since_ms: when the camera was last well, UTC ms, as all times here.
        now_ms: now.
        after_ms: how long a camera may be unwell.
        hours: the store's opening hours, None when they are not known.
    """
    if now_ms - ill_since_ms < after_ms:
        return False
    if state != LIT_BY_THE_STORE:
        return True
    return hours is not None and is_open(hours, now_ms) and is_open(hours, now_ms - after_ms)
