from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database, default_url
from tests.conftest import ON_BOTH
from tests.postgres import Postgres


@pytest.fixture(params=ON_BOTH)
def kind(request: pytest.FixtureRequest) -> str:
    """The database that a test runs on."""
    assert isinstance(request.param, str)
    return request.param


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose database has its tables and nothing in them: made once, each test has a copy."""
    folder = tmp_path_factory.mktemp("migrated")
    Database.open(default_url(folder)).close()
    return folder


@pytest.fixture
def url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a database that nobody has used; its tables are there."""
    if kind == "sqlite":
        yield default_url(shutil.copytree(request.getfixturevalue("migrated"), tmp_path / "data"))
        return
    server: Postgres = request.getfixturevalue("postgres")
    address = server.new_database()
    yield address
    server.drop(address)


@pytest.fixture
def empty_url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a database without any table."""
    if kind == "sqlite":
        (tmp_path / "empty").mkdir()
        yield default_url(tmp_path / "empty")
        return
    server: Postgres = request.getfixturevalue("postgres")
    address = server.new_database(empty=True)
    yield address
    server.drop(address)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = Database.open(url)
    yield opened
    opened.close()


@pytest.fixture
def file_database(migrated: Path, tmp_path: Path) -> Iterator[Database]:
    """SQLite's, for what only it does."""
    opened = Database.open(default_url(shutil.copytree(migrated, tmp_path / "data")))
    yield opened
    opened.close()
