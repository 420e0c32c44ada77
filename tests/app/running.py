"""A product in a process of its own, as its users start it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.app.warm import RUNNING

CHECKOUT = Path(__file__).parents[2]
READY_WITHIN_S = 60.0


@dataclass
class Served:
    """A running `swipewatch serve` or `web`."""

    process: subprocess.Popen[str]
    address: str
    data: Path
    first_lines: str

    def sender_token(self) -> str:
        """Returns the token that the first start printed."""
        found = re.search(r"send events with token (\S+)", self.first_lines)
        assert found, self.first_lines
        return found[1]

    def kill(self) -> None:
        """The process and whatever it started end at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    """Returns a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(*arguments: str, timeout: float = 90) -> subprocess.CompletedProcess[str]:
    """Returns the finished command."""
    return run_module("app", *arguments, timeout=timeout)


def run_module(
    module: str, *arguments: str, timeout: float = 90, given: bytes = b""
) -> subprocess.CompletedProcess[str]:
    """Returns what `python -m` did with what it was given to read. Raises: TimeoutExpired; then it was killed."""
    with TemporaryDirectory(prefix="swipewatch-said-") as folder:
        out, errors = Path(folder, "out"), Path(folder, "errors")
        typed = Path(folder, "given")
        typed.write_bytes(given)
        process = start([sys.executable, "-m", module, *arguments], out, errors, typed)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        return subprocess.CompletedProcess([module, *arguments], code, out.read_text(), errors.read_text())


def start(command: Sequence[str], out: Path, errors: Path, given: Path = Path(os.devnull)) -> subprocess.Popen[str]:
    """Returns a process that leads a session of its own; a module of ours is forked where that is quicker."""
    with out.open("w") as said, errors.open("w") as warned, given.open() as read:
        if RUNNING and tuple(command[:2]) == (sys.executable, "-m"):
            return RUNNING[0].start(command[2], command[3:], given, out, errors)
        return subprocess.Popen(
            command, cwd=CHECKOUT, stdin=read, stdout=said, stderr=warned, text=True, start_new_session=True
        )


@contextmanager
def serving(data: Path, *options: str, before: Sequence[str] = ()) -> Iterator[Served]:
    """Gives a ready product on a free port; it is told to stop at the end, and killed if it does not."""
    port = free_port()
    arguments = [sys.executable, "-m", "app", "serve", "--data", str(data), "--port", str(port), *options]
    address = f"http://127.0.0.1:{port}"
    with started([*before, *arguments], data) as process:
        wait_until_ready(address, process, data.with_suffix(".err"))
        yield Served(process, address, data, data.with_suffix(".out").read_text())


@contextmanager
def started(arguments: Sequence[str], name: Path) -> Iterator[subprocess.Popen[str]]:
    """Gives a process that writes NAME.out and NAME.err; it is told to stop at the end, and killed if it does not."""
    process = start(arguments, name.with_suffix(".out"), name.with_suffix(".err"))
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_until_ready(address: str, process: subprocess.Popen[str], errors: Path, path: str = "/readyz") -> None:
    """Returns once the path says so. Raises: AssertionError with what the process said."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        assert process.poll() is None, errors.read_text()
        try:
            if httpx.get(f"{address}{path}", timeout=2).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"not ready in time: {errors.read_text()}")
