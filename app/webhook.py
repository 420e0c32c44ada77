"""Pushes of changed alerts to a receiver of the centre's, in order, signed, again until each is taken."""

from __future__ import annotations

import hashlib
import hmac
import random
import threading
from collections.abc import Callable

import httpx
import msgspec
import structlog

from events.errors import TransientError
from events.metrics import WEBHOOK_WAITING
from storage.alerts.webhook_position import WebhookPosition
from storage.database import Database
from web.measurements import Measurements

WEBHOOK_KEY = "webhook.key"
LOOK_EVERY_S = 0.5
TIMEOUT_S = 10.0
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 300.0
JITTER = 0.3

_log = structlog.get_logger()


def signature_of(key: bytes, timestamp: str, delivery_id: str, body: bytes) -> str:
    """Returns what proves that a push is ours, of that second and unchanged: hex HMAC-SHA256."""
    return hmac.new(key, f"{timestamp}.{delivery_id}.".encode() + body, hashlib.sha256).hexdigest()


def secret_text(key: bytes) -> str:
    """Returns the key as the receiver is given it; its bytes are the hex digits decoded."""
    return key.hex()


def webhook_of(
    url: str | None,
    key: bytes,
    database: Database,
    measurements: Measurements,
    clock_ms: Callable[[], int],
    is_mine: Callable[[], bool],
) -> Webhook | None:
    """Returns the sender to this receiver, None without one."""
    return None if url is None else Webhook(url, key, database, measurements, clock_ms, is_mine)


class Webhook:
    """A thread that tells one receiver; `push_next` is one push. Nothing is lost while either side is down.

    Of several processes the one whose duty it is (`is_mine`) pushes, and goes on where the one before it was.
    """

    def __init__(
        self,
        url: str,
        key: bytes,
        database: Database,
        measurements: Measurements,
        clock_ms: Callable[[], int],
        is_mine: Callable[[], bool] = lambda: True,
    ) -> None:
        self._is_mine = is_mine
        self._url, self._key, self._clock_ms, self._measurements = url, key, clock_ms, measurements
        self._position = WebhookPosition(database, url)
        self._told: int | None = None
        self._failures = 0
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)

    def start(self) -> None:
        """The thread pushes from now on."""
        self._thread.start()

    def stop(self) -> None:
        """The thread has ended; a push that is on its way is waited for."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()

    def wait_s(self) -> float:
        """Returns how long to wait before the next push: longer with each failure in a row, never the same twice."""
        if not self._failures:
            return LOOK_EVERY_S
        longest: float = min(FIRST_WAIT_S * 2.0 ** (self._failures - 1), LONGEST_WAIT_S)
        return longest * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load, guards nothing

    def push_next(self, client: httpx.Client) -> bool:
        """Returns whether a change was taken by the receiver; False, too, when there is none."""
        if not self._is_mine():
            self._stand_back()
            return False
        if self._told is None:
            self._told = self._position.begin()
        found = self._position.next_after(self._told)
        self._measurements.set_level(WEBHOOK_WAITING, self._position.waiting(self._told) if found else 0)
        if found is None:
            return False
        change, alert = found
        delivery_id = f"alert-change-{change.entry_id}"
        body = msgspec.json.encode({"delivery_id": delivery_id, "change": change, "alert": alert})
        problem = self._push(client, delivery_id, body)
        if problem is not None:
            self._failures += 1
            if self._failures == 1:
                _log.warning("webhook.refused", delivery_id=delivery_id, problem=problem)
            return False
        if self._failures:
            _log.info("webhook.recovered", delivery_id=delivery_id, failures=self._failures)
        self._failures = 0
        self._position.told(change.entry_id)
        self._told = change.entry_id
        return True

    def _stand_back(self) -> None:
        """Another process pushes, and knows how far the receiver was told."""
        self._told, self._failures = None, 0
        self._measurements.set_level(WEBHOOK_WAITING, 0)

    def _push(self, client: httpx.Client, delivery_id: str, body: bytes) -> str | None:
        """Returns why the receiver has not taken it, None when it has."""
        timestamp = str(self._clock_ms() // 1000)
        headers = {
            "Content-Type": "application/json",
            "Swipewatch-Delivery": delivery_id,
            "Swipewatch-Timestamp": timestamp,
            "Swipewatch-Signature": f"v1={signature_of(self._key, timestamp, delivery_id, body)}",
        }
        try:
            with client.stream("POST", self._url, content=body, headers=headers) as answer:  # its body is nobody's
                return None if answer.is_success else f"answered {answer.status_code}"
        except httpx.HTTPError as error:
            return type(error).__name__

    def _run(self) -> None:
        with httpx.Client(timeout=TIMEOUT_S, follow_redirects=False) as client:
            while not self._ends.is_set():
                try:
                    if self.push_next(client):
                        continue
                except TransientError as error:
                    _log.warning("webhook.not_read", error=str(error))
                self._ends.wait(self.wait_s())
