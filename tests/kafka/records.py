"""Topics and records of a test, written and read with kafka-python."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.structs import TopicPartition

from tests.kafka.broker import Broker

READ_WITHIN_S = 30.0


@contextmanager
def administration(broker: Broker) -> Iterator[KafkaAdminClient]:
    """Gives a client that is connected."""
    admin = KafkaAdminClient(bootstrap_servers=broker.address)
    try:
        yield admin
    finally:
        admin.close()


def make_topic(broker: Broker, name: str, partitions: int = 1, **settings: str) -> None:
    """Afterwards the topic is there and can be written to; `_` in the name of a setting stands for a point."""
    configs = {key.replace("_", "."): value for key, value in settings.items()}
    with administration(broker) as admin:
        admin.create_topics({name: {"num_partitions": partitions, "configs": configs}}, wait_for_metadata=True)


def write(broker: Broker, topic: str, values: Iterable[bytes], partition: int = 0) -> None:
    """Returns once the broker has every value."""
    producer = KafkaProducer(bootstrap_servers=broker.address, acks="all", enable_idempotence=True)
    try:
        for sent in [producer.send(topic, value, partition=partition) for value in values]:
            sent.get(READ_WITHIN_S)
    finally:
        producer.close()


def read_all(broker: Broker, topic: str, partition: int = 0) -> list[bytes]:
    """Returns every value that a partition has."""
    consumer = KafkaConsumer(bootstrap_servers=broker.address)
    try:
        place = TopicPartition(topic, partition)
        count = consumer.end_offsets([place])[place]
    finally:
        consumer.close()
    return read(broker, topic, count, partition)


def read(broker: Broker, topic: str, count: int, partition: int = 0) -> list[bytes]:
    """Returns the first so many values of a partition. Raises: AssertionError when there are fewer."""
    consumer = KafkaConsumer(bootstrap_servers=broker.address, auto_offset_reset="earliest", enable_auto_commit=False)
    values: list[bytes] = []
    try:
        consumer.assign([TopicPartition(topic, partition)])
        deadline = time.monotonic() + READ_WITHIN_S
        while len(values) < count and time.monotonic() < deadline:
            for records in consumer.poll(timeout_ms=200).values():
                values += [record.value for record in records]
    finally:
        consumer.close()
    assert len(values) >= count, values
    return values[:count]
