"""`swipewatch web`: what it has answered is in the topic; several on one database are one to people and receivers."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import pytest

from events.topics import DEFAULT_PARTITIONS, INPUT
from storage.alerts.webhook_position import WebhookPosition
from storage.database import Database
from storage.projector import Projector
from streams.cluster.publishing import partition_of
from streams.cluster.topics import create_topics
from tests.alerts.builders import finding, policy
from tests.app.running import Served, run
from tests.kafka.broker import LEFT_OPEN, Broker
from tests.kafka.records import administration
from tests.kafka.webs import SENDER, STORE, TERMINAL, Line, Place, input_lines
from tests.postgres import Postgres
from tests.web.test_webhook import Receiver
from tests.web.world import bearer, log_in, now_ms, poll, swipe_event

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(240), LEFT_OPEN]

NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def place(clean: Broker, postgres: Postgres, tmp_path: Path) -> Iterator[Place]:
    create_topics(clean.address, DEFAULT_PARTITIONS, 1)
    made = Place(tmp_path, clean.address, postgres.new_database())
    made.furnish()
    yield made
    postgres.drop(made.url)


def send(served: Served, *lines: bytes, timeout: float = 40, token: str = SENDER) -> httpx.Response:
    headers = bearer(token) | NDJSON
    return httpx.post(f"{served.address}/v1/events", content=b"\n".join(lines), headers=headers, timeout=timeout)


def swipe_line(settlement: str) -> bytes:
    return msgspec.json.encode(swipe_event(settlement))


# ------------------------------------------------------------------------------------------------------- ingestion


@pytest.mark.crash
def test_every_line_of_an_answered_request_is_in_the_topic_though_the_process_is_killed_at_once(clean, place):
    lines = [swipe_line(f"SETL-{number:04}") for number in range(500)]
    lines[100] = b'{"type":"swipe"'
    lines[200] = msgspec.json.encode({**swipe_event("SETL-BAD"), "total_fen": "8650"})
    with place.web("web") as served:
        answer = send(served, *lines)
        served.kill()
    results = answer.json()["results"]
    assert answer.status_code == 200, answer.text
    assert {key: answer.json()[key] for key in ("accepted", "durable", "dead_letter")} == {
        "accepted": 0,
        "durable": 498,
        "dead_letter": 2,
    }
    assert [results[number]["reason"] for number in (100, 200)] == ["not_json", "wrong_type"]
    assert results[0] == {"status": "durable", "event_id": "e-SETL-0000"}
    written = input_lines(clean)
    assert {line.sender for line in written} == {"city"}
    expected = [Line(partition_of(line, DEFAULT_PARTITIONS), "city", line) for line in lines]
    assert sorted(written, key=lambda line: line.partition) == sorted(expected, key=lambda line: line.partition)


def test_an_event_that_was_written_over_several_lines_is_one_line_of_the_topic(clean, place):
    event = swipe_event("SETL-0001")
    with place.web("web") as served:
        body = json.dumps([event], indent=2)
        answer = httpx.post(f"{served.address}/v1/events", content=body, headers=bearer(SENDER))
    assert answer.json()["durable"] == 1
    (line,) = input_lines(clean)
    assert msgspec.json.decode(line.content) == event


@pytest.mark.crash
def test_while_the_broker_is_away_nothing_is_taken_and_afterwards_it_goes_on_by_itself(own_broker, postgres, tmp_path):
    own_broker.start()
    create_topics(own_broker.address, 3, 1)
    place = Place(tmp_path, own_broker.address, postgres.new_database())
    place.furnish()
    with place.web("web") as served:
        assert send(served, swipe_line("SETL-0001")).status_code == 200
        own_broker.kill()
        poll(lambda: not httpx.get(f"{served.address}/readyz").is_success, 20)
        refused = send(served, swipe_line("SETL-0002"))
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "not_ready")
        assert int(refused.headers["Retry-After"]) > 0
        assert httpx.get(f"{served.address}/readyz").json()["reasons"][0]["part"] == "kafka"
        assert httpx.get(f"{served.address}/login").is_success
        own_broker.start()
        poll(lambda: httpx.get(f"{served.address}/readyz").is_success, 30)
        assert send(served, swipe_line("SETL-0003")).status_code == 200
    written = [msgspec.json.decode(line.content)["settlement_id"] for line in input_lines(own_broker, 3)]
    assert sorted(written) == ["SETL-0001", "SETL-0003"]


@pytest.mark.crash
def test_a_request_that_the_broker_leaves_unanswered_is_not_confirmed_and_later_ones_are(
    own_broker, postgres, tmp_path
):
    own_broker.start()
    create_topics(own_broker.address, 3, 1)
    place = Place(tmp_path, own_broker.address, postgres.new_database())
    place.furnish()
    with place.web("web") as served:
        own_broker.pause()
        unanswered = send(served, swipe_line("SETL-0001"))
        own_broker.resume()
        assert (unanswered.status_code, unanswered.json()["error"]["code"]) == (503, "not_confirmed")
        poll(lambda: send(served, swipe_line("SETL-0002")).status_code == 200, 40)
    assert b"SETL-0002" in b"".join(line.content for line in input_lines(own_broker, 3))


def test_without_its_topic_it_says_how_to_make_it_and_begins_once_it_is_there(clean, place):
    with administration(clean) as admin:
        admin.delete_topics([INPUT.name])
    with place.web("web", ready_at="/healthz") as served:
        poll(lambda: "topics create" in httpx.get(f"{served.address}/readyz").text, 20)
        assert send(served, swipe_line("SETL-0001")).status_code == 503
        create_topics(clean.address, DEFAULT_PARTITIONS, 1)
        poll(lambda: send(served, swipe_line("SETL-0001")).status_code == 200, 20)
    assert len(input_lines(clean)) == 1


def test_two_that_begin_at_once_on_nothing_make_one_administrator_and_one_set_of_keys(clean, postgres, tmp_path):
    create_topics(clean.address, DEFAULT_PARTITIONS, 1)
    place = Place(tmp_path, clean.address, postgres.new_database(empty=True))
    with ExitStack() as both:
        starts = [both.enter_context(place.starting(name)) for name in ("one", "two")]
        for start in starts:
            start.wait()
        said = "".join((tmp_path / f"{name}.out").read_text() for name in ("one", "two"))
        sent = [send(start.served(), swipe_line("SETL-0001"), token=first_sender(said)) for start in starts]
    assert said.count("log in as admin") == said.count("terminal ankang pairs") == 1
    assert [answer.status_code for answer in sent] == [200, 200]
    assert {key.name for key in (tmp_path / "data" / "keys").iterdir()} == {
        "cards.key",
        "evidence.key",
        "visitors.key",
        "webhook.key",
    }


def first_sender(said: str) -> str:
    found = re.search(r"send events with token (\S+)", said)
    assert found, said
    return found[1]


# -------------------------------------------------------------------------------------------- several on one database


@dataclass(frozen=True)
class Pair:
    """Two processes on one database, which push to one receiver."""

    place: Place
    one: Served
    two: Served
    receiver: Receiver


@pytest.fixture(scope="module")
def pair(broker: Broker, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    create_topics(broker.address, DEFAULT_PARTITIONS, 1)
    place = Place(tmp_path_factory.mktemp("pair"), broker.address, postgres.new_database())
    place.furnish()
    receiver = Receiver()
    settings = place.folder / "settings.yaml"
    settings.write_text(f"webhook:\n  url: {receiver.url}\n")
    try:
        with place.web("one", "--config", str(settings)) as one, place.web("two", "--config", str(settings)) as two:
            yield Pair(place, one, two, receiver)
    finally:
        receiver.close()


def test_a_log_in_at_one_holds_at_the_other(pair):
    with httpx.Client(base_url=pair.one.address) as client:
        log_in(client)
        cookies = dict(client.cookies)
    for address in (pair.one.address, pair.two.address):
        assert httpx.get(f"{address}/", cookies=cookies).status_code == 200
    assert httpx.get(f"{pair.two.address}/").status_code == 401


def test_what_another_process_makes_an_alert_of_is_at_the_till_within_a_second(pair):
    heard_at_s: list[float] = []
    reads = [threading.Thread(target=listen, args=(served, heard_at_s)) for served in (pair.one, pair.two)]
    for thread in reads:
        thread.start()
    poll(lambda: streams_open(pair.one) and streams_open(pair.two), 20)
    told_at_s = raise_alert(pair.place.url, "SETL-0001")
    for thread in reads:
        thread.join(20)
    assert len(heard_at_s) == 2
    assert max(heard_at_s) - told_at_s < 1.0


def test_a_product_that_wants_the_database_alone_stands_back_and_so_does_one_on_sqlite(pair):
    place = pair.place
    done = run("serve", "--data", str(place.folder / "other"), "--database", place.url, "--port", "0")
    assert (done.returncode, "no other swipewatch serves from it" in done.stderr) == (2, True), done.stderr
    shared = run("web", "--brokers", place.broker, "--data", str(place.folder / "data"))
    assert (shared.returncode, "postgresql://USER@HOST/DATABASE" in shared.stderr) == (2, True), shared.stderr


@pytest.mark.crash
def test_one_of_them_pushes_and_when_it_is_killed_the_other_goes_on_where_it_was(pair):
    def pushed() -> list[str]:
        return [one["alert"]["settlement_id"] for one in pair.receiver.taken if one["change"]["action"] == "open"]

    raise_alert(pair.place.url, "SETL-0002")
    raise_alert(pair.place.url, "SETL-0003")
    poll(lambda: pushed()[-2:] == ["SETL-0002", "SETL-0003"], 20)
    poll(lambda: told_up_to(pair) == pair.receiver.taken[-1]["change"]["entry_id"], 20)  # else it comes again
    pair.one.kill()
    raise_alert(pair.place.url, "SETL-0004")
    poll(lambda: pushed()[-3:] == ["SETL-0002", "SETL-0003", "SETL-0004"], 20)
    assert pair.two.process.poll() is None
    numbers = [one["change"]["entry_id"] for one in pair.receiver.taken]
    assert numbers == sorted(set(numbers))


def told_up_to(pair: Pair) -> int:
    """Returns what is on record as told to the receiver."""
    database = Database.open(pair.place.url)
    try:
        return WebhookPosition(database, pair.receiver.url).begin()
    finally:
        database.close()


def listen(served: Served, heard_at_s: list[float]) -> None:
    with httpx.stream("GET", f"{served.address}/v1/terminal/stream", headers=bearer(TERMINAL), timeout=15) as stream:
        for line in stream.iter_lines():
            if line == "event: notice":
                heard_at_s.append(time.monotonic())
                return


def streams_open(served: Served) -> bool:
    return 'swipewatch_streams_open{kind="terminal"} 1.0' in httpx.get(f"{served.address}/metrics").text


def raise_alert(url: str, settlement: str) -> float:
    """Writes a finding and makes an alert of it, as a worker does; returns when that was done."""
    database = Database.open(url)
    try:
        projector = Projector(database, policy())
        found = finding("holder_mismatch", at_ms=now_ms() - 2_000, settlement=settlement, person=f"329900-{settlement}")
        projector.write_findings([found], [], {}, now_ms())
        (change,) = projector.project_alerts(now_ms())
        assert change.institution_id == STORE
        return time.monotonic()
    finally:
        database.close()
