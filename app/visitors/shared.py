"""Who a visitor is, and who answers that: the one memory of a region, in whichever process it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import structlog

from events.errors import ConfigError, TransientError
from video.engine import Embedding, unit
from video.messages import VisitorAsked, VisitorNamed
from video.settings import VisitorSettings
from video.visitors.gallery import DIMENSIONS
from video.visitors.journal import NotKept
from video.visitors.memory import VisitorMemory

TIDY_EVERY_S: Final = 30.0
NOBODY_TO_TELL: Final = "it is not known who remembers visitors: set visitors.url"

_log = structlog.get_logger()


class NoFaces(ValueError):
    """What was asked with are no faces."""


class VisitorsAway(TransientError):
    """Whoever remembers the region's visitors did not answer, or could not, or is not known."""


class VisitorNaming(Protocol):
    """Tells cameras who a visitor is. Callable from several threads at once."""

    def open(self) -> None:
        """Afterwards visitors are known.

        Raises: ConfigError when they never will be; TransientError while they are not, when nobody is named.
        """
        ...

    def answer(self, asked: VisitorAsked) -> VisitorNamed:
        """Returns who it is, a new visitor being on disk before; nobody where nobody can say, after a second at most.

        Raises: NoFaces.
        """
        ...


class VisitorDesk(Protocol):
    """What people say of visitors is done there. Raises TransientError while it cannot be."""

    def forget(self, visitor_id: str, /) -> bool:
        """Returns whether there was such a visitor; the next time that face gets another id."""
        ...

    def join(self, kept_id: str, gone_id: str, /) -> bool:
        """Returns whether both were known; from now on both faces have the first id."""
        ...


class RegionMemory(VisitorNaming, VisitorDesk, Protocol):
    """The one memory of a region's visitors, in this process or elsewhere."""

    def start(self) -> None:
        """It may be asked."""
        ...

    def stop(self) -> None:
        """Nobody asks any more."""
        ...


class UnnamedSaid:
    """Counts the faces that nobody could say a visitor of, and logs the first and the end of such a time."""

    def __init__(self, on_unnamed: Callable[[], None] = lambda: None) -> None:
        self._on_unnamed = on_unnamed
        self._lock = threading.Lock()
        self._reason: str | None = None

    def failed(self, reason: str) -> None:
        """One more has no visitor."""
        self._on_unnamed()
        with self._lock:
            is_first, self._reason = self._reason is None, reason
        if is_first:
            _log.warning("visitors.unnamed", reason=reason)

    def succeeded(self) -> None:
        """One could be asked for."""
        with self._lock:
            was, self._reason = self._reason, None
        if was is not None:
            _log.info("visitors.named_again")


class NoVisitors:
    """A `RegionMemory` that knows nobody: where it is not configured whom to ask."""

    def start(self) -> None:
        """It is said once."""
        _log.warning("visitors.unnamed", reason="visitors.url is not set")

    def stop(self) -> None:
        """Nothing was started."""

    def open(self) -> None:
        """Nothing is to be opened."""

    def answer(self, asked: VisitorAsked) -> VisitorNamed:
        """Returns nobody."""
        return VisitorNamed(number=asked.number, visitor_id=None)

    def forget(self, _visitor_id: str, /) -> bool:
        """Raises: VisitorsAway, always."""
        raise VisitorsAway(NOBODY_TO_TELL)

    def join(self, _kept_id: str, _gone_id: str, /) -> bool:
        """Raises: VisitorsAway, always."""
        raise VisitorsAway(NOBODY_TO_TELL)


class SharedVisitors:
    """The memory in this process: a `VisitorNaming` and a `VisitorDesk`. It tidies up in a thread of its own."""

    def __init__(
        self,
        settings: VisitorSettings,
        *,
        clock_ms: Callable[[], int],
        on_answer: Callable[[VisitorNamed], None] = lambda _named: None,
    ) -> None:
        """Nothing is read yet. Args: `on_answer` is told each answer."""
        self._settings, self._clock_ms, self._on_answer = settings, clock_ms, on_answer
        self._memory: VisitorMemory | None = None
        self._lock = threading.Lock()
        self._said = UnnamedSaid()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._tidy, name="visitors", daemon=True)

    def start(self) -> None:
        """Who is forgotten goes from memory and disk from now on, also while nobody asks."""
        if self._settings.folder is not None:
            remove_former_file(Path(self._settings.folder))
        self._thread.start()

    def stop(self) -> None:
        """Everything is on the disk."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            if self._memory is not None:
                self._memory.close()

    def open(self) -> None:
        """Afterwards visitors are known. Raises: NotKept; ConfigError when what is kept does not open with its key."""
        with self._lock:
            self._opened()

    def answer(self, asked: VisitorAsked) -> VisitorNamed:
        """Returns who it is; nobody while what is kept does not open, or the disk takes no new one. Raises: NoFaces."""
        try:
            named = self.ask(asked)
        except (ConfigError, NotKept) as error:
            self._said.failed(str(error))
            return VisitorNamed(number=asked.number, visitor_id=None)
        self._said.succeeded()
        return named

    def ask(self, asked: VisitorAsked) -> VisitorNamed:
        """Returns who it is, None in doubt alone. Raises: NoFaces; NotKept; ConfigError as `open` does."""
        frames = faces_of(asked.embeddings)
        with self._lock:
            visitor_id = self._opened().recognise(frames, asked.institution_id, min(asked.at_ms, self._clock_ms()))
        named = VisitorNamed(number=asked.number, visitor_id=visitor_id)
        self._on_answer(named)
        return named

    def forget(self, visitor_id: str) -> bool:
        """Returns whether there was such a visitor. Raises: NotKept; ConfigError as `open` does."""
        with self._lock:
            return self._opened().forget(visitor_id)

    def join(self, kept_id: str, gone_id: str) -> bool:
        """Returns whether both were known; they are one now. Raises: NotKept; ConfigError as `open` does."""
        with self._lock:
            return self._opened().join(kept_id, gone_id)

    def tidy(self) -> None:
        """Who is to be forgotten is; and where it is time, from the disk as well.

        Raises: NotKept; ConfigError as `open` does.
        """
        now_ms = self._clock_ms()
        with self._lock:
            memory = self._opened() if self._is_there() else None
            is_due = memory is not None and memory.is_to_be_written(now_ms)
        if memory is not None and is_due:
            memory.write_snapshot(now_ms, self._lock)

    @property
    def sizes(self) -> tuple[int, int]:
        """Returns how many visitors and how many looks are remembered."""
        with self._lock:
            return (0, 0) if self._memory is None else (len(self._memory.index), self._memory.index.looks)

    def _is_there(self) -> bool:
        folder = self._settings.folder
        return self._memory is not None or (folder is not None and Path(folder).exists())

    def _opened(self) -> VisitorMemory:
        if self._memory is None:
            memory = VisitorMemory(self._settings, self._clock_ms())
            if memory.torn_bytes:
                _log.warning("visitors.torn", bytes=memory.torn_bytes)
            self._memory = memory
        return self._memory

    def _tidy(self) -> None:
        while not self._ends.wait(TIDY_EVERY_S):
            try:
                self.tidy()
            except NotKept as error:
                _log.error("visitors.not_written", error=str(error))
            except ConfigError as error:
                self._said.failed(str(error))
            except Exception:  # noqa: BLE001 - the thread's boundary: without it nobody were forgotten any more
                _log.exception("visitors.failed")


def faces_of(embeddings: Sequence[Sequence[float]]) -> list[Embedding]:
    """Returns the faces at length 1. Raises: NoFaces for anything else."""
    faces = [np.array(embedding, dtype=np.float32) for embedding in embeddings]
    for face in faces:
        if face.shape != (DIMENSIONS,) or not np.isfinite(face).all() or not face.any():
            raise NoFaces(f"a face is {DIMENSIONS} finite numbers that are not all 0")
    return [unit(face) for face in faces]


def remove_former_file(folder: Path) -> None:
    """The files in which visitors were kept before there was a folder are gone, with what they held."""
    for former in folder.parent.glob(f"{folder.name}*.enc"):
        former.unlink()
