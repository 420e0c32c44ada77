"""Workers on a real Kafka and PostgreSQL through everything that ends, pauses or cuts off: the findings stay exact."""

from __future__ import annotations

import random
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import msgspec
import psycopg
import pytest

from app.cluster_worker import WAY_OUT_CODE as TOO_MANY
from detectors.examples import swipe
from events.codec import decode_events
from events.dead_letters import InvalidEvent
from events.errors import ConfigError
from events.identity import identity_of
from events.topics import DEAD_LETTERS, FLOW
from storage.database import Database
from storage.partitions import Fenced, Partitions, advance
from tests.app.running import run
from tests.kafka.broker import Broker
from tests.kafka.records import administration, read_all
from tests.kafka.test_topics import set_otherwise
from tests.kafka.workers import Fleet, Sender, fleet_of, world_of_now
from tests.postgres import Postgres
from tests.web.world import now_ms

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.crash]

PARTITIONS = 3
TOGETHER = 25


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    made = postgres.new_database()
    yield made
    postgres.drop(made)


class Story:
    """A world is sent while things happen; at the end everything has to be as if nothing had."""

    def __init__(self, fleet: Fleet, lines: list[bytes], seed: int) -> None:
        self.fleet, self.chance = fleet, random.Random(seed)
        self._lines = lines
        self._sent = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def begin(self, workers: int) -> None:
        for number in range(workers):
            self.fleet.start(f"worker{number}")
        self._sender = Sender(self.fleet.broker, PARTITIONS)
        self._thread.start()

    def _send(self) -> None:
        sender = self._sender
        try:
            for first in range(0, len(self._lines), TOGETHER):
                some = self._lines[first : first + TOGETHER]
                sender.send(some)
                sender.send(self.chance.sample(some, 3))  # senders repeat themselves
                time.sleep(0.15)
        finally:
            sender.close()
        self._sent.set()

    def while_sending(self, happens: Callable[[], None], pause_s: float) -> None:
        """Lets it happen again and again until everything was sent, and once after that."""
        while not self._sent.wait(pause_s * self.chance.uniform(0.5, 1.5)):
            happens()
        happens()

    def was_sent(self, within_s: float) -> bool:
        return self._sent.wait(within_s)

    def ends_well(self) -> None:
        assert self._sent.wait(60), "not everything was sent"
        found = self.fleet.findings()
        assert found == self.fleet.replayed(), self.fleet.said()
        assert identities(self.fleet.accepted()) == identities(self._lines)  # nothing that was sent is missing
        assert len(found) > 50
        for worker in self.fleet.workers.values():
            assert set(worker.codes) <= {-signal.SIGKILL, 0, 3}, self.fleet.said()
        with psycopg.connect(self.fleet.url) as connection:
            pending = connection.execute("SELECT count(*) FROM finding WHERE alerted_revision < revision").fetchone()
            twice = connection.execute(
                "SELECT count(*) FROM (SELECT finding_id FROM alert_finding GROUP BY 1 HAVING count(*) > 1) AS f"
            ).fetchone()
            alerts = connection.execute("SELECT count(*) FROM alert").fetchone()
        assert (pending, twice) == ((0,), (0,))
        assert alerts is not None
        assert alerts[0] > 20


def test_workers_that_are_killed_at_any_moment_lose_and_repeat_nothing(clean: Broker, url: str, tmp_path: Path):
    with fleet_of(tmp_path, clean.address, url, 1, PARTITIONS) as fleet:
        story = Story(fleet, world_of_now(1), 1)
        story.begin(2)

        def kill_one() -> None:
            killed = story.chance.choice(list(fleet.workers.values()))
            before = len(killed.codes)
            killed.signal(signal.SIGKILL)
            wait_for(lambda: len(killed.codes) > before)

        story.while_sending(kill_one, pause_s=2.5)
        kill_one()
        story.ends_well()


def test_workers_come_and_go_and_are_paused_past_their_session(clean: Broker, url: str, tmp_path: Path):
    """A worker that was paused goes on where another has taken over: the database refuses it."""
    with fleet_of(tmp_path, clean.address, url, 2, PARTITIONS) as fleet:
        story = Story(fleet, world_of_now(2), 2)
        story.begin(2)
        paused = fleet.workers["worker0"]

        def pause_and_resume() -> None:
            before = epochs(url)
            paused.signal(signal.SIGSTOP)
            wait_for(lambda: epochs(url) > before)  # somebody else has taken over
            fleet.start("worker2") if "worker2" not in fleet.workers else fleet.workers.pop("worker2").stop()
            paused.signal(signal.SIGCONT)

        story.while_sending(pause_and_resume, pause_s=2)
        story.ends_well()


@pytest.mark.timeout(300)
@pytest.mark.patient
def test_brokers_that_end_and_a_database_that_is_away_for_a_minute(
    own_broker: Broker, own_postgres: Postgres, tmp_path: Path
):
    own_broker.start()
    own_postgres.start()
    with fleet_of(tmp_path, own_broker.address, own_postgres.new_database(), 3, PARTITIONS) as fleet:
        story = Story(fleet, world_of_now(3), 3)
        story.begin(2)
        own_broker.restart()
        own_postgres.kill()
        away_since_s = time.monotonic()
        own_broker.kill()
        own_broker.start()
        assert story.was_sent(within_s=60)  # meanwhile everything waits in the topic: a backlog
        while time.monotonic() < away_since_s + 60:
            time.sleep(0.2)
        own_postgres.start()
        story.ends_well()


def test_poison_is_set_aside_once_and_too_much_of_it_stops_the_worker(clean: Broker, url: str, tmp_path: Path):
    poison = [b"\xff\xfe", b"{", b"[]", b"null", b"", b'{"type": "swipe"}', b'"\xed\xa0\x80"', b"[" * 100_000]
    more = [b"{%d" % number for number in range(31)]
    with fleet_of(tmp_path, clean.address, url, 4, PARTITIONS, cluster={"dead_letters_an_hour": 30}) as fleet:
        worker = fleet.start("worker0")
        lines = world_of_now(4)[:200]
        sender = Sender(clean.address, PARTITIONS)
        sender.send([*lines[:100], *poison])
        fleet.findings()
        letters = dead_letters(url)
        assert {bytes(original) for (original,) in letters} >= set(poison)
        worker.signal(signal.SIGKILL)
        sender.send(more)
        wait_for(lambda: worker.codes[-1:] == [TOO_MANY])
        assert "dead_letters_an_hour" in worker.said()
        assert len(dead_letters(url)) <= 30
        sender.send(lines[100:])
        sender.close()
        fleet.settings = {"cluster": {"dead_letters_an_hour": 1000}}
        fleet.start("worker0")
        assert fleet.findings() == fleet.replayed()
        kept = [bytes(original) for (original,) in dead_letters(url)]
        assert [kept.count(one) for one in (*poison, *more)] == [1] * len([*poison, *more])
        assert {*poison, *more} <= set(read_all(clean, DEAD_LETTERS.name))


def test_a_cluster_is_cut_into_more_partitions_and_finds_the_same(clean: Broker, url: str, tmp_path: Path):
    with fleet_of(tmp_path, clean.address, url, 5, 2) as fleet:
        lines = world_of_now(5)
        sender = Sender(clean.address, 2)
        fleet.start("worker0")
        sender.send(lines[:250])
        before = fleet.findings()
        cut = ("topics", "repartition", "--brokers", clean.address, "--database", url, "--partitions")
        assert "no other swipewatch" in run(*cut, "5").stderr
        fleet.stop()
        assert "at least 2" in run(*cut, "1").stderr
        done = run(*cut, "5")
        assert done.returncode == 0, done.stderr
        fleet.start("worker0")
        fleet.start("worker1")
        assert fleet.findings() == before == fleet.replayed()
        more = Sender(clean.address, 5)
        more.send(lines[250:])
        sender.close()
        more.close()
        assert fleet.findings() == fleet.replayed()


def test_a_letter_is_shown_as_it_came_and_fed_back_when_its_reason_is_gone(clean: Broker, url: str, tmp_path: Path):
    with fleet_of(tmp_path, clean.address, url, 4, PARTITIONS) as fleet:
        with administration(clean) as admin:
            set_otherwise(admin, FLOW.name, {"retention.ms": "3600000"})
        worker = fleet.start("worker0")
        late = msgspec.json.encode({**swipe("late", "0s"), "occurred_at_ms": now_ms() - 8 * 86_400_000})
        sender = Sender(clean.address, PARTITIONS)
        sender.send([late, b"{"])
        sender.close()
        fleet.findings()
        listed = run("dead-letters", "list", "--reason", "too_late", "--database", url)
        assert listed.stdout.count("\n") == 1, listed
        number = listed.stdout.split()[0]
        shown = run("dead-letters", "show", number, "--database", url)
        assert shown.stdout.encode() == late
        assert "too_late (reception)" in shown.stderr
        to = ("--database", url, "--to", f"kafka://{clean.address}")
        fed = run("dead-letters", "feed", number, "--history", *to)
        assert "1 fed" in fed.stderr
        fleet.findings()
        assert fleet.accepted() == [late]
        assert "topic.differs" in worker.said()


def test_a_worker_is_ready_once_it_knows_its_partitions_and_be_it_none(clean: Broker, url: str, tmp_path: Path):
    with fleet_of(tmp_path, clean.address, url, 1, 1) as fleet:
        workers = [fleet.start(name) for name in ("worker0", "worker1")]
        said: dict[str, list[int]] = {worker.name: [] for worker in workers}

        def are_ready() -> bool:
            for worker in workers:
                if found := re.search(r"http://\S+/readyz", worker.said()):
                    with suppress(httpx.TransportError):
                        said[worker.name].append(httpx.get(found[0], timeout=2).status_code)
            return all(codes[-1:] == [200] for codes in said.values())

        wait_for(are_ready)
        assert all(codes[0] == 503 for codes in said.values()), said


def test_a_second_holder_of_a_partition_is_refused_by_the_database(url: str):
    database = Database.open(url)
    partitions = Partitions(database)
    first = partitions.take(0, 1, "first", 1)
    second = partitions.take(0, 1, "second", 2)
    assert second.epoch == first.epoch + 1
    with pytest.raises(Fenced), database.session() as session:
        advance(session, msgspec.structs.replace(first, input_offset=7))
    with database.session() as session:
        advance(session, msgspec.structs.replace(second, input_offset=9))
    assert partitions.states()[0].input_offset == 9
    with pytest.raises(ConfigError, match="as the database was cut"):
        partitions.take(0, 2, "other", 3)
    database.close()


def identities(lines: list[bytes]) -> set[str]:
    return {identity_of(event) for event in decode_events(lines) if not isinstance(event, InvalidEvent)}


def epochs(url: str) -> int:
    with psycopg.connect(url) as connection:
        (total,) = connection.execute("SELECT coalesce(sum(epoch), 0) FROM partition").fetchone() or (0,)
    return int(total)


def dead_letters(url: str) -> list[tuple[bytes]]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT original FROM dead_letter ORDER BY letter_id").fetchall()


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 40
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)
