"""Attempts to log in that failed, counted over all processes that people can log in at."""

from __future__ import annotations

import hashlib

from sqlalchemy import delete, insert, select

from storage.database import Database
from storage.models import FailedLoginRow

TIMES = {"both": 1, "address": 4, "name": 10}
"""How many times what is allowed a name from one address, an address, and a name from anywhere have."""


class FailedLogins:
    """Counts failures, and says how long to wait once there are too many of them within the window.

    A name from one address has `allowed` failures; an address four times as many (a whole centre may share one); a
    name from anywhere ten times as many, so that a stranger does not shut somebody out so easily. Of names and
    addresses only a hash is kept, and that for the window. Safe to use from several threads and processes.
    """

    def __init__(self, database: Database, allowed: int, window_s: float) -> None:
        self._database, self._allowed, self._window_ms = database, allowed, int(window_s * 1000)

    def wait_s(self, username: str, address: str, now_ms: int) -> int:
        """Returns the seconds until another attempt is looked at, 0 for at once."""
        allowed = {key: TIMES[of] * self._allowed for of, key in _keys(username, address).items()}
        query = (
            select(FailedLoginRow.key, FailedLoginRow.at_ms)
            .where(FailedLoginRow.key.in_(allowed), FailedLoginRow.at_ms > now_ms - self._window_ms)
            .order_by(FailedLoginRow.at_ms)
        )
        failures: dict[str, list[int]] = {key: [] for key in allowed}
        with self._database.read() as session:
            for key, at_ms in session.execute(query):
                failures[key].append(at_ms)
        waits = [self._wait_ms(failures[key], count, now_ms) for key, count in allowed.items()]
        return -(-max(waits) // 1000)

    def add(self, username: str, address: str, now_ms: int) -> None:
        """One more attempt has failed."""
        rows = [{"key": key, "at_ms": now_ms} for key in _keys(username, address).values()]
        with self._database.session(alone=False) as session:
            session.execute(delete(FailedLoginRow).where(FailedLoginRow.at_ms <= now_ms - self._window_ms))
            session.execute(insert(FailedLoginRow), rows)

    def _wait_ms(self, failures: list[int], allowed: int, now_ms: int) -> int:
        return 0 if len(failures) < allowed else failures[-allowed] + self._window_ms - now_ms


def _keys(username: str, address: str) -> dict[str, str]:
    """Returns what is counted: people type passwords where names belong, so nothing is kept as it was typed."""
    told = {"both": f"both {username} {address}", "address": f"address {address}", "name": f"name {username}"}
    return {of: hashlib.sha256(text.encode()).hexdigest() for of, text in told.items()}
