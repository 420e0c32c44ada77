"""What every test shares: repeatable random worlds, and the quick lane first."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.postgres import QUICK, Postgres, missing, version

# Order of the lanes (markers of pyproject.toml); a test without one runs before all of them.
LANES = ("slow", "postgres", "kafka", "video", "crash", "browser")

RAN = pytest.StashKey[list[str]]()
"""Which servers a run has really used, for its last lines."""

settings.register_profile("repeatable", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("repeatable")


def lane_of(item: pytest.Item) -> int:
    """Returns the place of a test's lane in the run, 0 for the unit lane."""
    return max((place for place, lane in enumerate(LANES, start=1) if item.get_closest_marker(lane)), default=0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Afterwards the quick tests stand first, so that a plain mistake is told within seconds."""
    items.sort(key=lane_of)


def pytest_configure(config: pytest.Config) -> None:
    """Nothing has run yet."""
    config.stash[RAN] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says which servers the tests ran on."""
    ran: list[str] = config.stash[RAN]
    terminalreporter.write_line(f"ran on: {', '.join(ran) or 'no server of its own'}")


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


ON_BOTH = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgres))
"""The databases that whatever is kept has to work on."""
