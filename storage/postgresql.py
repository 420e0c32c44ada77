"""PostgreSQL: one writer at a time by an advisory lock, time limits on everything, no value of a row in an error."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from psycopg import Connection as Driver
from psycopg import Error as DriverError
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, exc, text
from sqlalchemy.pool import ConnectionPoolEntry

from storage.errors import DatabaseUnavailable, DatabaseUnusable
from storage.writing import manner_of

Settings: TypeAlias = dict[str, str | int]

CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_MS = 60_000
LOCK_TIMEOUT_MS = 30_000
IDLE_WRITER_TIMEOUT_MS = 15_000
"""A writer that says nothing for so long (its process was paused) is ended by the server, so that others go on."""
CLAIM_TIMEOUT_S = 5.0
CLAIM_PAUSE_S = 0.05
POOL_CONNECTIONS = 5
POOL_OVERFLOW = 15
POOL_TIMEOUT_S = 10
FIRST_VERSION = 14
EXAMPLE = "postgresql://USER@HOST:5432/DATABASE"

WAY_OUT = (
    "an existing database that the user owns (CREATE ROLE swipewatch LOGIN PASSWORD '…';"
    " CREATE DATABASE swipewatch OWNER swipewatch ENCODING 'UTF8' TEMPLATE template0),"
    " and the right password, in ~/.pgpass or the variable PGPASSWORD"
)

LOCKS = 0x73776970
"""The first half of the key of every advisory lock of ours; a lock is of one database."""
WRITING, SERVING, STARTING = 1, 2, 3
SILENT_HOLDER_MS = 15_000
"""A process that held work and says nothing for so long (it was paused, its machine is gone) holds it no more."""
_LEASE_SETTINGS: Settings = {
    "idle_session_timeout": SILENT_HOLDER_MS,
    "tcp_keepalives_idle": 5,
    "tcp_keepalives_interval": 2,
    "tcp_keepalives_count": 3,
}

_SETTINGS = {"statement_timeout": STATEMENT_TIMEOUT_MS, "lock_timeout": LOCK_TIMEOUT_MS, "timezone": "UTC"}
_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}
_LOCK = {"alone": "pg_advisory_xact_lock", "beside": "pg_advisory_xact_lock_shared"}

_PASSES = re.compile("25P03|25006")
"""SQLSTATEs that are no OperationalError and pass: an idle writer was ended, a standby was not yet promoted."""
_STAYS = re.compile(
    r"authentication failed|does not exist|no pg_hba\.conf entry|no password supplied|not permitted to log in"
    r"|permission denied|does not support SSL|invalid connection option"
)
"""What the server says when waiting does not help. In another language it is told the same and tried again."""


def made_engine(url: URL) -> Engine:
    """Returns an engine on the database; nothing is connected yet."""
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=POOL_CONNECTIONS,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=POOL_TIMEOUT_S,
        connect_args=_connection_settings(url),
    )
    event.listen(engine, "connect", _make_durable)
    event.listen(engine, "begin", _begin)
    event.listen(engine, "handle_error", _forget_values)
    return engine


def check(connection: Connection, shown: str) -> None:
    """Raises: DatabaseUnusable where the database would not keep texts as they are, or is too old."""
    encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        allowed = "UTF8: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        raise DatabaseUnusable(shown, "encoding", str(encoding), allowed)
    number = connection.scalar(text("SELECT current_setting('server_version_num')::int / 10000")) or 0
    if number < FIRST_VERSION:
        raise DatabaseUnusable(shown, "PostgreSQL", str(number), f"{FIRST_VERSION} or later")


def begin_migration(connection: Connection) -> None:
    """No other process writes or migrates until the transaction ends, however long it takes or was waited for."""
    connection.exec_driver_sql(
        "SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)"
    )
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCKS}, {WRITING})")


def passes(error: exc.DBAPIError) -> bool:
    """Returns whether what failed so may succeed later: the server is away, full or busy, a deadlock was broken."""
    if isinstance(error, exc.OperationalError | exc.InterfaceError) or error.connection_invalidated:
        return True
    return _PASSES.fullmatch(getattr(error.orig, "sqlstate", None) or "") is not None


def passes_at_opening(error: exc.DBAPIError) -> bool:
    """Returns whether an opening that failed so may succeed later."""
    connection = getattr(error.orig, "pgconn", None)
    if connection is not None and connection.needs_password:
        return False
    return passes(error) and _STAYS.search(str(error.orig)) is None


class Claim:
    """Held by the one product that accepts events into a database; lost with its connection, and then taken again.

    Processes that share the work hold it beside each other, and never beside one that wants it alone.

    Whatever ended that connection ended those of the writers too, or was no concern of theirs: so before the first
    write over a new connection, and only then, it is made sure that the claim still stands.
    """

    def __init__(self, engine: Engine, shown: str, *, alone: bool = True) -> None:
        """The database is claimed. Raises: DatabaseUnusable where another product has; DatabaseUnavailable."""
        self._engine, self._shown, self._alone = engine, shown, alone
        self._lock = threading.Lock()
        self._held: Driver | None = None
        self._take()
        self._is_sure = True
        event.listen(engine, "connect", self._doubt)
        event.listen(engine, "begin", self._make_sure)

    def release(self) -> None:
        """Another product may claim the database."""
        if self._held is not None:
            self._held.close()

    def _doubt(self, _connection: Driver, _entry: ConnectionPoolEntry) -> None:
        self._is_sure = False

    def _make_sure(self, connection: Connection) -> None:
        if self._is_sure or manner_of(connection) is None:
            return
        with self._lock:
            if not self._stands():
                self._take()
            self._is_sure = True

    def _stands(self) -> bool:
        try:
            return self._held is not None and self._held.execute("SELECT 1").fetchone() is not None
        except DriverError:
            return False

    def _take(self) -> None:
        """A product that was killed has lost its claim once the server has noticed: that is waited for."""
        ends = time.monotonic() + CLAIM_TIMEOUT_S
        lock = "pg_try_advisory_lock" if self._alone else "pg_try_advisory_lock_shared"
        with _named(self._shown):
            held = connected(self._engine)
            while held.execute(f"SELECT {lock}({LOCKS}, {SERVING})").fetchone() != (True,):
                if time.monotonic() > ends:
                    held.close()
                    other = "swipewatch" if self._alone else "`swipewatch serve` or `import`"
                    raise DatabaseUnusable(self._shown, "database", "in use", f"no other {other} serves from it")
                time.sleep(CLAIM_PAUSE_S)
        self._held = held


class Lease:
    """A connection of its own that holds named work, until it is closed, breaks, or says nothing for too long."""

    def __init__(self, engine: Engine, shown: str) -> None:
        self._engine, self._shown = engine, shown
        self._connection: Driver | None = None
        self._held: frozenset[str] = frozenset()

    def renew(self, names: Collection[str]) -> frozenset[str]:
        """Returns those of the names that this lease holds now; what others hold is asked for, never waited for.

        Raises: DatabaseUnavailable: nothing is held.
        """
        try:
            with _named(self._shown):
                self._held = self._renewed(names)
        except DatabaseUnavailable:
            self.release()
            raise
        return self._held

    def release(self) -> None:
        """Others may hold what this one did."""
        connection, self._connection, self._held = self._connection, None, frozenset()
        if connection is not None:
            connection.close()

    def _renewed(self, names: Collection[str]) -> frozenset[str]:
        if self._connection is None:
            self._connection = connected(self._engine, _LEASE_SETTINGS)
        self._connection.execute("SELECT 1")
        wanted = sorted(set(names) - self._held)
        taken = {name for name in wanted if self._take(self._connection, name)}
        return self._held | taken

    @staticmethod
    def _take(connection: Driver, name: str) -> bool:
        return connection.execute("SELECT pg_try_advisory_lock(%s)", (_lock_of(name),)).fetchone() == (True,)


@contextmanager
def starting(engine: Engine, shown: str) -> Iterator[None]:
    """Of all processes that begin on a database one at a time is in here. Raises: DatabaseUnavailable."""
    with _named(shown):
        connection = connected(engine)
    try:
        with _named(shown):
            connection.execute(f"SELECT pg_advisory_lock({LOCKS}, {STARTING})")
        yield
    finally:
        connection.close()


def connected(engine: Engine, settings: Settings | None = None) -> Driver:
    """Returns a connection beside the engine's own ones, with these settings of the server."""
    address = engine.dialect.create_connect_args(engine.url)[1]
    values = {**address, **_connection_settings(engine.url, settings)}
    values.pop("context", None)
    return Driver.connect(make_conninfo(**values), autocommit=True)


@contextmanager
def _named(shown: str) -> Iterator[None]:
    """Says which database it is that does not answer."""
    try:
        yield
    except DriverError as error:
        raise DatabaseUnavailable(f"{shown}: {' '.join(str(error).split())}") from error


def _lock_of(name: str) -> int:
    """Returns the key of a name's lock; keys of one number are apart from those of two."""
    return int.from_bytes(hashlib.sha256(f"swipewatch work {name}".encode()).digest()[:8], "big", signed=True)


def _connection_settings(url: URL, settings: Settings | None = None) -> Settings:
    """What the address itself says stays as it says."""
    options = " ".join(f"-c {name}={value}" for name, value in {**_SETTINGS, **(settings or {})}.items())
    ours: Settings = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "swipewatch", **_KEEPALIVE}
    given = url.query
    own = given.get("options", "")
    wanted = {name: value for name, value in ours.items() if name not in given}
    return wanted | {"options": f"{options} {own if isinstance(own, str) else ' '.join(own)}".strip()}


def _make_durable(connection: Driver, _entry: ConnectionPoolEntry) -> None:
    """A commit is on the server's disk when it returns, whatever the server is set to; stronger settings stay."""
    was_autocommit = connection.autocommit
    connection.autocommit = True
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    )
    connection.autocommit = was_autocommit


def _begin(connection: Connection) -> None:
    """A writer waits for its turn first, then sees what those before it have committed (READ COMMITTED)."""
    manner = manner_of(connection)
    if manner is None:
        return
    connection.exec_driver_sql(
        f"SELECT {_LOCK[manner]}({LOCKS}, {WRITING}),"
        f" set_config('idle_in_transaction_session_timeout', '{IDLE_WRITER_TIMEOUT_MS}', true)"
    )


def _forget_values(context: ExceptionContext) -> None:
    """PostgreSQL names the values of a row that it refuses; ours stay out of logs."""
    cause, wrapped = context.original_exception, context.sqlalchemy_exception
    if not isinstance(cause, DriverError) or cause.diag.message_primary is None:
        return
    cause.args = (cause.diag.message_primary,)
    if wrapped is not None:
        wrapped.args = (f"({type(cause).__module__}.{type(cause).__name__}) {cause.diag.message_primary}",)
