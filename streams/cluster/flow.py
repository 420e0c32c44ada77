"""The topics behind a worker: what it writes is on every copy when it goes on; what it needs again it reads again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeVar

import structlog
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from events.errors import ConfigError, TransientError
from events.topics import FLOW, INPUT, RECORD_BYTES, SENDER_HEADER, UNNAMED_SENDER
from streams.cluster.producers import cut_off, reliable_producer
from streams.cluster.records import TOPIC_OF, WAY_OF, Read, Way, Written
from streams.cluster.topics import broker_list

ANSWERS_WITHIN_MS: Final = 5_000
DELIVERED_WITHIN_S: Final = 15.0
LONGEST_PAUSE_S: Final = 2.0
READ_BYTES: Final = 8 * 2**20

_Answer = TypeVar("_Answer")
_log = structlog.get_logger()


class Flow:
    """What one thread writes and reads again. Connections are made when they are needed.

    Args:
        patience_s: how long the brokers may be away before a write or a read is given up.
    """

    def __init__(self, brokers: str, patience_s: float) -> None:
        self._addresses, self.patience_s = broker_list(brokers), patience_s
        self._producer: KafkaProducer | None = None

    def partitions(self) -> int:
        """Returns how many partitions input and flow have.

        Raises: ConfigError when a topic is missing or they differ; TransientError when the brokers are away.
        """
        return self._patiently(self._count_partitions)

    def write(self, records: Iterable[Written]) -> None:
        """Returns once every copy has the records. Written again they do no harm, and some may be.

        Raises: TransientError when the brokers stay away.
        """
        wanted = list(records)
        if wanted:
            self._patiently(lambda: self._write(wanted))

    def read(self, way: Way, partition: int, first: int, end: int) -> Iterator[list[Read]]:
        """Yields the records from an offset up to another, which is not among them; those that are gone are left out.

        Raises: TransientError when the brokers stay away.
        """
        while first < end:
            some, first = self._patiently(lambda at=first: self._read(way, partition, at, end))  # type: ignore[misc]
            if some:
                yield some

    def ends_of(self, way: Way, partition: int) -> tuple[int, int]:
        """Returns the offset of the first record that is still there, and the one that the next will have."""
        return self._patiently(lambda: self._ends_of(way, partition))

    def close(self) -> None:
        """No connection is open."""
        if self._producer is not None:
            cut_off(self._producer)
            self._producer = None

    # ------------------------------------------------------------------------------------------------------------

    def _patiently(self, ask: Callable[[], _Answer]) -> _Answer:
        gives_up_at_s = time.monotonic() + self.patience_s
        pause_s = 0.05
        while True:
            try:
                return ask()
            except (KafkaError, OSError) as error:
                self.close()  # after a failure a producer may keep what it is given for ever
                if time.monotonic() > gives_up_at_s:
                    raise TransientError(f"Kafka: {type(error).__name__}: {error}") from error
                _log.warning("broker.unavailable", error=f"{type(error).__name__}: {error}")
            time.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    def _write(self, records: list[Written]) -> None:
        if self._producer is None:
            self._producer = reliable_producer(
                self._addresses,
                answers_within_ms=ANSWERS_WITHIN_MS,
                delivered_within_ms=int(DELIVERED_WITHIN_S * 1000),
            )
        sent = [
            self._producer.send(one.topic, one.body, key=one.key, headers=list(one.headers), partition=one.partition)
            for one in records
        ]
        for future in sent:
            future.get(DELIVERED_WITHIN_S)

    def _read(self, way: Way, partition: int, first: int, end: int) -> tuple[list[Read], int]:
        """Returns some records and the offset after them."""
        place = TopicPartition(TOPIC_OF[way], partition)
        consumer = self._consumer()
        try:
            consumer.assign([place])
            first = max(first, consumer.beginning_offsets([place])[place])
            consumer.seek(place, first)
            found: list[Read] = []
            size = 0
            while first < end and size < READ_BYTES:
                records = consumer.poll(timeout_ms=ANSWERS_WITHIN_MS).get(place, [])
                if not records and consumer.position(place) == first:
                    raise KafkaError(f"{place.topic} {partition}: nothing came from offset {first}, before {end}")
                found += [read_of(record) for record in records if record.offset < end]
                size += sum(len(record.value or b"") for record in records)
                first = consumer.position(place)
            return found, first
        finally:
            consumer.close(autocommit=False)

    def _ends_of(self, way: Way, partition: int) -> tuple[int, int]:
        place = TopicPartition(TOPIC_OF[way], partition)
        consumer = self._consumer()
        try:
            return int(consumer.beginning_offsets([place])[place]), int(consumer.end_offsets([place])[place])
        finally:
            consumer.close(autocommit=False)

    def _count_partitions(self) -> int:
        consumer = self._consumer()
        try:
            counts = {name: len(consumer.partitions_for_topic(name) or ()) for name in (INPUT.name, FLOW.name)}
        finally:
            consumer.close(autocommit=False)
        if 0 in counts.values():
            missing = ", ".join(name for name, count in counts.items() if not count)
            raise ConfigError("the broker", "topic", missing, "is missing: `swipewatch topics create` makes it")
        if len(set(counts.values())) > 1:
            raise ConfigError("the broker", "partitions", str(counts), "as many of each: `swipewatch topics check`")
        return counts[INPUT.name]

    def _consumer(self) -> KafkaConsumer:
        return KafkaConsumer(
            bootstrap_servers=self._addresses,
            group_id=None,
            enable_auto_commit=False,
            bootstrap_timeout_ms=ANSWERS_WITHIN_MS,
            max_partition_fetch_bytes=RECORD_BYTES,
            allow_auto_create_topics=False,
        )


def read_of(record: ConsumerRecord) -> Read:
    """Returns a record as kafka-python has read it."""
    return as_read(record.topic, record.partition, record.offset, record.timestamp, record.value, record.headers)


def as_read(
    topic: str,
    partition: int,
    offset: int,
    appended_at_ms: int,
    body: bytes | None,
    headers: Mapping[str, bytes] | Iterable[tuple[str, bytes]],
) -> Read:
    """Returns a record from what a client says of it."""
    sender = dict(headers).get(SENDER_HEADER)
    return Read(
        way=WAY_OF[topic],
        partition=partition,
        offset=offset,
        appended_at_ms=appended_at_ms,
        body=body or b"",
        sender=UNNAMED_SENDER if sender is None else sender.decode("utf-8", "replace"),
    )
