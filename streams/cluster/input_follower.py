"""Reads the input topic on from its end, for those who look at what is happening and keep nothing: cameras."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import structlog
from kafka import KafkaConsumer
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError
from kafka.structs import TopicPartition

from events.codec import decode_events
from events.dead_letters import InvalidEvent
from events.topics import INPUT
from events.types import AnyEvent
from streams.cluster.topics import broker_list

ANSWERS_WITHIN_MS: Final = 5_000
POLL_MS: Final = 500
AGAIN_AFTER_S: Final = 1.0

_log = structlog.get_logger()


class InputFollower:
    """A thread that reads every partition without a group; what comes while it is not connected is read afterwards."""

    def __init__(self, brokers: str, tell: Callable[[Sequence[AnyEvent]], None]) -> None:
        """Args: `tell` is called on the thread, with the events of a fetch. Raises: ConfigError for the address."""
        self._brokers, self._addresses, self._tell = brokers, broker_list(brokers), tell
        self._consumer: KafkaConsumer | None = None
        self._is_away = False
        self.is_following = threading.Event()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="input-follower", daemon=True)

    @property
    def is_started(self) -> bool:
        """Whether `start` was called."""
        return self._thread.ident is not None

    def start(self) -> None:
        """The brokers are looked for; what is written once they were found is told (`is_following`)."""
        self._thread.start()

    def stop(self) -> None:
        """The thread has ended."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._ends.is_set():
            try:
                self._look()
            except (KafkaError, OSError) as error:
                self._say_away(f"{type(error).__name__}: {error}")
                self._ends.wait(AGAIN_AFTER_S)
            except Exception as error:  # noqa: BLE001 - the thread's boundary: without it cameras were silently blind
                _log.exception("input.not_followed")
                self._say_away(f"{type(error).__name__}: {error}")
                self._ends.wait(AGAIN_AFTER_S)
        if self._consumer is not None:
            with suppress(KafkaError):
                self._consumer.close()

    def _look(self) -> None:
        if self._consumer is None:
            self._consumer = KafkaConsumer(
                bootstrap_servers=self._addresses,
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="latest",
                bootstrap_timeout_ms=ANSWERS_WITHIN_MS,
                reconnect_backoff_max_ms=1_000,
                allow_auto_create_topics=False,
                metadata_max_age_ms=10_000,
            )
        if not self._assigned(self._consumer):
            self._say_away(f"the topic {INPUT.name} is missing: `swipewatch topics create` makes it")
            self._ends.wait(AGAIN_AFTER_S)
            return
        for records in self._consumer.poll(timeout_ms=POLL_MS).values():
            events = _events_of(records)
            if events:
                self._tell(events)
        if self._is_away or not self.is_following.is_set():
            _log.info("input.followed", brokers=self._brokers)
            self._is_away = False
            self.is_following.set()

    def _assigned(self, consumer: KafkaConsumer) -> bool:
        """Returns whether the topic is there; all its partitions are read then, those that are new from their start."""
        there = {TopicPartition(INPUT.name, number) for number in consumer.partitions_for_topic(INPUT.name) or ()}
        known = consumer.assignment()
        if there and there != known:
            at = {place: consumer.position(place) for place in known}
            consumer.assign(sorted(there))
            for place in there:
                _seek(consumer, place, at.get(place), is_new=bool(known))
        return bool(there)

    def _say_away(self, why: str) -> None:
        if not self._is_away:
            _log.warning("input.away", problem=why)
        self._is_away = True


def _seek(consumer: KafkaConsumer, place: TopicPartition, offset: int | None, *, is_new: bool) -> None:
    if offset is not None:
        consumer.seek(place, offset)
    elif is_new:
        consumer.seek_to_beginning(place)
    else:
        consumer.seek_to_end(place)
        consumer.position(place)  # asks now: what is written from here on is told


def _events_of(records: Sequence[ConsumerRecord]) -> list[AnyEvent]:
    lines = [line for record in records for line in (record.value or b"").split(b"\n") if line.strip()]
    return [event for event in decode_events(lines) if not isinstance(event, InvalidEvent)]
