"""Follows the centre's stream: each swipe is told once, those of a broken line too; and who looks for whom."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final, Protocol

import msgspec
import structlog

from app.at_store.centre import Centre, CentreAway, TokenRefused, Told
from app.at_store.sender import Pauses
from app.camera_agents import TOLD_FOR_MS, AgentOrders
from video.messages import StaffKnown, SwipeSeen

BEFORE_START_MS: Final = 30_000
"""What was swiped longer before this process began is left to the one before it: here are no pictures of it."""
REMEMBERED: Final = 4_000
"""So many swipes are known to have been told; the centre repeats those of a few seconds only."""

_log = structlog.get_logger()


class _Revision(msgspec.Struct, frozen=True):
    revision: str


class Listener(Protocol):
    """Who is told; from the follower's thread."""

    def reached(self) -> None:
        """The centre is there, or is there again."""

    def ordered(self, orders: AgentOrders) -> None:
        """The cameras are these now."""

    def know_staff(self, known: StaffKnown) -> None:
        """The staff of the store are these now."""

    def look(self, seen: SwipeSeen) -> None:
        """The cameras of the swipe's till look at it."""


class Follower:
    """A thread that follows the stream and comes again when it ends."""

    def __init__(self, centre: Centre, listener: Listener, *, revision: str, clock_ms: Callable[[], int]) -> None:
        """Args: `revision` is that of the orders already obeyed."""
        self._centre, self._listener, self._clock_ms = centre, listener, clock_ms
        self._revision, self._last_id = revision, None  # type: str, str | None
        self._looks_since_ms = clock_ms() - BEFORE_START_MS
        self._told: OrderedDict[str, None] = OrderedDict()
        self._pauses, self._ends = Pauses(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="swipe-follower", daemon=True)
        self.is_following = False
        self.problem: str | None = None

    def start(self) -> None:
        """The stream is followed from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Nothing is followed any more; a thread that waits for the centre ends with the process."""
        self._ends.set()
        self._centre.close()

    def _run(self) -> None:
        while not self._ends.is_set():
            try:
                with self._centre.stream(self._last_id) as told:
                    self._follow(told)
                self._wait(CentreAway("the centre ended the stream"))
            except (CentreAway, TokenRefused) as error:
                self._wait(error)
            except Exception as error:  # noqa: BLE001 - the thread's boundary: without it the store were silently blind
                if not self._ends.is_set():
                    _log.exception("swipes.not_followed")
                    self._wait(CentreAway(f"{type(error).__name__}: {error}"))

    def _wait(self, error: CentreAway | TokenRefused) -> None:
        if self._ends.is_set():
            return
        if self.problem is None:
            _log.warning("swipes.not_followed", reason=str(error))
        self.is_following, self.problem = False, str(error)
        self._ends.wait(self._pauses.after(error))

    def _follow(self, stream: Iterable[Told]) -> None:
        for told in stream:
            if self._ends.is_set():
                return
            if not self.is_following:
                self.is_following, self.problem = True, None
                self._pauses.succeeded()
                _log.info("swipes.followed")
                self._listener.reached()
            if told.event == "cameras":
                self._take_revision(msgspec.json.decode(told.data, type=_Revision).revision)
            elif told.event == "staff":
                self._listener.know_staff(msgspec.json.decode(told.data, type=StaffKnown))
            elif told.event == "swipe":
                self._take_swipe(msgspec.json.decode(told.data, type=SwipeSeen))
            if told.event_id is not None:
                self._last_id = told.event_id

    def _take_revision(self, revision: str) -> None:
        if revision == self._revision:
            return
        orders = self._centre.orders()
        self._listener.ordered(orders)
        self._revision = orders.revision

    def _take_swipe(self, seen: SwipeSeen) -> None:
        """A swipe that the cameras can remember nothing of any more is passed over."""
        oldest_ms = max(self._looks_since_ms, self._clock_ms() - TOLD_FOR_MS)
        if seen.settlement_id in self._told or seen.occurred_at_ms < oldest_ms:
            return
        self._told[seen.settlement_id] = None
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        self._listener.look(seen)
