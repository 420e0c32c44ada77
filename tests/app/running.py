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

import httpx

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
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
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
    with name.with_suffix(".out").open("w") as file, name.with_suffix(".err").open("w") as errors:
        process = subprocess.Popen(
            arguments, cwd=CHECKOUT, stdout=file, stderr=errors, text=True, start_new_session=True
        )
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
