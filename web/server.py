"""The web server: uvicorn, told to end the open streams before it waits for connections to end."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from web.ports import LiveFeed

GRACEFUL_S = 5
SWITCH_S = 0.0005


class WebServer(uvicorn.Server):
    """Serves the application until `should_exit` is set or the process is told to stop; then streams end at once."""

    def __init__(self, app: FastAPI, *feeds: LiveFeed, host: str, port: int) -> None:
        """Args: `feeds` are what the streams of the application wait for."""
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                lifespan="on",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=GRACEFUL_S,
                timeout_keep_alive=30,
            )
        )
        self._feeds = feeds

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM end the server while this lasts; they are spent then, so that the rest can stop too."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Requests are answered. A thread that computes lets those that wait for the database's rows go on sooner."""
        sys.setswitchinterval(SWITCH_S)
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """No stream and no connection is open any more; a reader that does not read is cut off after 5 s."""
        for feed in self._feeds:
            feed.close()
        await super().shutdown(sockets)
