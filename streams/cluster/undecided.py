"""What a cluster has not decided yet: what lies in its topics beyond the positions that its workers have written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TypeAlias

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from events.errors import ConfigError, TransientError
from events.topics import FLOW, INPUT
from storage.database import Database
from storage.partitions import Partitions, PartitionState
from storage.progress import Undecided
from streams.cluster.topics import ANSWERS_WITHIN_MS, broker_list

Range: TypeAlias = tuple[int, int]
"""The offset of the first record that is still there, and the one that the next will have."""
Ends: TypeAlias = Mapping[tuple[str, int], Range]
_MOVING: Final = Undecided(events=1, waiting_until_ms=None)


class ClusterProgress:
    """Asks brokers and database for as long as it is open."""

    def __init__(self, consumer: KafkaConsumer, brokers: str, database: Database) -> None:
        self._consumer, self._brokers = consumer, brokers
        self._partitions = Partitions(database)

    def undecided(self) -> Undecided | None:
        """Returns what is not decided yet, or None when everything that was in the topics is.

        The ends are read before and after the positions: what a worker was writing meanwhile shows in the second.

        Raises: ConfigError when a topic is missing; TransientError when brokers or database are away.
        """
        before = self._ends()
        states, logged = self._partitions.states(), self._partitions.undecided_events()
        found = _undecided(before, states, logged)
        return found if found is not None or self._ends() == before else _MOVING

    def undecided_records(self) -> int:
        """Returns how many records of the topics nobody has worked on. Raises as `undecided`."""
        states = self._partitions.states()
        return sum(_behind(topic, found, states.get(number)) for (topic, number), found in self._ends().items())

    def _ends(self) -> Ends:
        try:
            places = [place for topic in (INPUT.name, FLOW.name) for place in self._places(topic)]
            first, last = self._consumer.beginning_offsets(places), self._consumer.end_offsets(places)
        except KafkaError as error:
            raise TransientError(f"Kafka at {self._brokers} does not answer: {type(error).__name__}") from error
        return {(place.topic, place.partition): (first[place], last[place]) for place in places}

    def _places(self, topic: str) -> list[TopicPartition]:
        numbers = self._consumer.partitions_for_topic(topic)
        if not numbers:
            raise ConfigError("the broker", "topic", topic, "is missing: `swipewatch topics create` makes it")
        return [TopicPartition(topic, number) for number in sorted(numbers)]


@contextmanager
def cluster_progress(brokers: str, database: Database) -> Iterator[ClusterProgress]:
    """Gives what asks how far the cluster has come. Raises: ConfigError; TransientError when the brokers are away."""
    addresses = broker_list(brokers)
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=addresses,
            group_id=None,
            enable_auto_commit=False,
            bootstrap_timeout_ms=ANSWERS_WITHIN_MS,
            allow_auto_create_topics=False,
        )
    except KafkaError as error:
        raise TransientError(f"Kafka at {brokers} does not answer: {type(error).__name__}: {error}") from error
    try:
        yield ClusterProgress(consumer, brokers, database)
    finally:
        consumer.close()


def _undecided(ends: Ends, states: Mapping[int, PartitionState], logged: int) -> Undecided | None:
    behind = sum(_behind(topic, found, states.get(number)) for (topic, number), found in ends.items())
    waits = [state.waiting_until_ms for state in states.values() if state.waiting_until_ms is not None]
    if not behind and not logged and not waits:
        return None
    return Undecided(events=behind + logged, waiting_until_ms=max(waits, default=None))


def _behind(topic: str, found: Range, state: PartitionState | None) -> int:
    """Returns how many records nobody has taken; of a partition that was never held, all that are there."""
    first, end = found
    if state is None:
        return end - first
    position = state.input_offset if topic == INPUT.name else state.flow_offset
    return max(0, end - max(first, position))
