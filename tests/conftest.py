"""What every test shares: repeatable random worlds, and the quick lane first."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from tests.app.warm import RUNNING, Warm
from tests.postgres import QUICK, Postgres, missing, version

# Order of the lanes (markers of pyproject.toml); a test without one runs before all of them. Those with servers are
# mixed: while some wait, others work.
LANES = (("pages",), ("slow",), ("postgres", "kafka", "video", "crash", "browser"), ("alone",), ("patient",))

RAN = pytest.StashKey[list[str]]()
"""Which servers a run has really used, for its last lines."""

settings.register_profile("repeatable", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("repeatable")


def lane_of(item: pytest.Item) -> int:
    """Returns the place of a test's lane in the run, 0 for the unit lane."""
    return max((place for place, lanes in enumerate(LANES, 1) if any(map(item.get_closest_marker, lanes))), default=0)


def pytest_itemcollected(item: pytest.Item) -> None:
    """A test that takes a whole web application is in the lane of pages."""
    if "world" in getattr(item, "fixturenames", ()):
        item.add_marker("pages")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Afterwards the quick tests stand first, so that a plain mistake is told within seconds."""
    items.sort(key=lane_of)


def pytest_configure(config: pytest.Config) -> None:
    """Nothing has run yet."""
    config.stash[RAN] = []


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process that ran some of the tests tells the first one on which servers."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["ran"] = session.config.stash[RAN]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """The first process knows on which servers another one's tests ran."""
    known: list[str] = node.config.stash[RAN]
    known += [server for server in getattr(node, "workeroutput", {}).get("ran", []) if server not in known]


def pytest_unconfigure(config: pytest.Config) -> None:
    """The last line says on which broker and databases the tests ran, and whether any was skipped."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if isinstance(reporter, pytest.TerminalReporter) and not hasattr(config, "workeroutput"):
        servers: list[str] = config.stash[RAN]
        ran = [f"SQLite {sqlite3.sqlite_version}", *sorted(servers)]
        skipped = len(reporter.stats.get("skipped", []))
        reporter.write_line(f"ran on {', '.join(ran)}; skipped: {f'{skipped}, see above' if skipped else 'none'}")


@pytest.fixture(scope="session")
def real_postgres(request: pytest.FixtureRequest) -> str:
    """Returns the version of the PostgreSQL that can be started here; without one CI fails and others skip."""
    problem = missing()
    if problem is None:
        request.config.stash[RAN].append(f"PostgreSQL {version()}")
        return version()
    if os.environ.get("CI") == "true":
        pytest.fail(f"no real PostgreSQL: {problem}", pytrace=False)
    pytest.skip(f"no real PostgreSQL: {problem}")


@pytest.fixture(scope="session")
def postgres(real_postgres: str) -> Iterator[Postgres]:
    """A PostgreSQL that stays up; each test takes a new database of it."""
    assert real_postgres
    server = Postgres(dict(QUICK))
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def own_postgres(real_postgres: str) -> Iterator[Postgres]:
    """A PostgreSQL for one test alone, which loses nothing when it is killed; the test starts it."""
    assert real_postgres
    server = Postgres()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session", autouse=True)
def _warm_processes() -> Iterator[None]:
    """The product's commands are forked, not imported anew each time."""
    RUNNING.append(Warm())
    yield
    RUNNING.pop().close()


ON_BOTH = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgres))
"""The databases that whatever is kept has to work on."""
