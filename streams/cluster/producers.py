"""The one way in which Kafka is written to: on every copy, once, never making a topic by the way."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from kafka import KafkaProducer
from kafka.errors import KafkaError

from events.topics import RECORD_BYTES


def reliable_producer(
    addresses: Sequence[str], *, answers_within_ms: int, delivered_within_ms: int, **settings: int
) -> KafkaProducer:
    """Returns a producer whose records count as written once every copy has them. Raises: KafkaError."""
    return KafkaProducer(
        bootstrap_servers=list(addresses),
        acks="all",
        enable_idempotence=True,
        bootstrap_timeout_ms=answers_within_ms,
        max_block_ms=answers_within_ms,
        request_timeout_ms=answers_within_ms,
        delivery_timeout_ms=delivered_within_ms,
        max_request_size=RECORD_BYTES,
        reconnect_backoff_max_ms=1_000,
        allow_auto_create_topics=False,
        **settings,
    )


def cut_off(producer: KafkaProducer) -> None:
    """The producer's threads end; `close` alone leaves them, and what they hold, when something is on its way."""
    producer._sender.force_close()  # noqa: SLF001 - no public call gives up what cannot be delivered
    with suppress(KafkaError):
        producer.close(timeout=1)
