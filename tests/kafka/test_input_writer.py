"""The way into the input topic: bounded, honest about what is not known, and well again after any failure."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import pytest

from events.codec import decode_events
from streams.cluster import input_writer
from streams.cluster.input_writer import InputAway, InputBusy, InputWriter, NotConfirmed
from streams.cluster.topics import create_topics
from tests.kafka.broker import LEFT_OPEN, Broker, free_ports
from tests.kafka.webs import input_lines
from tests.web.world import poll, swipe_event

pytestmark = [pytest.mark.kafka, pytest.mark.crash, pytest.mark.timeout(120), LEFT_OPEN]

PARTITIONS = 3


@pytest.fixture
def writer(own_broker: Broker) -> Iterator[InputWriter]:
    own_broker.start()
    create_topics(own_broker.address, PARTITIONS, 1)
    made = InputWriter(own_broker.address, waiting_bytes=500)
    made.start()
    poll(lambda: made.problem() is None, 30)
    yield made
    made.stop()


def put(writer: InputWriter, *settlements: str):
    lines = [msgspec.json.encode(swipe_event(one)) for one in settlements]
    return writer.write("city", lines, decode_events(lines))


def test_what_waits_is_bounded_and_is_not_confirmed_once_the_broker_counts_as_gone(own_broker, writer):
    put(writer, "S-1").result(20)
    own_broker.pause()
    waits = put(writer, "S-2", "S-3")  # more than the bound, and nothing waits: one call is never too large
    with pytest.raises(InputBusy):
        put(writer, "S-4")
    with pytest.raises(NotConfirmed):
        waits.result(60)
    with pytest.raises(InputAway):
        put(writer, "S-5")
    own_broker.resume()
    poll(lambda: writer.problem() is None, 30)
    put(writer, "S-6").result(20)
    written = {msgspec.json.decode(line.content)["settlement_id"] for line in input_lines(own_broker, PARTITIONS)}
    assert {"S-1", "S-6"} <= written <= {"S-1", "S-2", "S-3", "S-6"}


def test_after_a_pause_that_is_shorter_than_its_patience_everything_is_confirmed(own_broker, writer, monkeypatch):
    monkeypatch.setattr(input_writer, "LOOKS_IN_VAIN", 1_000)
    monkeypatch.setattr(input_writer, "STUCK_AFTER_S", 1_000.0)
    own_broker.pause()
    waits = put(writer, "S-1")
    with pytest.raises(TimeoutError):
        waits.result(0.5)
    own_broker.resume()
    waits.result(30)
    assert len(input_lines(own_broker, PARTITIONS)) == 1


def test_without_a_broker_it_says_so_and_ends_at_once():
    (port,) = free_ports(1)
    writer = InputWriter(f"127.0.0.1:{port}")
    writer.start()
    poll(lambda: "does not answer" in (writer.problem() or ""), 20)
    with pytest.raises(InputAway, match=f"127.0.0.1:{port}"):
        put(writer, "S-1")
    started_s = time.monotonic()
    writer.stop()
    assert time.monotonic() - started_s < 10
