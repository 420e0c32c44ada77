"""What people decide about visitors is done by whoever remembers them, once that can be reached, and then not again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import structlog

from app.visitors.shared import VisitorDesk
from events.errors import ConfigError, TransientError
from storage.faces.visitors import Order, VisitorRecord

LOOK_EVERY_S: Final = 1.0

_log = structlog.get_logger()


class VisitorOrders:
    """A thread that looks every second; `look` is one such look."""

    def __init__(self, record: VisitorRecord, visitors: VisitorDesk, *, is_mine: Callable[[], bool]) -> None:
        """Args: `is_mine` says whether, of several processes, this one does it."""
        self._record, self._visitors, self._is_mine = record, visitors, is_mine
        self._reason: str | None = None
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="visitor-orders", daemon=True)

    def start(self) -> None:
        """The thread looks from now on."""
        self._thread.start()

    def stop(self) -> None:
        """The thread has ended."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Afterwards all is done that was asked, in order, as far as the memory can be reached."""
        if not self._is_mine():
            return
        try:
            for order in self._record.orders():
                self._do(order)
                self._record.done(order.number)
        except (TransientError, ConfigError) as error:
            if self._reason is None:
                _log.warning("visitors.not_told", reason=str(error))
            self._reason = str(error)
        else:
            self._reason = None

    def _do(self, order: Order) -> None:
        if order.kind == "forget":
            self._visitors.forget(order.visitor_id)
        elif order.kept_id is not None:
            self._visitors.join(order.kept_id, order.visitor_id)

    def _run(self) -> None:
        while not self._ends.wait(LOOK_EVERY_S):
            try:
                self.look()
            except Exception:  # noqa: BLE001 - the thread's boundary: without it no order were ever done
                _log.exception("visitors.failed")
