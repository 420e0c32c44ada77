"""Failed attempts to log in have one count, wherever they are made."""

from __future__ import annotations

from sqlalchemy import select

from storage.access.failed_logins import FailedLogins
from storage.database import Database
from storage.models import FailedLoginRow


def test_failures_are_forgotten_when_the_window_has_passed(database):
    failed = FailedLogins(database, allowed=2, window_s=60)
    for at_ms in (1_000, 10_000):
        failed.add("a", "here", at_ms)
    assert failed.wait_s("a", "here", 11_000) == 50
    assert failed.wait_s("a", "here", 11_001) == 50
    assert failed.wait_s("a", "here", 61_000) == 0
    failed.add("a", "here", 100_000)
    with database.read() as session:
        assert set(session.scalars(select(FailedLoginRow.at_ms))) == {100_000}


def test_one_address_and_one_name_have_bounds_of_their_own(database):
    failed = FailedLogins(database, allowed=2, window_s=60)
    for number in range(8):
        failed.add(f"name-{number}", "here", 1_000)
    assert failed.wait_s("fresh", "here", 2_000) == 59
    assert failed.wait_s("fresh", "elsewhere", 2_000) == 0
    for number in range(20):
        failed.add("known", f"address-{number}", 1_000)
    assert failed.wait_s("known", "elsewhere", 2_000) == 59


def test_what_fails_at_one_process_counts_at_another(url, database):
    other = Database.open(url)
    for one in (database, other):
        FailedLogins(one, allowed=2, window_s=60).add("a", "here", 1_000)
    assert FailedLogins(other, allowed=2, window_s=60).wait_s("a", "here", 2_000) == 59
    other.close()


def test_nothing_that_was_typed_is_kept(database):
    FailedLogins(database, allowed=2, window_s=60).add("my password", "10.1.2.3", 1_000)
    with database.read() as session:
        keys = list(session.scalars(select(FailedLoginRow.key)))
    assert len(keys) == 3
    assert not [key for key in keys if "password" in key or "10.1" in key]
