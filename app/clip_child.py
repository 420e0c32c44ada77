"""The process that makes clips, as its parent sees it: started when it is needed, and ended when it hangs."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import msgspec

from video.clip_process import ClipAnswer, decode_answer, run
from video.messages import OriginalCut, encode_message


class ChildDied(Exception):
    """The process has ended, or spoke nonsense, while it made a clip; the next one starts another."""


class ClipChild:
    """One such process at most. `kill` may be called from any thread, the rest from one."""

    def __init__(self, models_directory: str | None, *, target: Callable[[Connection, str | None], None] = run) -> None:
        """Nothing runs yet. Args: target is what the process runs."""
        self._models_directory, self._target = models_directory, target
        self._context = multiprocessing.get_context("spawn")
        self._turn = threading.Lock()
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    def ask(self, original: OriginalCut) -> None:
        """The clip of the original is being made. Raises: ChildDied."""
        try:
            self._opened().send_bytes(encode_message(original))
        except OSError as error:
            self.end()
            raise ChildDied(str(error)) from error

    def answer(self, wait_s: float) -> ClipAnswer | None:
        """Returns what came of it, None when nothing has in time. Raises: ChildDied."""
        connection = self._connection
        if connection is None:
            raise ChildDied("the process was ended")
        try:
            return decode_answer(connection.recv_bytes()) if connection.poll(wait_s) else None
        except (EOFError, OSError, msgspec.MsgspecError) as error:
            self.end()
            raise ChildDied(str(error) or type(error).__name__) from error

    def kill(self) -> None:
        """The process ends now, if there is one; what waits for its answer hears of it."""
        with self._turn:
            if self._process is not None:
                self._process.kill()

    def end(self) -> None:
        """There is no process."""
        with self._turn:
            process, connection = self._process, self._connection
            self._process = self._connection = None
        if process is not None:
            process.kill()
            process.join()
        if connection is not None:
            connection.close()

    def _opened(self) -> Connection:
        with self._turn:
            if self._connection is None:
                ours, theirs = self._context.Pipe()
                arguments = (theirs, self._models_directory)
                process = self._context.Process(target=self._target, args=arguments, name="clips", daemon=True)
                process.start()
                theirs.close()
                self._process, self._connection = process, ours
            return self._connection
