"""`findings --wait --brokers`: a cluster has decided everything once its workers' positions are at the topics' ends."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from app import standing
from app.standing import wait_until_decided
from events.errors import ConfigError, TransientError
from events.topics import FLOW, INPUT
from storage.database import Database
from storage.partitions import Partitions, PartitionState, advance
from storage.progress import Undecided
from streams.cluster.topics import create_topics
from streams.cluster.undecided import cluster_progress
from tests.app.running import run
from tests.kafka.broker import Broker
from tests.kafka.records import write
from tests.postgres import Postgres
from tests.web.world import now_ms

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

PARTITIONS = 2


@pytest.fixture
def database(clean: Broker, postgres: Postgres) -> Iterator[Database]:
    create_topics(clean.address, PARTITIONS, 1)
    url = postgres.new_database()
    opened = Database.open(url)
    yield opened
    opened.close()
    postgres.drop(url)


def put(database: Database, number: int, input_offset: int, flow_offset: int, waiting_until_ms: int | None = None):
    """A worker has come so far."""
    state = Partitions(database).take(number, PARTITIONS, "worker", now_ms())
    moved = msgspec.structs.replace(
        state, input_offset=input_offset, flow_offset=flow_offset, waiting_until_ms=waiting_until_ms
    )
    with database.session() as session:
        advance(session, moved)


def test_it_waits_for_both_topics_of_every_partition_and_for_what_waits(clean, database):
    with cluster_progress(clean.address, database) as progress:
        assert progress.undecided() is None  # nothing was written, and nobody has to hold what is empty
        write(clean, INPUT.name, [b"{}", b"{}"], 0)
        write(clean, FLOW.name, [b"row"], 1)
        assert progress.undecided() == Undecided(events=3, waiting_until_ms=None)
        put(database, 0, 1, 0)
        put(database, 1, 0, 0)
        assert progress.undecided() == Undecided(events=2, waiting_until_ms=None)
        put(database, 0, 2, 0)
        put(database, 1, 0, 1, waiting_until_ms=7)
        assert progress.undecided() == Undecided(events=0, waiting_until_ms=7)
        put(database, 1, 0, 1)
        assert progress.undecided() is None


def test_what_a_worker_writes_between_two_looks_is_waited_for(clean, database):
    write(clean, INPUT.name, [b"{}"], 0)
    with cluster_progress(clean.address, database) as progress:

        class Meanwhile(Partitions):
            """While positions are read, a worker passes a row on and comes to the end of its input."""

            def states(self) -> dict[int, PartitionState]:
                write(clean, FLOW.name, [b"row"], 1)
                put(database, 0, 1, 0)
                return super().states()

        progress._partitions = Meanwhile(database)
        assert progress.undecided() is not None


def test_a_cluster_that_does_not_move_is_said_and_one_that_has_come_to_its_end_is_not_waited_for(
    clean, database, monkeypatch
):
    monkeypatch.setattr(standing, "PATIENCE_S", 0.5)
    write(clean, INPUT.name, [b"{}"], 0)
    with pytest.raises(TransientError, match="1 accepted events are not decided"):
        wait_until_decided(database, clean.address)
    put(database, 0, 1, 0)
    wait_until_decided(database, clean.address)


@pytest.mark.patient
def test_the_command_says_which_brokers_do_not_answer(postgres):
    url = postgres.new_database()
    done = run("findings", "--wait", "--brokers", "127.0.0.1:9", "--database", url)
    assert (done.returncode, "Kafka at 127.0.0.1:9" in done.stderr) == (3, True), done.stderr
    postgres.drop(url)


def test_without_topics_the_way_to_make_them_is_named(broker, postgres):
    url = postgres.new_database()
    opened = Database.open(url)
    with cluster_progress(broker.address, opened) as progress, pytest.raises(ConfigError, match="topics create"):
        progress.undecided()
    opened.close()
    postgres.drop(url)
