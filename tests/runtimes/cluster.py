"""Topics, two `swipewatch worker`s and a `swipewatch web` on a broker and PostgreSQL.

On noida-db one worker, for its groups lack what two need: a member that takes its time to rejoin, as one does that
opens a partition, is dropped from the group, which does not settle again; and when one of two leaves, the other hangs.
Nor does it ever miss a member that was killed, so it is started anew after a kill; sessions are of six seconds at
least. All else it has: topics with their settings, times of appending, headers, idempotent writing, offsets.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from app.standing import wait_until_decided
from storage.database import Database
from tests.app.running import Served, run
from tests.kafka.broker import Broker, Noida
from tests.kafka.webs import SENDER, Place
from tests.kafka.workers import Fleet
from tests.runtimes.port import Fate, hand_in

PARTITIONS: Final = 3
WORKERS: Final = ("worker0", "worker1")

ANSWERS: Final[Mapping[Fate, str]] = {
    "accepted": "durable",
    "duplicate": "durable",
    "set_aside": "durable",
    "unreadable": "dead_letter",
}


class Cluster:
    """The product on a broker: what is sent goes through a topic, and any of the workers decides it."""

    def __init__(self, folder: Path, rules: Path, broker: Broker | Noida, url: str) -> None:
        self._broker, self._url = broker, url
        is_noida = isinstance(broker, Noida)
        patience: dict[str, object] = {"session_timeout": "6s"} if is_noida else {}  # noida-db allows no less
        self._workers = WORKERS[:1] if is_noida else WORKERS
        self._fleet = Fleet(folder, broker.address, url, rules, {"cluster": patience})
        self._place = Place(folder, broker.address, url)
        self._running = ExitStack()
        self._web: Served | None = None

    @property
    def answers(self) -> Mapping[Fate, str]:
        """What the sender of a line is told of its fate, once the line is safe."""
        return ANSWERS

    @property
    def url(self) -> str:
        """The address of its database."""
        return self._url

    def start(self) -> None:
        """It takes events, and decides them."""
        if self._web is None:
            made = run("topics", "create", "--brokers", self._broker.address, "--partitions", str(PARTITIONS))
            assert made.returncode == 0, made.stderr
            self._place.furnish()
        for name in self._workers:
            self._fleet.start(name)
        self._web = self._running.enter_context(self._place.web("web"))

    def send(self, lines: Sequence[bytes]) -> list[str]:
        """Returns the answer to each line; they are in the topic then."""
        assert self._web is not None
        return hand_in(self._web.address, SENDER, lines)

    def kill(self) -> None:
        """No worker runs that did; their supervisor starts new ones at once. The web goes on."""
        for worker in self._fleet.workers.values():
            worker.signal(signal.SIGKILL)

    def revive(self) -> None:
        """The supervisor has done so. noida-db would wait for the dead for ever, so it starts anew."""
        if isinstance(self._broker, Noida):
            self._broker.restart()

    def stop(self) -> None:
        """Web and workers have ended in order."""
        self._running.close()
        self._fleet.stop()

    def wait_until_decided(self) -> None:
        """Returns once all that was sent is decided."""
        database = Database.open(self._url)
        try:
            wait_until_decided(database, self._broker.address)
        finally:
            database.close()

    def said(self) -> str:
        """Returns the end of what each worker wrote."""
        return self._fleet.said()
