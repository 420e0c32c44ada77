"""The product's database: opened, brought to the newest shape, and handed out in transactions."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, inspect, make_url
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from storage.errors import DatabaseUnavailable, DatabaseUnusable
from storage.migrations import head_revision, is_known_revision, revision_of, upgrade

BUSY_TIMEOUT_MS = 10_000
RETRY_PAUSE_S = 0.02
WAL_LIMIT_BYTES = 64 * 1024 * 1024
FILE_NAME = "swipewatch.db"

_WRITES = "swipewatch_writes"
_MAY_PASS = {"SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_NOMEM", "SQLITE_INTERRUPT"}


def default_url(directory: Path) -> str:
    """Returns the address of the database that a data directory holds."""
    return URL.create("sqlite", database=str((directory / FILE_NAME).absolute())).render_as_string()


class Database:
    """An open database at the newest schema. Safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        self._readers = engine
        self._writers = engine.execution_options(**{_WRITES: True})
        # Writers of this process queue here: SQLite's own waiting sleeps, this one does not.
        self._turn: AbstractContextManager[object] = threading.RLock() if _is_sqlite(engine.url) else nullcontext()

    @classmethod
    def open(cls, url: str) -> Database:
        """Returns the database at `url`, its folder and file created if absent and its schema the newest.

        On SQLite every commit is on the disk when it returns (WAL, synchronous=FULL). New files are the owner's alone.

        Raises: DatabaseUnusable if it is not a database, not ours, or made by a newer swipewatch; DatabaseUnavailable
        if it is locked or the disk is full.
        """
        database = cls(create_engine(_prepared(url), hide_parameters=True))
        with ExitStack() as undo, _named_errors(url):
            undo.callback(database.close)
            if _is_sqlite(database.engine.url):
                _turn_to_wal(str(database.engine.url.database))
                _tune_sqlite(database.engine)
            with database._writers.begin() as connection:
                _bring_to_head(connection, url)
            undo.pop_all()
        return database

    @property
    def engine(self) -> Engine:
        """The engine, for tools that need one; transactions begun on it only read."""
        return self._readers

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Gives a session that writes: committed (and on disk) at the end, rolled back if an exception leaves it.

        Raises: DatabaseUnavailable if the database cannot keep it; nothing is kept then.
        """
        with (
            self._turn,
            _transient_errors(),
            Session(self._writers, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Gives a session that sees one moment of the database and never waits for a writer; changes are dropped.

        Raises: DatabaseUnavailable if the database cannot be read.
        """
        with _transient_errors(), Session(self._readers, expire_on_commit=False) as session:
            yield session

    def close(self) -> None:
        """Ends all connections; what was committed is in the database file."""
        self._readers.dispose()


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _prepared(url: str) -> URL:
    """Returns the parsed address; for SQLite the folder and an empty file, the owner's alone, exist afterwards."""
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        raise DatabaseUnusable(
            "database", "url", url, "an address such as sqlite:////var/lib/swipewatch/x.db"
        ) from None
    if not _is_sqlite(parsed):
        return parsed
    if not parsed.database or parsed.database == ":memory:":
        raise DatabaseUnusable("database", "url", url, "needs a file: a database in memory keeps nothing")
    path = Path(parsed.database)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise DatabaseUnusable(str(path), "database", error.strerror, "a file that can be read and written") from error
    return parsed


def _turn_to_wal(path: str) -> None:
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


def _tune_sqlite(engine: Engine) -> None:
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)


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
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _bring_to_head(connection: Connection, url: str) -> None:
    current = revision_of(connection)
    if current == head_revision():
        return
    if current is None and inspect(connection).get_table_names():
        raise DatabaseUnusable(url, "database", "tables of another program", "an empty database or one of swipewatch")
    if current is not None and not is_known_revision(current):
        allowed = f"this swipewatch knows up to {head_revision()}: a newer one made this database"
        raise DatabaseUnusable(url, "schema revision", current, allowed)
    upgrade(connection)


@contextmanager
def _named_errors(url: str) -> Iterator[None]:
    """Says what an opening that failed means for the person who gave the address."""
    try:
        yield
    except (exc.DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, exc.DBAPIError) else error
        name = getattr(cause, "sqlite_errorname", "")
        if name.startswith(tuple(_MAY_PASS)):
            raise DatabaseUnavailable(f"{url}: {cause}") from error
        raise DatabaseUnusable(url, "database", str(cause), "a database of swipewatch") from error


@contextmanager
def _transient_errors() -> Iterator[None]:
    try:
        yield
    except exc.OperationalError as error:
        raise DatabaseUnavailable(f"database: {error.orig}") from error
