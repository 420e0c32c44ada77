"""Makes the topics of `events.topics` and compares a broker's with them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import (
    InvalidReplicationFactorError,
    KafkaError,
    TopicAlreadyExistsError,
    for_code,
)
from msgspec import Struct

from events.durations import duration_text
from events.errors import ConfigError, TransientError
from events.topics import FLOW, INPUT, TOPICS, Topic

ANSWERS_WITHIN_MS = 10_000
AT_LEAST = {"retention.ms", "max.message.bytes"}
"""Settings of which a broker may have more; -1 is without end."""
_ADDRESSES = re.compile(r"^[^\s,:/@]+:[0-9]{1,5}(,[^\s,:/@]+:[0-9]{1,5})*\Z")


class _Kept(Struct, frozen=True):
    """A topic as the broker has it."""

    partitions: int
    settings: dict[str, str]


def broker_list(text: str) -> list[str]:
    """Returns the addresses of `HOST:PORT,HOST:PORT`. Raises: ConfigError."""
    if not _ADDRESSES.match(text):
        raise ConfigError("command line", "--brokers", text, "HOST:PORT of a Kafka broker, or several with commas")
    return text.split(",")


def create_topics(brokers: str, partitions: int, replicas: int) -> list[str]:
    """Makes the topics that are missing; returns their names. Those that are there stay as they are.

    Args:
        brokers: HOST:PORT, several with commas.
        partitions: of every topic that is spread; ignored once one of them is there, which then says how many.
        replicas: how many brokers keep a copy of each.
    Raises: TransientError when the brokers are away; ConfigError when they refuse.
    """
    with _administration(brokers) as admin:
        there = _kept(admin)
        spread = [kept.partitions for topic in TOPICS if topic.spread == "many" and (kept := there.get(topic.name))]
        count = max(spread, default=partitions)
        missing = {
            topic.name: {
                "num_partitions": count if topic.spread == "many" else 1,
                "replication_factor": replicas,
                "configs": topic.settings() | _durable(replicas),
            }
            for topic in TOPICS
            if topic.name not in there
        }
        return _create(admin, missing, replicas) if missing else []


def recut_topics(brokers: str, partitions: int) -> None:
    """Afterwards the input has so many partitions, with what is in it, and the flow as many, with nothing in it.

    Raises: ConfigError for fewer than the input has: Kafka takes none away; TransientError when the brokers are away.
    """
    with _administration(brokers) as admin:
        there = _kept(admin)
        kept = there.get(INPUT.name)
        if kept is None:
            raise ConfigError("the broker", "topic", INPUT.name, "is missing: `swipewatch topics create` makes it")
        if partitions < kept.partitions:
            raise ConfigError(
                "command line", "--partitions", partitions, f"at least {kept.partitions}, as the input has"
            )
        if partitions > kept.partitions:
            admin.create_partitions({INPUT.name: partitions})
        replicas = _replicas(admin)
        if FLOW.name in there:
            admin.delete_topics([FLOW.name])
            _wait_until(lambda: FLOW.name not in _kept(admin))
        wanted = {
            "num_partitions": partitions,
            "replication_factor": replicas,
            "configs": FLOW.settings() | _durable(replicas),
        }
        _create(admin, {FLOW.name: wanted}, replicas)
        _wait_until(lambda: _kept(admin)[INPUT.name].partitions == partitions)


def _replicas(admin: KafkaAdminClient) -> int:
    """Returns how many brokers keep a copy of the input."""
    (topic,) = admin.describe_topics([INPUT.name])
    return len(topic["partitions"][0]["replica_nodes"])


def _wait_until(is_so: Callable[[], bool]) -> None:
    ends = time.monotonic() + ANSWERS_WITHIN_MS / 1000
    while not is_so():
        if time.monotonic() > ends:
            raise TransientError("the broker has not done in time what it was asked")
        time.sleep(0.1)


def _durable(replicas: int) -> dict[str, str]:
    """Returns how many copies must be written before a record counts as kept: all but one."""
    return {"min.insync.replicas": str(max(1, replicas - 1))}


def _create(admin: KafkaAdminClient, missing: dict[str, dict[str, object]], replicas: int) -> list[str]:
    made = []
    for topic in admin.create_topics(missing, raise_errors=False)["topics"]:
        error = for_code(topic["error_code"])
        if error is InvalidReplicationFactorError:
            raise ConfigError("command line", "--replicas", replicas, "at most as many as there are brokers")
        if topic["error_code"] == 0:
            made.append(topic["name"])
        elif error is not TopicAlreadyExistsError:
            raise ConfigError(
                "the broker", "topic", topic["name"], f"{error.__name__}: {topic.get('error_message') or 'refused'}"
            )
    admin.wait_for_topics(list(missing), ANSWERS_WITHIN_MS)
    return made


def topic_differences(brokers: str) -> list[str]:
    """Returns a sentence for each way in which the brokers' topics are not as declared; nothing when all is well.

    Raises: TransientError when the brokers are away.
    """
    with _administration(brokers) as admin:
        there = _kept(admin)
    said = [sentence for topic in TOPICS for sentence in _differences(topic, there.get(topic.name))]
    counts = {
        topic.name: kept.partitions for topic in TOPICS if topic.spread == "many" and (kept := there.get(topic.name))
    }
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        said.append(f"partitions differ, though one worker holds the same of each: {listed}")
    return said


def _differences(topic: Topic, kept: _Kept | None) -> Iterator[str]:
    if kept is None:
        yield f"{topic.name}: missing; `swipewatch topics create` makes it"
        return
    if topic.spread == "one" and kept.partitions != 1:
        yield f"{topic.name}: {kept.partitions} partitions instead of 1"
    wanted = topic.settings()
    for name, value in wanted.items():
        has = kept.settings.get(name, "")
        if has != value and not (name in AT_LEAST and _is_more(has, value)):
            yield f"{topic.name}: {name} is {_worded(name, has)} instead of {_worded(name, value)}"


def _is_more(has: str, wanted: str) -> bool:
    return has == "-1" or (wanted != "-1" and int(has) >= int(wanted))


def _worded(name: str, value: str) -> str:
    if not name.endswith(".ms") or not value.isdigit():
        return value
    return f"{value} ({duration_text(int(value))})"


def _kept(admin: KafkaAdminClient) -> dict[str, _Kept]:
    """Returns those of the declared topics that the brokers have."""
    wanted = {topic.name for topic in TOPICS}
    there = [topic for topic in admin.describe_topics() if topic["name"] in wanted]
    if not there:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic["name"]) for topic in there]
    settings = admin.describe_configs(resources, config_filter="all")["topic"]
    return {
        topic["name"]: _Kept(
            partitions=len(topic["partitions"]),
            settings={name: str(one["value"]) for name, one in settings[topic["name"]].items()},
        )
        for topic in there
    }


@contextmanager
def _administration(brokers: str) -> Iterator[KafkaAdminClient]:
    """Gives a client that is connected. Raises: TransientError with the address when nobody answers."""
    addresses = broker_list(brokers)
    admin = None
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=addresses,
            bootstrap_timeout_ms=ANSWERS_WITHIN_MS,
            request_timeout_ms=ANSWERS_WITHIN_MS,
        )
        yield admin
    except KafkaError as error:
        raise TransientError(f"Kafka at {brokers} does not answer: {type(error).__name__}: {error}") from error
    finally:
        if admin is not None:
            admin.close()
