"""A real PostgreSQL in a process of its own, on a free port of 127.0.0.1, with its data on disk; no Docker.

The server is Debian's (`make setup-test` installs it). It refuses to run as root; for root it runs as the user that
the package made, with its data in a folder of its own under the system's temporary folder.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from storage.database import Database
from tests.app.running import free_port

READY_WITHIN_S = 60.0
STOPS_WITHIN_S = 30.0
USER = "swipewatch"
PASSWORD = "it is / a: secret@here"  # noqa: S105 - of a server that lives as long as a test
TEMPLATE = "migrated"
SYSTEM_USER = "postgres"

QUICK = {"fsync": "off", "full_page_writes": "off"}
"""For tests that do not ask what a crash leaves."""
SMALL = {
    "max_connections": 60,
    "shared_buffers": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": 0,
    "unix_socket_directories": "",
    "listen_addresses": "127.0.0.1",
    "autovacuum": "off",
    "lc_messages": "C",
}


class NoPostgresError(RuntimeError):
    """PostgreSQL cannot run here; the message says what is missing and which command brings it."""


def binaries() -> Path | None:
    """Returns the folder of the newest server that is installed, or None."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    if found:
        return max(found, key=lambda path: float(path.parent.name))
    on_path = shutil.which("postgres")
    return None if on_path is None or shutil.which("initdb") is None else Path(on_path).resolve().parent


def missing() -> str | None:
    """Returns why no PostgreSQL can be started on this machine, or None."""
    if binaries() is None:
        return "there is no server: `make setup-test` installs Debian's postgresql"
    if os.getuid() == 0:
        with suppress(KeyError):
            pwd.getpwnam(SYSTEM_USER)
            return None
        return f"it does not run as root, and there is no user {SYSTEM_USER}: run the tests as another user"
    return None


def version() -> str:
    """Returns the version of the server, such as 15.18."""
    folder = binaries()
    assert folder is not None
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d+(\.\d+)+", said)
    assert found, said
    return found[0]


@dataclass
class Postgres:
    """A server whose data are in a folder of its own; it can be killed, paused and started again with the same data.

    Args:
        settings: in addition to the small ones, or instead of them; `QUICK` where no crash is looked at.
    """

    settings: dict[str, object] = field(default_factory=dict)
    port: int = field(default=0, init=False)
    _folder: Path | None = field(default=None, init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _databases: int = field(default=0, init=False)
    _has_template: bool = field(default=False, init=False)

    def url(self, database: str) -> str:
        """Returns the address of a database, with the password."""
        escaped = PASSWORD.replace(" ", "%20").replace("/", "%2F").replace(":", "%3A").replace("@", "%40")
        return f"postgresql://{USER}:{escaped}@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """The number of the server's first process."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    def start(self) -> None:
        """Returns once clients are answered. Raises: NoPostgresError; AssertionError with what the server said."""
        problem = missing()
        if problem is not None:
            raise NoPostgresError(problem)
        if self._folder is None:
            self._initialise()
        folder = binaries()
        assert folder is not None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [folder / "postgres", "-D", self._data],
                cwd="/",
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=_system_user(),
                group=_system_user(),
                extra_groups=None if _system_user() is None else [],
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """The server ends in order, its clients are sent away ("fast"); killed if it does not."""
        if self._process is None or self._process.poll() is not None:
            return
        self.resume()
        os.kill(self.pid, signal.SIGINT)
        try:
            self._process.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """The server and all its processes end at once (SIGKILL)."""
        assert self._process is not None
        for pid in self._processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def restart(self) -> None:
        """The server ends in order and starts again with its data, at the same port."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """The server keeps its connections and says nothing (SIGSTOP)."""
        for pid in self._processes():
            os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """The server goes on where it was paused (SIGCONT)."""
        for pid in self._processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def remove(self) -> None:
        """The server has ended and its data are gone."""
        self.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder)

    def said(self) -> str:
        """Returns the end of what the server wrote."""
        return self._log.read_text(errors="replace")[-4000:] if self._folder and self._log.exists() else ""

    def new_database(self, *, empty: bool = False, options: str = "") -> str:
        """Returns the address of a database of ours that nobody has used, at the newest schema unless `empty`."""
        if not empty and not self._has_template:
            self._make_template()
        self._databases += 1
        name = f"test_{self._databases}"
        source = "template0" if empty else TEMPLATE
        self._as_owner(f"CREATE DATABASE {name} TEMPLATE {source} {options}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """The database is gone, whoever is connected."""
        self._as_owner(f"DROP DATABASE IF EXISTS {url.rsplit('/', 1)[1]} WITH (FORCE)")

    # --------------------------------------------------------------------------------------------------------------

    @property
    def _data(self) -> Path:
        assert self._folder is not None
        return self._folder / "data"

    @property
    def _log(self) -> Path:
        assert self._folder is not None
        return self._folder / "server.log"

    def _make_template(self) -> None:
        self._as_owner(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
        Database.open(self.url(TEMPLATE)).close()
        self._has_template = True

    def _as_owner(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement))  # a test's own words

    def _processes(self) -> list[int]:
        """Returns the server's processes; each backend leads a group of its own."""
        if self._process is None or self._process.poll() is not None:
            return []
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        with suppress(FileNotFoundError):
            return [self.pid, *map(int, children.read_text().split())]
        return [self.pid]

    def _initialise(self) -> None:
        folder = binaries()
        assert folder is not None
        self._folder = Path(tempfile.mkdtemp(prefix="swipewatch-postgres-"))
        self.port = free_port()
        password = self._folder / "password"
        password.write_text(PASSWORD + "\n")
        if os.getuid() == 0:
            owner = pwd.getpwnam(SYSTEM_USER)
            for path in (self._folder, password):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        subprocess.run(
            [
                folder / "initdb",
                "--pgdata",
                self._data,
                "--username",
                USER,
                "--auth=scram-sha-256",
                f"--pwfile={password}",
                "--encoding=UTF8",
                # A dictionary's order, as many servers have it: ours must not depend on it.
                "--locale=C.UTF-8",
                "--locale-provider=icu",
                "--icu-locale=en-US",
                "--no-sync",
                "--no-instructions",
            ],
            cwd="/",
            capture_output=True,
            text=True,
            timeout=READY_WITHIN_S,
            check=True,
            user=_system_user(),
            group=_system_user(),
            extra_groups=None if _system_user() is None else [],
        )
        password.unlink()
        values = {"port": self.port, **SMALL, **self.settings}
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in values.items())

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, f"PostgreSQL ended with {self._process.returncode}: {self.said()}"
            with suppress(psycopg.OperationalError):
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
                return
            time.sleep(0.05)
        raise AssertionError(f"PostgreSQL does not answer within {READY_WITHIN_S} s: {self.said()}")


def _system_user() -> str | None:
    """Returns the user that the server runs as; only root has to name one."""
    return SYSTEM_USER if os.getuid() == 0 else None
