"""Events as records of the input topic, written there in an order that keeps what was said first first."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeAlias

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError
from kafka.producer.future import FutureRecordMetadata

from events.codec import decode_events
from events.dead_letters import InvalidEvent
from events.errors import ConfigError, TransientError
from events.identity import joining_key
from events.topics import INPUT, RECORD_BYTES, SENDER_HEADER
from events.types import AnyEvent
from streams.cluster.producers import reliable_producer
from streams.cluster.topics import ANSWERS_WITHIN_MS, broker_list
from streams.store.key_index import hash_of

WRITTEN_WITHIN_MS: Final = 120_000
PACKED_BYTES: Final = 2**18
"""Lines are packed into records of about so much."""

Decoded: TypeAlias = AnyEvent | InvalidEvent


def headers_of(sender: str) -> list[tuple[str, bytes]]:
    """Returns the headers of a record whose events this sender sends."""
    return [(SENDER_HEADER, sender.encode())]


def one_line(original: bytes) -> bytes:
    """Returns the event as one line of a record. Between the parts of JSON a line feed says as much as a space."""
    return original.replace(b"\n", b" ").replace(b"\r", b" ") if b"\n" in original else original


def partition_of(line: bytes, partitions: int) -> int:
    """Returns the partition of the input topic for a line; lines that stage 0 compares or joins share one."""
    (event,) = decode_events([line])
    return _partition_of(line, event, partitions)


def records_of(lines: Iterable[tuple[bytes, Decoded]], partitions: int) -> Iterator[tuple[int, bytes]]:
    """Yields the records of these lines, each with its partition; those of one partition stay in order."""
    by_partition: dict[int, list[bytes]] = defaultdict(list)
    for line, event in lines:
        by_partition[_partition_of(line, event, partitions)].append(line)
    for number, some in by_partition.items():
        for record in _packed(some):
            yield number, record


def _partition_of(line: bytes, event: Decoded, partitions: int) -> int:
    key = zlib.crc32(line) if isinstance(event, InvalidEvent) else hash_of(joining_key(event))
    return key % partitions


@contextmanager
def open_input(brokers: str, sender: str) -> Iterator[Callable[[Sequence[bytes]], None]]:
    """Gives a function that returns once every copy of the broker has the lines given to it, which this sender sends.

    Raises: ConfigError for an address that is none, an input topic that is missing or a line that is too long;
        TransientError when the brokers stay away: some of the last lines may have been written, and again does no harm.
    """
    addresses = broker_list(brokers)
    producer = None
    try:
        producer = reliable_producer(
            addresses, answers_within_ms=ANSWERS_WITHIN_MS, delivered_within_ms=WRITTEN_WITHIN_MS
        )
        partitions = len(_partitions(producer))
        yield lambda lines: _write(producer, sender, lines, partitions)
    except KafkaError as error:
        raise TransientError(f"Kafka at {brokers} does not take events: {type(error).__name__}: {error}") from error
    finally:
        if producer is not None:
            producer.close(timeout=0)


def _partitions(producer: KafkaProducer) -> set[int]:
    try:
        found: set[int] | None = producer.partitions_for(INPUT.name)
    except KafkaTimeoutError:
        found = None
    if not found:
        raise ConfigError("the broker", "topic", INPUT.name, "is missing: `swipewatch topics create` makes it")
    return found


def _write(producer: KafkaProducer, sender: str, lines: Sequence[bytes], partitions: int) -> None:
    offers = zip(lines, decode_events(lines), strict=True)
    sent = [_send(producer, sender, record, number) for number, record in records_of(offers, partitions)]
    for one in sent:
        one.get(WRITTEN_WITHIN_MS / 1000)


def _send(producer: KafkaProducer, sender: str, record: bytes, partition: int) -> FutureRecordMetadata:
    try:
        return producer.send(INPUT.name, record, partition=partition, headers=headers_of(sender))
    except MessageSizeTooLargeError as error:
        raise ConfigError("event file", "line", f"{len(record)} bytes", f"at most {RECORD_BYTES} bytes") from error


def _packed(lines: Sequence[bytes]) -> Iterator[bytes]:
    """Yields records of whole lines."""
    held: list[bytes] = []
    size = 0
    for line in lines:
        if held and size + len(line) > PACKED_BYTES:
            yield b"\n".join(held)
            held, size = [], 0
        held.append(line)
        size += len(line) + 1
    yield b"\n".join(held)
