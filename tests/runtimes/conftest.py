"""The story is told once to each runtime; every law looks at what has become of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import RAN
from tests.kafka.broker import BESIDE, Broker, Noida, noida_version
from tests.kafka.conftest import real_kafka
from tests.postgres import Postgres
from tests.runtimes.cluster import Cluster
from tests.runtimes.embedded import Embedded
from tests.runtimes.port import Runtime
from tests.runtimes.story import Outcome, Script, script, tell

__all__ = ["real_kafka"]

ON_SERVERS = (pytest.mark.kafka, pytest.mark.postgres)
RUNTIMES = [pytest.param("embedded", marks=pytest.mark.crash), pytest.param("kafka", marks=ON_SERVERS)]
if BESIDE in os.environ:
    assert os.environ[BESIDE] == "noida", f"{BESIDE} is {os.environ[BESIDE]}: only noida is known"
    RUNTIMES.append(pytest.param("noida", marks=ON_SERVERS))


@pytest.fixture(scope="session")
def told() -> Script:
    """The story; the same for every runtime."""
    return script()


@pytest.fixture(scope="module", params=RUNTIMES)
def runtime(
    request: pytest.FixtureRequest, told: Script, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runtime]:
    """A runtime that has not been started, on servers of its own."""
    kind, folder = str(request.param), tmp_path_factory.mktemp(str(request.param))
    rules = folder / "rules.yaml"
    rules.write_text(told.first_rules, encoding="utf-8")
    if kind == "embedded":
        yield Embedded(folder, rules)
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.new_database()
    with _broker(request, kind, folder / "broker") as broker:
        yield Cluster(folder, rules, broker, url)
    server.drop(url)


@contextmanager
def _broker(request: pytest.FixtureRequest, kind: str, folder: Path) -> Iterator[Broker | Noida]:
    broker: Broker | Noida
    if kind == "noida":
        request.config.stash[RAN].append(f"noida-db {noida_version()}")
        broker = Noida(folder)
    else:
        assert request.getfixturevalue("real_kafka")
        broker = Broker(folder)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@pytest.fixture(scope="module")
def outcome(runtime: Runtime, told: Script, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """What has become of the story on one runtime."""
    return tell(runtime, told, tmp_path_factory.mktemp("looked-at"))
