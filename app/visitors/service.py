"""`swipewatch visitors`: the one memory of a region's visitors for all of a cluster. Its composition root."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from app.clock import now_ms
from app.configuration import Configuration, visitor_secret, visitor_settings
from app.status_server import StatusServer
from app.vault import DirectoryLock, visitor_key
from app.visitors.region import Answering
from app.visitors.shared import SharedVisitors
from events.errors import ConfigError
from events.metrics import VISITOR_LOOKS, VISITORS, VISITORS_ASKED
from events.prepared_types import prepare_types
from video.messages import VisitorNamed
from video.visitors.journal import NotKept
from web.measurements import Measurements
from web.ports import NotReady
from web.visitor_questions import question_route


class VisitorService:
    """The whole of `swipewatch visitors`, as an object that is started, run and stopped."""

    def __init__(self, configuration: Configuration, directory: Path, *, clock_ms: Callable[[], int] = now_ms) -> None:
        """Afterwards visitors are known. Args: `directory` is one process's alone. Raises: ConfigError; NotKept."""
        secret = visitor_secret(configuration)
        self.measurements = Measurements()
        self.measurements.refresh = self._measure
        self._lock = DirectoryLock(directory)
        try:
            remembered = visitor_settings(configuration, directory / "visitors", visitor_key(directory))
            self.visitors = SharedVisitors(remembered, clock_ms=clock_ms, on_answer=self._count)
            self.visitors.open()
        except (ConfigError, NotKept):
            self._lock.release()
            raise
        where = configuration.effective.settings.visitors
        self._status = StatusServer(
            self.measurements,
            self._reasons_not_ready,
            question_route(Answering(self.visitors, secret).answer),
            host=where.host,
            port=where.port,
        )
        self._ends = threading.Event()

    def start(self) -> None:
        """Questions are answered."""
        prepare_types()
        self.visitors.start()
        self._status.start()

    def run(self) -> None:
        """Answers until the process is told to stop; then everything is on the disk."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._ends.set())
        try:
            self._ends.wait()
        finally:
            self.stop()

    def stop(self) -> None:
        """Nothing is answered any more."""
        self._status.stop()
        self.visitors.stop()
        self._lock.release()

    def _count(self, named: VisitorNamed) -> None:
        self.measurements.count(VISITORS_ASKED, result="doubt" if named.visitor_id is None else "named")

    def _measure(self) -> None:
        visitors, looks = self.visitors.sizes
        self.measurements.set_level(VISITORS, visitors)
        self.measurements.set_level(VISITOR_LOOKS, looks)

    def _reasons_not_ready(self) -> Sequence[NotReady]:
        try:
            self.visitors.open()
        except (ConfigError, NotKept) as error:
            return [NotReady(part="visitors", reason=str(error))]
        return []
