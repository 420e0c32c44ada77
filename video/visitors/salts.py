"""Ids of visitors, and the salts that they are made with. Pure.

A salt belongs to a week and lives fourteen days from the week's beginning, so that two overlap by seven. A visitor's id
is made with the newest salt and stays until that salt ends, seven to fourteen days later; who is seen then gets another
id. A salt that has ended is destroyed: nothing leads from the new id to the old one any more, not even for whoever has
the memory of visitors. So no id lives longer than fourteen days, and none shorter than seven while its face is
remembered: the first seven days after a visitor got an id are always under that one id. A window of seven days that a
change of the id falls into sees two visitors.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

DAY_MS: Final = 86_400_000
WEEK_MS: Final = 7 * DAY_MS
SALT_LIVES_MS: Final = 2 * WEEK_MS
SALT_BYTES: Final = 32
FIRST_WEEK_MS: Final = 3 * DAY_MS + 19 * 3_600_000
"""Weeks begin on Sundays at 19:00 UTC: Monday, three in the morning in China, when the fewest are at a counter."""


def week_of(at_ms: int) -> int:
    """Returns the number of the week that a moment lies in; its first millisecond belongs to it."""
    return (at_ms - FIRST_WEEK_MS) // WEEK_MS


def begins_ms(week: int) -> int:
    """Returns the first millisecond of a week."""
    return FIRST_WEEK_MS + week * WEEK_MS


def ends_ms(week: int) -> int:
    """Returns the millisecond from which on the salt of a week is no more."""
    return begins_ms(week) + SALT_LIVES_MS


def visitor_id(salt: bytes, key: bytes) -> str:
    """Returns the id of a visitor under a salt; `key` is random, and nothing of a face."""
    return f"v-{hmac.new(salt, key, hashlib.sha256).hexdigest()[:32]}"
