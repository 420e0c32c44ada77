"""SQLite: one file with a write-ahead log, every commit on the disk when it returns."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc
from sqlalchemy.pool import ConnectionPoolEntry

from storage.errors import DatabaseUnusable
from storage.writing import manner_of

BUSY_TIMEOUT_MS = 10_000
RETRY_PAUSE_S = 0.02
WAL_LIMIT_BYTES = 64 * 1024 * 1024

_MAY_PASS = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_NOMEM", "SQLITE_INTERRUPT")


def made_engine(url: URL) -> Engine:
    """Returns an engine whose file is there, the owner's alone, and has a write-ahead log.

    Raises: DatabaseUnusable; sqlite3.Error where the file is not a database, locked or cannot be written.
    """
    path = _prepared(url)
    _turn_to_wal(path)
    engine = create_engine(url, hide_parameters=True)
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def passes_at_opening(error: exc.DBAPIError | sqlite3.Error) -> bool:
    """Returns whether an opening that failed so may succeed later."""
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    name = getattr(cause, "sqlite_errorname", "")
    return str(name).startswith(_MAY_PASS)


def passes(error: exc.DBAPIError) -> bool:
    """Returns whether what failed so may succeed later."""
    return isinstance(error, exc.OperationalError)


def _prepared(url: URL) -> Path:
    if not url.database or url.database == ":memory:":
        shown = url.render_as_string()
        raise DatabaseUnusable("database", "url", shown, "needs a file: a database in memory keeps nothing")
    path = Path(url.database)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise DatabaseUnusable(str(path), "database", error.strerror, "a file that can be read and written") from error
    return path


def _turn_to_wal(path: Path) -> None:
    """Afterwards the file has a write-ahead log for good. SQLite itself does not wait where several do this at once."""
    ends = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000)) as connection:
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL").close()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > ends:
                    raise
                time.sleep(RETRY_PAUSE_S)
            else:
                return


def _set_pragmas(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see _begin
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"journal_size_limit={WAL_LIMIT_BYTES}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    """A writer takes its lock at once: a reader that turns writer would fail instead of waiting."""
    connection.exec_driver_sql("BEGIN" if manner_of(connection) is None else "BEGIN IMMEDIATE")
