"""The running product's eye on the stores' terminals: one that says nothing when it should is an alert on the wall."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import structlog

from alerts.dark_terminals import dark_reason
from events.errors import TransientError
from events.metrics import TERMINALS_DARK
from storage.access.accounts import EVERYWHERE, Accounts, Token
from storage.database import Database
from storage.opening_hours import OpeningHours
from storage.terminals.contacts import Outage, TerminalContacts, TerminalOutages
from web.measurements import Measurements

LOOK_EVERY_S = 2.0

_log = structlog.get_logger()


class TerminalWatch:
    """A thread that looks every two seconds; `look` is one such look.

    Silence counts from when this watch first knew of the terminal: while the product was off nobody could be heard.
    Of several processes each looks, so that any can go on, and the one whose duty it is (`is_mine`) puts it on record.
    """

    def __init__(
        self,
        database: Database,
        accounts: Accounts,
        contacts: TerminalContacts,
        measurements: Measurements,
        *,
        clock_ms: Callable[[], int],
        dark_after_ms: int,
        is_mine: Callable[[], bool] = lambda: True,
    ) -> None:
        self._accounts, self._contacts, self._measurements = accounts, contacts, measurements
        self._outages, self._hours = TerminalOutages(database), OpeningHours(database)
        self._clock_ms, self._dark_after_ms, self._is_mine = clock_ms, dark_after_ms, is_mine
        self._known_since: dict[str, int] = {}
        self._dark: frozenset[str] = frozenset()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="terminals", daemon=True)

    def start(self) -> None:
        """The thread looks from now on."""
        self._thread.start()

    def stop(self) -> None:
        """The thread has ended."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Afterwards the outages on record are those of this moment; what does not answer is asked again next time."""
        now_ms = self._clock_ms()
        try:
            self._contacts.keep()
            self._hours.read_on()
            standing = self._dark_now(now_ms)
            if not self._is_mine():
                self._forget()
                return
            if standing or self._outages.standing():
                self._outages.put(standing, now_ms)
        except TransientError as error:
            _log.warning("terminals.not_seen", error=str(error))
            return
        self._tell(standing)

    def _run(self) -> None:
        while not self._ends.wait(LOOK_EVERY_S):
            self.look()

    def _dark_now(self, now_ms: int) -> list[Outage]:
        heard, unshown = self._contacts.last_heard(), self._outages.unshown()
        outages = []
        for token in self._accounts.tokens("terminal"):
            known_since_ms = self._known_since.setdefault(token.name, now_ms)
            heard_at_ms = heard.get(token.name, 0)
            institution_id = token.institution_ids[0]
            reason = dark_reason(
                now_ms=now_ms,
                heard_at_ms=max(heard_at_ms, known_since_ms),
                after_ms=self._dark_after_ms,
                hours=self._hours.of(institution_id, now_ms),
                reminder_ms=_oldest_for(token, unshown),
            )
            if reason is not None:
                since_ms = heard_at_ms or known_since_ms
                outages.append(
                    Outage(
                        terminal=token.name,
                        institution_id=institution_id,
                        till_id=token.till_id,
                        reason=reason,
                        since_ms=since_ms,
                    )
                )
        return outages

    def _forget(self) -> None:
        """What is told is another process's to tell."""
        self._dark = frozenset()
        self._measurements.set_level(TERMINALS_DARK, 0)

    def _tell(self, standing: list[Outage]) -> None:
        dark = frozenset(outage.terminal for outage in standing)
        for outage in standing:
            if outage.terminal not in self._dark:
                _log.warning(
                    "terminal.went_dark", terminal=outage.terminal, since_ms=outage.since_ms, reason=outage.reason
                )
        for terminal in sorted(self._dark - dark):
            _log.info("terminal.came_back", terminal=terminal)
        self._dark = dark
        self._measurements.set_level(TERMINALS_DARK, len(dark))


def _oldest_for(token: Token, unshown: Mapping[tuple[str, str], int]) -> int | None:
    """Returns when the oldest reminder was written that is for this terminal; one without a till is for all tills."""
    return min(
        (
            at_ms
            for (institution_id, till_id), at_ms in unshown.items()
            if (EVERYWHERE in token.institution_ids or institution_id in token.institution_ids)
            and (token.till_id is None or till_id in (token.till_id, ""))
        ),
        default=None,
    )
