"""One broker for all tests that only need one; a test that breaks its broker starts its own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from events.topics import TOPICS
from tests.conftest import RAN
from tests.kafka.broker import Broker, missing, version
from tests.kafka.records import administration

GONE_WITHIN_S = 30.0


@pytest.fixture(scope="session")
def real_kafka(request: pytest.FixtureRequest) -> str:
    """Returns the version of the Kafka that can be started here; without one CI fails and others skip."""
    problem = missing()
    if problem is None:
        request.config.stash[RAN].append(f"Apache Kafka {version()}")
        return version()
    if os.environ.get("CI") == "true":
        pytest.fail(f"no real Kafka: {problem}", pytrace=False)
    pytest.skip(f"no real Kafka: {problem}")


@pytest.fixture(scope="session")
def broker(real_kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A Kafka that is up and has no topics of ours before the first test."""
    assert real_kafka
    started = Broker(tmp_path_factory.mktemp("kafka"))
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture
def clean(broker: Broker) -> Iterator[Broker]:
    """A Kafka without topics of ours."""
    yield broker
    ours = {topic.name for topic in TOPICS}
    with administration(broker) as admin:
        admin.delete_topics([name for name in admin.list_topics() if name in ours])
        deadline = time.monotonic() + GONE_WITHIN_S
        while ours & set(admin.list_topics()):  # the broker answers before it has done so
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture
def own_broker(real_kafka: str, tmp_path: Path) -> Iterator[Broker]:
    """A Kafka for one test alone; the test starts it."""
    assert real_kafka
    own = Broker(tmp_path / "kafka")
    try:
        yield own
    finally:
        own.stop()
