"""How a process without pages is, answered beside its work: /healthz, /readyz and /metrics."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import uvicorn

from web.measurements import Measurements
from web.ports import NotReady
from web.status import status_app


class StatusServer:
    """Answers from a thread of its own until it is stopped, or the process ends."""

    def __init__(
        self, measurements: Measurements, readiness: Callable[[], Sequence[NotReady]], *, host: str, port: int
    ) -> None:
        app = status_app(measurements, readiness)
        self._server = uvicorn.Server(uvicorn.Config(app, host=host, port=port, access_log=False, log_config=None))
        self._thread = threading.Thread(target=self._server.run, name="status", daemon=True)

    def start(self) -> None:
        """Answers from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Takes no further request."""
        self._server.should_exit = True
