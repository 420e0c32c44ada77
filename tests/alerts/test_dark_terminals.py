from __future__ import annotations

import pytest

from alerts.dark_terminals import Hours, dark_reason, is_open

SHANGHAI_MIDNIGHT_MS = 1_800_028_800_000
MINUTE_MS = 60_000
AFTER_MS = 5 * MINUTE_MS


def at(hour: str) -> int:
    hours, minutes = map(int, hour.split(":"))
    return SHANGHAI_MIDNIGHT_MS + (hours * 60 + minutes) * MINUTE_MS


def hours(opens: str, closes: str) -> Hours:
    first, last = ((at(one) - SHANGHAI_MIDNIGHT_MS) // MINUTE_MS for one in (opens, closes))
    return Hours(opens_minute=first, closes_minute=last, time_zone="Asia/Shanghai")


@pytest.mark.parametrize(
    ("opens", "closes", "open_at", "closed_at"),
    [
        ("08:00", "21:00", "08:00 20:59", "07:59 21:00"),
        ("20:00", "02:00", "20:00 01:59", "02:00 19:59"),
        ("00:00", "24:00", "00:00 03:00", ""),
        ("09:00", "09:00", "08:59 09:00", ""),
    ],
)
def test_a_store_is_open_from_its_first_minute_to_before_its_last(
    opens: str, closes: str, open_at: str, closed_at: str
) -> None:
    assert [one for one in open_at.split() if not is_open(hours(opens, closes), at(one))] == []
    assert [one for one in closed_at.split() if is_open(hours(opens, closes), at(one))] == []


def reason(now: str, heard: str, *, known: bool = True, reminder: str | None = None) -> str | None:
    return dark_reason(
        now_ms=at(now),
        heard_at_ms=at(heard),
        after_ms=AFTER_MS,
        hours=hours("08:00", "21:00") if known else None,
        reminder_ms=None if reminder is None else at(reminder),
    )


def test_a_terminal_is_dark_once_its_store_is_open_and_it_says_nothing_for_so_long() -> None:
    assert reason("10:04", "10:00") is None
    assert reason("10:05", "10:00") == "open_store"


def test_a_store_that_has_just_opened_may_take_as_long_to_switch_it_on() -> None:
    assert reason("08:04", "02:00") is None
    assert reason("08:05", "02:00") == "open_store"


def test_at_night_only_a_reminder_that_nobody_receives_matters() -> None:
    assert reason("22:00", "20:00") is None
    assert reason("22:00", "20:00", reminder="21:56") is None
    assert reason("22:00", "20:00", reminder="21:55") == "reminder"


def test_a_store_that_never_told_its_hours_is_not_known_to_be_open() -> None:
    assert reason("12:00", "10:00", known=False) is None
    assert reason("12:00", "10:00", known=False, reminder="11:00") == "reminder"
