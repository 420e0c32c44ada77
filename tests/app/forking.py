"""A process that has imported the product and forks at each request: what `python -m` takes seconds for, at once.

Requests and answers are lines of JSON on standard input and output; `tests.app.warm` asks. What is forked runs a module
as `python -m` does, in a session of its own, and ends as a process of its own.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import sys
from collections.abc import Sequence
from typing import Any

READY = "ready"


def serve_until_forked() -> str:
    """Returns the module to run, in each process that was forked; in the first one it ends at the end of the input."""
    _import(sys.argv[1:])
    _answer(READY)
    for line in sys.stdin:
        asked = json.loads(line)
        if "waits_for" in asked:
            _answer(_state_of(asked["waits_for"]))
            continue
        _import(asked["imports"])
        forked = os.fork()
        if not forked:
            return _become(asked)
        _answer(forked)
    sys.exit(0)


def _import(names: Sequence[str]) -> None:
    """Afterwards these modules are there for every process that is forked."""
    if any(name not in sys.modules for name in names):
        for name in names:
            importlib.import_module(name)
        gc.freeze()


def _answer(value: object) -> None:
    sys.stdout.write(f"{json.dumps(value)}\n")
    sys.stdout.flush()


def _state_of(pid: int) -> int | None:
    """Returns the status of a process that has ended, as waitpid tells it, or None while it runs."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    return status if ended else None


def _become(asked: dict[str, Any]) -> str:
    os.setsid()
    for number, path, flags in (
        (0, asked["given"], os.O_RDONLY),
        (1, asked["out"], os.O_WRONLY | os.O_APPEND),
        (2, asked["errors"], os.O_WRONLY | os.O_APPEND),
    ):
        opened = os.open(path, flags)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv[1:] = asked["arguments"]
    return str(asked["module"])


if __name__ == "__main__":
    runpy.run_module(serve_until_forked(), run_name="__main__", alter_sys=True)
