"""The product's processes without the seconds that importing takes: forked from one that has imported it already.

They are processes of their own like any other: killed, told to stop, with their own files, memory and exit code. Two
parents take turns, each with a seed of its own for the hashes of strings, so that what depends on an order that only
one process has still shows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from tests.app.forking import READY

CHECKOUT = Path(__file__).parents[2]
PARENTS = 2
IMPORTED = ("app.commands", "app.product", "streams.parquet.writer")
IMPORTED_FOR = {"worker": "app.cluster_worker", "web": "app.cluster_web", "video": "app.cluster_video"}
"""What a command alone needs is imported before its first process is forked."""
LOOK_EVERY_S = 0.01


class Parent:
    """One process that forks at request."""

    def __init__(self) -> None:
        """Starting; the first request waits until it is ready."""
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.app.forking", *IMPORTED],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._is_ready = False

    def ask(self, **request: object) -> Any:
        """Returns the answer to one request."""
        assert self._process.stdin is not None
        with self._turn:
            if not self._is_ready:
                assert self._read() == READY
                self._is_ready = True
            self._process.stdin.write(f"{json.dumps(request)}\n")
            self._process.stdin.flush()
            return self._read()

    def close(self) -> None:
        """It has ended; what it forked runs on."""
        self._process.communicate()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process that forks has ended"
        return json.loads(line)


class Forked(subprocess.Popen[str]):
    """A process that another has forked for us, to be handled like one of our own."""

    def __init__(self, parent: Parent, module: str, arguments: Sequence[str], said: tuple[Path, Path, Path]) -> None:
        """Running."""
        given, out, errors = said
        self.args = [module, *arguments]
        self.returncode: int | None = None
        self.stdin = self.stdout = self.stderr = None
        self._parent = parent
        self._turn = threading.Lock()
        self.pid: int = parent.ask(
            module=module,
            arguments=list(arguments),
            given=str(given),
            out=str(out),
            errors=str(errors),
            environment=dict(os.environ),
            imports=[IMPORTED_FOR[one] for one in arguments[:1] if module == "app" and one in IMPORTED_FOR],
        )

    def poll(self) -> int | None:
        """Returns the exit code, or None while it runs."""
        with self._turn:
            if self.returncode is None:
                status = self._parent.ask(waits_for=self.pid)
                if status is not None:
                    self.returncode = os.waitstatus_to_exitcode(status)
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Returns the exit code once it has ended. Raises: TimeoutExpired."""
        ends = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if timeout is not None and ends is not None and time.monotonic() > ends:
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(LOOK_EVERY_S)
        return code

    def __del__(self) -> None:
        """Nothing is left to be closed."""


class Warm:
    """What forks the processes of one run of the tests; each parent starts at its first turn."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._parents: list[Parent] = []
        self._next = cycle(range(PARENTS))

    def start(self, module: str, arguments: Sequence[str], given: Path, out: Path, errors: Path) -> Forked:
        """Returns a process that runs a module, as `python -m` does, and appends what it says to the two files."""
        with self._turn:
            number = next(self._next)
            if number == len(self._parents):
                self._parents.append(Parent())
            parent = self._parents[number]
        return Forked(parent, module, arguments, (given, out, errors))

    def close(self) -> None:
        """All parents have ended."""
        for parent in self._parents:
            parent.close()
        self._parents = []


RUNNING: list[Warm] = []
"""The one that this run of the tests has, if any: benches measure processes that start as users start them."""
