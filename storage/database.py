"""The product's database: opened, brought to the newest shape, and handed out in transactions."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, exc, inspect, make_url, select
from sqlalchemy.orm import Session

from storage import postgresql, sqlite
from storage.errors import DatabaseUnavailable, DatabaseUnusable
from storage.migrations import head_revision, is_known_revision, revision_of, upgrade
from storage.writing import OPTION

FILE_NAME = "swipewatch.db"
TURN_TIMEOUT_S = 60.0

_PASSWORD = re.compile(":(?!//).*@")


def default_url(directory: Path) -> str:
    """Returns the address of the database that a data directory holds."""
    return URL.create("sqlite", database=str((directory / FILE_NAME).absolute())).render_as_string()


def shown_url(url: str) -> str:
    """Returns the address as people and logs may see it: without its password."""
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):
        return _PASSWORD.sub(":***@", url)
    return parsed.difference_update_query(["password", "sslpassword"]).render_as_string(hide_password=True)


class Database:
    """An open database at the newest schema. Safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        readers, writers = ("REPEATABLE READ", "READ COMMITTED") if _is_postgresql(engine) else (None, None)
        self._engine = engine
        self._readers = _with_options(engine, readers, {})
        self._writers = _with_options(engine, writers, {OPTION: "alone"})
        self._writers_beside = _with_options(engine, writers, {OPTION: "beside"})
        self._is_passing = postgresql.passes if _is_postgresql(engine) else sqlite.passes
        # Writers of this process queue here: they would hold connections while they wait for each other, or sleep.
        self._turn = threading.RLock()
        self._claim: postgresql.Claim | None = None

    @classmethod
    def open(cls, url: str) -> Database:
        """Returns the database at `url` with the newest schema: a SQLite file, made if absent, or one on PostgreSQL.

        Every commit is on the disk when it returns (SQLite: WAL, synchronous=FULL; PostgreSQL: synchronous_commit).
        New files are the owner's alone. Several processes may open a new database at once.

        Raises: DatabaseUnusable if it is not a database, not ours, made by a newer swipewatch, or the password is
        wrong; DatabaseUnavailable if it is locked, the disk is full or the server does not answer.
        """
        parsed, shown = _parsed(url), shown_url(url)
        with ExitStack() as undo, _named_errors(shown):
            engine = (sqlite if _is_sqlite(parsed) else postgresql).made_engine(parsed)
            database = cls(engine)
            undo.callback(database.close)
            database._bring_to_head(shown)
            undo.pop_all()
        return database

    @property
    def engine(self) -> Engine:
        """The engine, for tools that need one; transactions begun on it only read."""
        return self._readers

    @contextmanager
    def session(self, *, alone: bool = True) -> Iterator[Session]:
        """Gives a session that writes: committed (and on disk) at the end, rolled back if an exception leaves it.

        It sees what every writer before it has committed, and the numbers that it gives rows are greater than all that
        are given: who reads on from the last number misses nothing.

        Args:
            alone: no other session writes meanwhile, in any process. False on PostgreSQL lets others that say so write
                beside it: for those that change rows which nobody else changes, and number none.

        Raises: DatabaseUnavailable if the database cannot keep it; nothing is kept then, unless the connection broke
            during the commit itself.
        """
        beside = not alone and _is_postgresql(self._engine)
        with (
            nullcontext() if beside else self._own_turn(),
            self._transient_errors(),
            Session(self._writers_beside if beside else self._writers, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Gives a session that sees one moment of the database and never waits for a writer; changes are dropped.

        Raises: DatabaseUnavailable if the database cannot be read.
        """
        with self._transient_errors(), Session(self._readers, expire_on_commit=False) as session:
            yield session

    def is_there(self) -> bool:
        """Returns True; raises DatabaseUnavailable when the database does not answer."""
        with self.read() as session:
            return session.scalar(select(1)) == 1

    def claim(self, *, alone: bool = True) -> None:
        """This product alone accepts events into the database, until it is closed; SQLite's has its directory's lock.

        Args:
            alone: False for the processes of a cluster, which are many: only one that wants to be alone stands back.

        Raises: DatabaseUnusable where another product has claimed it, now or at a later write.
        """
        if _is_postgresql(self._engine) and self._claim is None:
            self._claim = postgresql.Claim(self._engine, self._shown(), alone=alone)

    def lease(self) -> postgresql.Lease | None:
        """Returns a lease on named work among the processes of this database; None on SQLite, which has one."""
        return postgresql.Lease(self._engine, self._shown()) if _is_postgresql(self._engine) else None

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Of all processes that begin on the database one at a time is in here. Raises: DatabaseUnavailable."""
        if not _is_postgresql(self._engine):
            yield
            return
        with postgresql.starting(self._engine, self._shown()):
            yield

    def close(self) -> None:
        """Ends all connections; what was committed is in the database."""
        if self._claim is not None:
            self._claim.release()
        self._engine.dispose()

    def _shown(self) -> str:
        return shown_url(self._engine.url.render_as_string(hide_password=False))

    @contextmanager
    def _own_turn(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=TURN_TIMEOUT_S):
            raise DatabaseUnavailable(f"database: the writers before have not finished within {TURN_TIMEOUT_S:g} s")
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def _transient_errors(self) -> Iterator[None]:
        try:
            yield
        except exc.TimeoutError as error:
            raise DatabaseUnavailable("database: all connections are in use") from error
        except exc.DBAPIError as error:
            if not self._is_passing(error):
                raise
            raise DatabaseUnavailable(f"database: {_one_line(error.orig)}") from error

    def _bring_to_head(self, shown: str) -> None:
        if not _is_postgresql(self._engine):
            with self._writers.begin() as connection:
                _bring_to_head(connection, shown)
            return
        with self._readers.begin() as connection:
            postgresql.check(connection, shown)
            if revision_of(connection) == head_revision():
                return
        with _with_options(self._engine, "READ COMMITTED", {}).begin() as connection:
            postgresql.begin_migration(connection)
            _bring_to_head(connection, shown)


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _is_postgresql(engine: Engine) -> bool:
    return engine.dialect.name == "postgresql"


def _with_options(engine: Engine, isolation_level: str | None, options: dict[str, str]) -> Engine:
    levels = {} if isolation_level is None else {"isolation_level": isolation_level}
    return engine.execution_options(**levels, **options)


def _parsed(url: str) -> URL:
    allowed = f"an address such as sqlite:////var/lib/swipewatch/x.db or {postgresql.EXAMPLE}"
    try:
        parsed = make_url(re.sub("^postgres://", "postgresql://", url))
    except (exc.ArgumentError, ValueError):
        raise DatabaseUnusable("database", "url", shown_url(url), allowed) from None
    if parsed.drivername.partition("+")[0] not in {"sqlite", "postgresql"}:
        raise DatabaseUnusable("database", "url", shown_url(url), allowed)
    return parsed


def _bring_to_head(connection: Connection, shown: str) -> None:
    current = revision_of(connection)
    if current == head_revision():
        return
    if current is None and inspect(connection).get_table_names():
        raise DatabaseUnusable(shown, "database", "tables of another program", "an empty database or one of swipewatch")
    if current is not None and not is_known_revision(current):
        allowed = f"this swipewatch knows up to {head_revision()}: a newer one made this database"
        raise DatabaseUnusable(shown, "schema revision", current, allowed)
    upgrade(connection)


@contextmanager
def _named_errors(shown: str) -> Iterator[None]:
    """Says what an opening that failed means for the person who gave the address."""
    try:
        yield
    except (exc.DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, exc.DBAPIError) else error
        if not shown.startswith("postgres"):
            passing, allowed = sqlite.passes_at_opening(error), "a database of swipewatch"
        else:
            passing = isinstance(error, exc.DBAPIError) and postgresql.passes_at_opening(error)
            allowed = postgresql.WAY_OUT
        if passing:
            raise DatabaseUnavailable(f"{shown}: {_one_line(cause)}") from error
        raise DatabaseUnusable(shown, "database", _one_line(cause), allowed) from error


def _one_line(cause: object) -> str:
    return " ".join(str(cause).split())
