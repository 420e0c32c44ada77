"""The live feed of one process: the pipeline says what changed, open pages hear of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from web.ports import Changed, LiveChange

MAX_PENDING = 1_000


class Ear:
    """One subscription: what changed since it was last asked, and nothing older.

    A reader that never asks holds at most `MAX_PENDING` ids and delays nobody.
    """

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._pending: set[str] = set()
        self._closed = False

    async def wait(self, timeout_s: float) -> frozenset[str] | None:
        """Returns the ids of changed alerts, empty after `timeout_s` without any, None once the feed is closed."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return frozenset()
        if self._closed:
            return None
        heard = frozenset(self._pending)
        self._pending.clear()
        self._changed.clear()
        return heard

    def hear(self, alert_id: str) -> None:
        """The next `wait` returns this id; ids beyond `MAX_PENDING` are dropped, the wake-up is not."""
        if len(self._pending) < MAX_PENDING:
            self._pending.add(alert_id)
        self._changed.set()

    def close(self) -> None:
        """The next `wait` returns None."""
        self._closed = True
        self._changed.set()


class Broadcast:
    """The live feed in memory. `publish` and `close` may be called from any thread, the rest on one event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._everywhere: set[Ear] = set()
        self._by_institution: dict[str, set[Ear]] = {}
        self._closed = False

    def publish(self, changes: Iterable[Changed], *, to_stores: bool = True) -> None:
        """Every ear that is open for a change's institution hears of it soon, or only those that are for all."""
        heard = [LiveChange(alert_id=change.alert_id, institution_id=change.institution_id) for change in changes]
        if heard:
            self._on_loop(heard, to_stores=to_stores)

    def close(self) -> None:
        """All ears are closed, and so is each one opened from now on."""
        self._closed = True
        self._on_loop(None)

    @asynccontextmanager
    async def subscribe(self, institution_ids: Sequence[str] | None) -> AsyncIterator[Ear]:
        """Opens an ear for these institutions, or for all (None)."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
        ear = Ear()
        groups = self._groups(institution_ids)
        for group in groups:
            group.add(ear)
        if self._closed:
            ear.close()
        try:
            yield ear
        finally:
            for group in groups:
                group.discard(ear)

    def _groups(self, institution_ids: Sequence[str] | None) -> list[set[Ear]]:
        if institution_ids is None:
            return [self._everywhere]
        return [self._by_institution.setdefault(one, set()) for one in institution_ids]

    def _on_loop(self, changes: list[LiveChange] | None, *, to_stores: bool = True) -> None:
        with self._lock:
            loop = self._loop
        if loop is None or loop.is_closed():
            return
        try:
            loop.call_soon_threadsafe(self._tell, changes, to_stores)
        except RuntimeError:  # the loop was closed between the check and the call: nobody is left to tell
            return

    def _tell(self, changes: list[LiveChange] | None, to_stores: bool) -> None:  # noqa: FBT001 - the loop passes no names
        if changes is None:
            for ear in self._all():
                ear.close()
            return
        for change in changes:
            of_store = self._by_institution.get(change.institution_id, ()) if to_stores else ()
            for ear in [*self._everywhere, *of_store]:
                ear.hear(change.alert_id)

    def _all(self) -> set[Ear]:
        return self._everywhere.union(*self._by_institution.values())
