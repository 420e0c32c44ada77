from __future__ import annotations

import pytest

from alerts.dark_terminals import Hours
from alerts.unhealthy_cameras import concerns_centre

MIDNIGHT_MS = 1_800_028_800_000  # in Shanghai
HOUR_MS, AFTER_MS = 3_600_000, 120_000
DAYTIME = Hours(opens_minute=8 * 60, closes_minute=21 * 60, time_zone="Asia/Shanghai")
OPENS_MS = MIDNIGHT_MS + 8 * HOUR_MS


@pytest.mark.parametrize("state", ["covered", "defocused", "moved", "frozen", "clock_drift", "offline"])
def test_a_fault_concerns_the_centre_at_any_hour_once_it_has_lasted(state):
    for hours in (None, DAYTIME):
        said = [
            concerns_centre(
                state=state, ill_since_ms=MIDNIGHT_MS, now_ms=MIDNIGHT_MS + lasted, after_ms=AFTER_MS, hours=hours
            )
            for lasted in (AFTER_MS - 1, AFTER_MS)
        ]
        assert said == [False, True]


@pytest.mark.parametrize(
    ("now_ms", "hours", "concerns"),
    [
        (OPENS_MS - 1, DAYTIME, False),
        (OPENS_MS + AFTER_MS - 1, DAYTIME, False),
        (OPENS_MS + AFTER_MS, DAYTIME, True),
        (OPENS_MS + HOUR_MS, None, False),
    ],
)
def test_darkness_concerns_it_only_in_a_store_that_has_been_open_as_long(now_ms, hours, concerns):
    said = concerns_centre(state="dark", ill_since_ms=MIDNIGHT_MS, now_ms=now_ms, after_ms=AFTER_MS, hours=hours)
    assert said is concerns
