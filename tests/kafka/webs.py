"""`swipewatch web` processes of a test, each with a port of its own, on one broker, database and data directory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from events.topics import DEFAULT_PARTITIONS, INPUT, SENDER_HEADER
from storage.access.accounts import Accounts
from storage.database import Database
from tests.app.running import Served, free_port, started, wait_until_ready
from tests.kafka.broker import Broker
from tests.web.test_terminal_product import REGISTRY
from tests.web.world import PASSWORD, now_ms

SENDER, TERMINAL = "sws_city", "swt_ankang-1"
STORE = str(REGISTRY["institutions"][0]["institution_id"])


@dataclass(frozen=True)
class Line:
    """A line of the input topic with where it is and who sent it."""

    partition: int
    sender: str
    content: bytes


@dataclass(frozen=True)
class Start:
    """A `web` that begins; `name` is what it says its words to, with .out and .err."""

    process: subprocess.Popen[str]
    address: str
    name: Path

    def wait(self, ready_at: str = "/readyz") -> None:
        """Returns once it answers well there."""
        wait_until_ready(self.address, self.process, self.name.with_suffix(".err"), ready_at)

    def served(self) -> Served:
        """Returns it with what it has said so far."""
        said = self.name.with_suffix(".out").read_text()
        return Served(self.process, self.address, self.name.parent / "data", said)


@dataclass(frozen=True)
class Place:
    """Where the processes of one test meet."""

    folder: Path
    broker: str
    url: str

    @contextmanager
    def web(self, name: str, *options: str, ready_at: str = "/readyz") -> Iterator[Served]:
        """Gives a `web` that answers well at `ready_at`; it is told to stop at the end."""
        with self.starting(name, *options) as start:
            start.wait(ready_at)
            yield start.served()

    @contextmanager
    def starting(self, name: str, *options: str) -> Iterator[Start]:
        """Gives a `web` that has just been started; it is told to stop at the end."""
        port = free_port()
        arguments = [sys.executable, "-m", "app", "web", "--port", str(port), *self.common(), *options]
        with started(arguments, self.folder / name) as process:
            yield Start(process, f"http://127.0.0.1:{port}", self.folder / name)

    def common(self) -> list[str]:
        """Returns the options that all processes have."""
        registry = self.folder / "registry.yaml"
        if not registry.exists():
            registry.write_text(yaml.safe_dump(REGISTRY))
        data = ["--data", str(self.folder / "data"), "--registry", str(registry)]
        return ["--brokers", self.broker, "--database", self.url, *data]

    def furnish(self) -> None:
        """Afterwards there are an operator, a sender's token and a terminal's."""
        database = Database.open(self.url)
        try:
            accounts = Accounts(database)
            accounts.put_account("operator", PASSWORD, "operator", now_ms())
            accounts.put_token("sender", "city", ["*"], now_ms(), token=SENDER)
            accounts.put_token("terminal", "ankang-1", [STORE], now_ms(), token=TERMINAL)
        finally:
            database.close()


def input_lines(broker: Broker, partitions: int = DEFAULT_PARTITIONS) -> list[Line]:
    """Returns every line of the input topic, partition by partition in their order."""
    consumer = KafkaConsumer(bootstrap_servers=broker.address, enable_auto_commit=False)
    places = [TopicPartition(INPUT.name, number) for number in range(partitions)]
    try:
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        lines = []
        for place in places:
            consumer.assign([place])
            consumer.seek_to_beginning(place)
            while consumer.position(place) < ends[place]:
                for records in consumer.poll(timeout_ms=500).values():
                    lines += [line for record in records for line in _lines_of(record)]
    finally:
        consumer.close()
    return lines


def _lines_of(record: object) -> Iterator[Line]:
    headers = dict(getattr(record, "headers"))  # noqa: B009 - kafka-python has no types
    sender = headers.get(SENDER_HEADER, b"").decode()
    for content in getattr(record, "value").split(b"\n"):  # noqa: B009
        yield Line(getattr(record, "partition"), sender, content)  # noqa: B009
