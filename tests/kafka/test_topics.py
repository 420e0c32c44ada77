"""`swipewatch topics`: what is declared is made once, and whatever differs is said."""

from __future__ import annotations

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from events.topics import DEAD_LETTERS, FLOW, INPUT, TOPICS
from tests.app.running import run
from tests.kafka.broker import free_ports
from tests.kafka.records import administration, make_topic

pytestmark = pytest.mark.kafka

NAMES = sorted(topic.name for topic in TOPICS)


def test_what_is_missing_is_made_and_a_second_time_nothing_is(clean):
    first = run("topics", "create", "--brokers", clean.address, "--partitions", "3")
    assert (first.returncode, first.stderr) == (0, "")
    assert sorted(line.removesuffix(": made") for line in first.stdout.splitlines()[:-1]) == NAMES
    with administration(clean) as admin:
        there = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics(NAMES)}
    assert there == {topic.name: 3 if topic.spread == "many" else 1 for topic in TOPICS}
    again = run("topics", "create", "--brokers", clean.address, "--partitions", "5")
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.splitlines() == ["every topic was there", f"{len(TOPICS)} topics are as declared"]


def test_what_is_missing_or_set_otherwise_is_said_in_a_line_each(clean):
    run("topics", "create", "--brokers", clean.address, "--partitions", "2")
    with administration(clean) as admin:
        admin.delete_topics([INPUT.name])
        set_otherwise(admin, FLOW.name, {"retention.ms": "3600000"})
        set_otherwise(admin, DEAD_LETTERS.name, {"cleanup.policy": "compact"})
    done = run("topics", "check", "--brokers", clean.address)
    assert done.returncode == 1
    assert set(done.stderr.splitlines()) == {
        f"{INPUT.name}: missing; `swipewatch topics create` makes it",
        f"{FLOW.name}: retention.ms is 3600000 (1h) instead of {FLOW.retention_ms} (1474d)",
        f"{DEAD_LETTERS.name}: cleanup.policy is compact instead of delete",
    }


def test_topics_that_are_kept_longer_than_declared_are_as_declared(clean):
    run("topics", "create", "--brokers", clean.address, "--partitions", "1")
    with administration(clean) as admin:
        set_otherwise(admin, INPUT.name, {"retention.ms": "-1"})
    assert run("topics", "check", "--brokers", clean.address).returncode == 0


def test_topics_that_are_spread_must_all_have_as_many_partitions(clean):
    make_topic(clean, INPUT.name, 2, **{name.replace(".", "_"): value for name, value in INPUT.settings().items()})
    make_topic(clean, FLOW.name, 3, **{name.replace(".", "_"): value for name, value in FLOW.settings().items()})
    done = run("topics", "create", "--brokers", clean.address)
    assert done.returncode == 1
    assert "partitions differ" in done.stderr
    assert f"{INPUT.name} 2" in done.stderr


def test_more_copies_than_brokers_are_refused_in_a_sentence(clean):
    done = run("topics", "create", "--brokers", clean.address, "--replicas", "2")
    assert done.returncode == 2
    assert done.stderr.startswith("swipewatch: command line: --replicas = 2")


@pytest.mark.patient
def test_a_broker_that_is_away_is_named_and_starting_again_may_help():
    (port,) = free_ports(1)
    done = run("topics", "check", "--brokers", f"127.0.0.1:{port}")
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith(f"swipewatch: Kafka at 127.0.0.1:{port} does not answer")
    assert len(done.stderr.splitlines()) == 1


def test_an_address_that_is_none_is_wrong_input():
    done = run("topics", "check", "--brokers", "kafka://somewhere")
    assert done.returncode == 2
    assert "HOST:PORT" in done.stderr


def set_otherwise(admin, name: str, settings: dict[str, str]) -> None:
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, settings)])
