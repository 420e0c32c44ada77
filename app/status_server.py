"""How a process without pages is, answered beside its work: /healthz, /readyz and /metrics."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

import uvicorn
from starlette.routing import Route

from web.measurements import Measurements
from web.ports import NotReady
from web.status import status_app

STOP_PATIENCE_S: Final = 3.0


class StatusServer:
    """Answers from a thread of its own until it is stopped, or the process ends."""

    def __init__(
        self,
        measurements: Measurements,
        readiness: Callable[[], Sequence[NotReady]],
        *more: Route,
        host: str,
        port: int,
    ) -> None:
        """Args: `more` is what else is answered at the same address."""
        app = status_app(measurements, readiness, *more)
        self._server = uvicorn.Server(uvicorn.Config(app, host=host, port=port, access_log=False, log_config=None))
        self._thread = threading.Thread(target=self._server.run, name="status", daemon=True)

    def start(self) -> None:
        """Answers from now on."""
        self._thread.start()

    def stop(self) -> None:
        """No further request is taken, and those that were are answered."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(STOP_PATIENCE_S)
