"""Terminals that are connected to a running product and note when each reminder arrives."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Mapping

import httpx
from httpx_sse import connect_sse

Arrivals = dict[tuple[str, str], float]
"""(receipt ending, detector) → the monotonic second at which its reminder arrived."""


def terminal_tokens(first_lines: str) -> dict[str, str]:
    """Returns the tokens that a first start printed, by terminal."""
    return dict(re.findall(r"terminal (\S+) pairs with token (\S+)", first_lines))


def listen(address: str, tokens: Mapping[str, str]) -> Arrivals:
    """Returns the arrivals, filled while the product runs, once every terminal is connected."""
    seen: Arrivals = {}
    opened = threading.Semaphore(0)
    for token in tokens.values():
        threading.Thread(target=_listen_to, args=(address, token, seen, opened), daemon=True).start()
    for _ in tokens:
        opened.acquire(timeout=30)
    return seen


def _listen_to(address: str, token: str, seen: Arrivals, opened: threading.Semaphore) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    with (
        contextlib.suppress(httpx.TransportError),
        httpx.Client(base_url=address, headers=headers, timeout=None) as terminal,  # noqa: S113 - a stream has no end
        connect_sse(terminal, "GET", "/terminal/stream") as stream,
    ):
        opened.release()
        for event in stream.iter_sse():
            if event.id:
                _note(json.loads(event.data), seen)


def _note(notice: Mapping[str, object], seen: Arrivals) -> None:
    body = notice.get("body", notice)
    facts = body.get("facts", []) if isinstance(body, dict) else []
    for fact in facts:
        seen.setdefault((fact["receipt"], fact["detector"]), time.monotonic())
