"""`swipewatch serve` on SQLite: one process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from app.standing import wait_until_decided
from storage.database import Database, default_url
from tests.app.running import Served, serving
from tests.runtimes.port import Fate, hand_in

ANSWERS: Final[Mapping[Fate, str]] = {
    "accepted": "accepted",
    "duplicate": "duplicate",
    "set_aside": "dead_letter",
    "unreadable": "dead_letter",
}


class Embedded:
    """The product that serves alone."""

    def __init__(self, folder: Path, rules: Path) -> None:
        self._data, self._rules = folder / "data", rules
        self._running = ExitStack()
        self._served: Served | None = None
        self._token = ""

    @property
    def answers(self) -> Mapping[Fate, str]:
        """What the sender of a line is told of its fate, once the line is safe."""
        return ANSWERS

    @property
    def url(self) -> str:
        """The address of its database."""
        return default_url(self._data)

    def start(self) -> None:
        """It takes events, and decides them."""
        self._served = self._running.enter_context(serving(self._data, "--rules", str(self._rules)))
        self._token = self._token or self._served.sender_token()

    def send(self, lines: Sequence[bytes]) -> list[str]:
        """Returns the answer to each line; they are on disk then."""
        assert self._served is not None
        return hand_in(self._served.address, self._token, lines)

    def kill(self) -> None:
        """The process has ended at once."""
        assert self._served is not None
        self._served.kill()
        self._running.close()

    def revive(self) -> None:
        """A new process serves from the same data."""
        self.start()

    def stop(self) -> None:
        """The process has ended in order."""
        self._running.close()

    def wait_until_decided(self) -> None:
        """Returns once all that was sent is decided."""
        database = Database.open(self.url)
        try:
            wait_until_decided(database)
        finally:
            database.close()

    def said(self) -> str:
        """Returns the end of what its newest process wrote."""
        return self._data.with_suffix(".err").read_text(errors="replace")[-4000:]
