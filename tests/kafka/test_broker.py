"""The broker that the tests use: it is a real one, and what is done to it is done."""

from __future__ import annotations

import pytest

from tests.kafka import broker as module
from tests.kafka.broker import Broker, NoKafkaError
from tests.kafka.records import make_topic, read, write

pytestmark = pytest.mark.kafka


def test_it_is_kafka_4_or_later(real_kafka):
    assert int(real_kafka.partition(".")[0]) >= 4


def test_what_was_acknowledged_survives_a_kill_and_a_restart(own_broker):
    own_broker.start()
    address = own_broker.address
    make_topic(own_broker, "kept")
    write(own_broker, "kept", [b"before the kill"])
    own_broker.kill()
    own_broker.start()
    write(own_broker, "kept", [b"before the restart"])
    own_broker.restart()
    assert own_broker.address == address
    assert read(own_broker, "kept", 2) == [b"before the kill", b"before the restart"]


def test_a_paused_broker_answers_nobody_until_it_is_resumed(broker):
    broker.pause()
    try:
        assert not broker.answers()
    finally:
        broker.resume()
    broker.wait_until_ready()


@pytest.mark.usefixtures("real_kafka")
def test_a_broker_that_cannot_start_says_why(tmp_path):
    wrong = Broker(tmp_path / "kafka", {"log.segment.bytes": 1})
    with pytest.raises(AssertionError, match=r"log\.segment\.bytes"):
        wrong.start()


def test_without_jars_the_way_to_get_them_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "JARS", tmp_path)
    with pytest.raises(NoKafkaError, match="make setup-test"):
        Broker(tmp_path / "kafka").start()
