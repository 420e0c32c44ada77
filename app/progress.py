"""Progress bars of long work: on a terminal only, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


def byte_progress(title: str, total_bytes: int) -> AbstractContextManager[Callable[[int], None]]:
    """Gives a function that is told of bytes done; draws a bar on a terminal and nothing elsewhere."""
    return _drawn(title, total_bytes, DownloadColumn(), TransferSpeedColumn())


def count_progress(title: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
    """Gives a function that is told how many more are done; draws a bar on a terminal and nothing elsewhere."""
    return _drawn(title, total, MofNCompleteColumn())


@contextmanager
def _drawn(title: str, total: int, *measures: ProgressColumn) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), *measures, TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.advance(task, done)
