"""`swipewatch publish --to kafka://…`: everything in the input topic, once, in the order that matters."""

from __future__ import annotations

from collections import defaultdict

import pytest

from events.codec import decode_event
from events.topics import INPUT
from events.types import Reversal, Swipe
from storage.log import HISTORY
from streams.cluster.publishing import partition_of
from tests.app.running import run
from tests.kafka.broker import Broker, free_ports
from tests.kafka.records import make_topic, read_all
from tests.kafka.webs import input_lines
from tests.worlds import encode, world

pytestmark = pytest.mark.kafka

PARTITIONS = 3
BAD = [b'{"type":"swipe"', b"\xff\xfe"]


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return [*encode(world(5, conflicts=True)), *BAD]


def test_every_line_is_written_once_and_those_that_are_compared_stay_in_order(tmp_path, clean, lines):
    make_topic(clean, INPUT.name, PARTITIONS)
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(lines))
    done = run("publish", str(file), "--to", f"kafka://{clean.address}")
    assert done.returncode == 0, done.stderr
    assert f"{len(lines)} accepted" in done.stderr
    written = {number: written_lines(clean, number) for number in range(PARTITIONS)}
    assert sorted(line for some in written.values() for line in some) == sorted(lines)
    for number, some in written.items():
        assert some == [line for line in lines if partition_of(line, PARTITIONS) == number]


def test_history_is_marked_as_such_and_is_for_kafka_alone(tmp_path, clean):
    make_topic(clean, INPUT.name, PARTITIONS)
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"{}")
    for options in ((), ("--history",)):
        done = run("publish", str(file), "--to", f"kafka://{clean.address}", *options)
        assert done.returncode == 0, done.stderr
    assert sorted(line.sender for line in input_lines(clean, PARTITIONS)) == [HISTORY, "publish"]
    done = run("publish", str(file), "--to", "http://127.0.0.1:9", "--history")
    assert (done.returncode, "--history" in done.stderr) == (2, True), done.stderr


def test_lines_with_one_settlement_share_a_partition(lines):
    where = defaultdict(set)
    for line in lines:
        event = decode_event(line)
        if isinstance(event, Swipe | Reversal):
            where[event.settlement_id].add(partition_of(line, 7))
    assert len(where) > 7
    assert {len(partitions) for partitions in where.values()} == {1}
    assert len(set().union(*where.values())) > 1


@pytest.mark.patient
def test_without_the_topic_the_way_to_make_it_is_named(tmp_path, clean):
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"{}")
    done = run("publish", str(file), "--to", f"kafka://{clean.address}")
    assert done.returncode == 2
    assert "swipewatch topics create" in done.stderr


@pytest.mark.patient
def test_a_broker_that_is_away_is_named(tmp_path):
    (port,) = free_ports(1)
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"{}")
    done = run("publish", str(file), "--to", f"kafka://127.0.0.1:{port}")
    assert done.returncode == 3
    assert f"Kafka at 127.0.0.1:{port}" in done.stderr


def written_lines(broker: Broker, partition: int) -> list[bytes]:
    return [line for record in read_all(broker, INPUT.name, partition) for line in record.split(b"\n")]
