"""A cluster on this machine, with a real Kafka and PostgreSQL beside it: `python -m bench.cluster` prints JSON.

`throughput`: a backlog of swipes from the input topic to findings in PostgreSQL, by one and by two workers with all
rules. `faust`: the same swipes through a Faust agent that counts each card's a day in a windowed Table. `peers`: the
same count in other stream processors, from a file. `stages`: what each stage of a worker's step costs.
`latency`: swipes at a rate, from sending one to its alert's row. `recovery`: from the kill of a worker that holds so
many swipes to the next finding. Broker, database, workers and the bench share the machine's cores.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import psycopg
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from app.rule_files import read_rules
from bench.city_file import FIRST_MS, write_city
from bench.cluster_stages import working
from bench.live_store import LOADED_TOGETHER, START_MS, City
from bench.peers import PEERS, command_of, install
from events.codec import decode_events
from events.dead_letters import InvalidEvent
from events.identity import content_digest, identity_of
from events.topics import FLOW, INPUT, TOPICS
from storage.database import Database
from storage.log import AcceptedLog, Record
from storage.partitions import Partitions, advance
from streams.cluster.publishing import records_of
from streams.engine import Engine
from streams.snapshot import Position
from tests.app.running import CHECKOUT, run
from tests.kafka.broker import Broker
from tests.kafka.workers import Fleet
from tests.postgres import Postgres

SPAN_MS = 6 * 86_400_000
CITY_MS = 30 * 86_400_000
LOOK_EVERY_S = 0.01
SUSPENDED = "P3298{:08d}"
SUSPENDED_STORES, STORES, PERSONS = 400, 4_000, 1_000_003
"""Of a city with some hundred swipes a second at its busiest. Stores without agreement make one alert a swipe."""
SWIPE = b'{"type":"swipe"'
FAUST_TOPIC = "bench-swipes"
FAUST_COUNT = Path(__file__).parent / "peer_counts" / "faust_count.py"
RULES = CHECKOUT / "config" / "rules.yaml"
TIME = re.compile(rb'"(occurred_at_ms|effective_from_ms)":(\d+)')


class Place:
    """A broker, a database and the workers of one measurement."""

    def __init__(self, folder: Path, broker: Broker, server: Postgres, partitions: int) -> None:
        self.broker, self.url, self.partitions = broker.address, server.new_database(), partitions
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        done = run("topics", "create", "--brokers", self.broker, "--partitions", str(partitions))
        if done.returncode:
            raise SystemExit(done.stderr)
        settings: dict[str, dict[str, object]] = {"alerts": {"breaker": 10_000_000}}
        settings["cluster"] = {"session_timeout": "6s"}
        self.fleet = Fleet(folder, self.broker, self.url, RULES, settings)

    def publish(self, lines: Sequence[bytes]) -> int:
        """Returns how many bytes the broker has taken; references first, then the rest, packed as senders pack."""
        producer = KafkaProducer(bootstrap_servers=self.broker, acks="all", linger_ms=5)
        sent = [
            producer.send(INPUT.name, record, partition=number)
            for number, record in records_of(zip(lines, decode_events(lines), strict=True), self.partitions)
        ]
        for one in sent:
            one.get(60)
        producer.close()
        return sum(len(line) for line in lines)

    def positions(self) -> dict[tuple[str, int], int]:
        """Returns how far the workers have come in each topic."""
        with psycopg.connect(self.url) as connection:
            rows = connection.execute("SELECT number, input_offset, flow_offset FROM partition").fetchall()
        return {
            (topic, number): offset
            for number, *offsets in rows
            for topic, offset in zip((INPUT.name, FLOW.name), offsets, strict=True)
        }

    def wait_until_done(self) -> float:
        """Returns when everything was worked on, on the monotonic clock."""
        consumer = KafkaConsumer(bootstrap_servers=self.broker)
        places = [TopicPartition(name, n) for name in (INPUT.name, FLOW.name) for n in range(self.partitions)]
        try:
            while True:
                done_s, before = time.monotonic(), self.positions()
                ends = consumer.end_offsets(places)
                if all(before.get((place.topic, place.partition)) == end for place, end in ends.items()):
                    return done_s
                time.sleep(0.1)
        finally:
            consumer.close()

    def has_begun(self) -> bool:
        """Returns whether any event was accepted."""
        with psycopg.connect(self.url) as connection:
            return connection.execute("SELECT 1 FROM accepted_event LIMIT 1").fetchone() is not None

    def counts(self) -> dict[str, int]:
        """Returns how many events were accepted and findings stand."""
        with psycopg.connect(self.url) as connection:
            query = "SELECT (SELECT count(*) FROM accepted_event), (SELECT count(*) FROM finding)"
            events, findings = connection.execute(query).fetchone() or (0, 0)
        return {"accepted": events, "findings": findings}

    def cpu_s(self) -> float:
        """Returns the processor time of all workers that run."""
        ticks = 0
        for worker in self.fleet.workers.values():
            pid = worker.pid
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """No worker runs, and the topics are gone."""
        self.fleet.stop()
        admin = KafkaAdminClient(bootstrap_servers=self.broker)
        admin.delete_topics([topic.name for topic in TOPICS])
        admin.close()


def lines_of_now(swipes: int, folder: Path) -> list[bytes]:
    """Returns about so many swipes of a city's last six days, and what else is known of the city."""
    file = folder / "city.jsonl"
    write_city(file, swipes * CITY_MS // SPAN_MS)
    later_ms = time.time_ns() // 1_000_000 - SPAN_MS - 60_000 - FIRST_MS
    lines = []
    for line in file.read_bytes().splitlines():
        found = TIME.search(line)
        if found is not None and int(found[2]) < FIRST_MS + SPAN_MS:
            lines.append(TIME.sub(lambda found: b'"%s":%d' % (found[1], int(found[2]) + later_ms), line))
    return lines


def throughput(swipes: int, folder: Path, broker: Broker, server: Postgres) -> dict[str, object]:
    """Returns swipes a second through one and two workers, and through a windowed Table of Faust."""
    lines = lines_of_now(swipes, folder)
    coming = [line for line in lines if line.startswith(SWIPE)]
    references = [line for line in lines if not line.startswith(SWIPE)]
    result: dict[str, object] = {"swipes": len(coming), "other_events_before": len(references)}
    for workers in (1, 2):
        place = Place(folder / f"workers{workers}", broker, server, 2)
        try:
            place.publish(references)
            for number in range(workers):
                place.fleet.start(f"worker{number}")
            while not place.has_begun():
                time.sleep(LOOK_EVERY_S)
            place.wait_until_done()
            cpu_s, began_s = place.cpu_s(), time.monotonic()
            place.publish(coming)
            seconds = place.wait_until_done() - began_s
            cpu_s = place.cpu_s() - cpu_s
            result[f"workers_{workers}"] = {
                "seconds": round(seconds, 1),
                "swipes_per_s": round(len(coming) / seconds),
                "worker_cpu_ms_a_swipe": round(cpu_s * 1000 / len(coming), 2),
                **place.counts(),
            }
        finally:
            place.close()
    return result


def faust_table(swipes: int, folder: Path, broker: Broker) -> dict[str, object]:
    """Returns swipes a second through a Faust agent that counts in a windowed Table, a swipe a record."""
    lines = [line for line in lines_of_now(swipes, folder) if line.startswith(SWIPE)]
    admin = KafkaAdminClient(bootstrap_servers=broker.address)
    admin.create_topics({FAUST_TOPIC: {"num_partitions": 1}}, wait_for_metadata=True)
    admin.close()
    producer = KafkaProducer(bootstrap_servers=broker.address, acks="all", linger_ms=5)
    for line in lines:
        producer.send(FAUST_TOPIC, line, partition=0)
    producer.flush()
    producer.close()
    command = [sys.executable, str(FAUST_COUNT), broker.address, FAUST_TOPIC, str(len(lines)), str(folder)]
    done = subprocess.run(command, capture_output=True, timeout=600, check=True)
    seconds = json.loads(done.stdout.splitlines()[-1])["seconds"]
    return {"swipes": len(lines), "seconds": round(seconds, 2), "swipes_per_s": round(len(lines) / seconds)}


def peers(swipes: int, folder: Path) -> dict[str, object]:
    """Returns swipes a second through each peer's count of a card's swipes a day, from a file."""
    lines = [line for line in lines_of_now(swipes, folder) if line.startswith(SWIPE)]
    file = folder / "swipes.jsonl"
    file.write_bytes(b"\n".join(lines) + b"\n")
    result: dict[str, object] = {"swipes": len(lines)}
    for name, version in PEERS.items():
        if not install(name, version):
            result[name] = "does not install here"
            continue
        done = subprocess.run(command_of(name, file), capture_output=True, timeout=600, check=True)
        result[name] = round(len(lines) / json.loads(done.stdout.splitlines()[-1])["seconds"])
    return result


def stages(swipes: int, folder: Path, broker: Broker, server: Postgres) -> dict[str, object]:
    """Returns milliseconds a swipe in each stage of the work's thread, wall and processor; two partitions."""
    lines = lines_of_now(swipes, folder)
    coming = [line for line in lines if line.startswith(SWIPE)]
    place = Place(folder / "stages", broker, server, 2)
    try:
        place.publish([line for line in lines if not line.startswith(SWIPE)])
        with working(place.url, place.broker, 2, folder / "stages" / "store", RULES) as finished:
            clock = finished()
            clock.clear()
            place.publish(coming)
            began_s = time.monotonic()
            finished()
            seconds = time.monotonic() - began_s
        ms = 1000 / len(coming)
        return {
            "swipes": len(coming),
            "swipes_per_s": round(len(coming) / seconds),
            "steps": clock.steps,
            "wall_ms_a_swipe": {stage: round(spent * ms, 3) for stage, spent in clock.wall_s.items()},
            "cpu_ms_a_swipe": {stage: round(spent * ms, 3) for stage, spent in clock.cpu_s.items()},
        }
    finally:
        place.close()


def latency(rate: int, seconds: int, folder: Path, broker: Broker, server: Postgres) -> dict[str, object]:
    """Returns percentiles of milliseconds from sending a swipe to its alert's row; one swipe in a hundred makes one."""
    place = Place(folder / f"latency{rate}", broker, server, 2)
    try:
        place.publish([line for line in lines_of_now(20_000, folder) if not line.startswith(SWIPE)])
        place.publish([_suspended(number) for number in range(SUSPENDED_STORES)])
        place.fleet.start("worker0")
        while not place.has_begun():
            time.sleep(LOOK_EVERY_S)
        place.wait_until_done()
        sent: dict[str, float] = {}
        seen: dict[str, float] = {}
        ends = threading.Event()
        watcher = threading.Thread(target=_watch, args=(place.url, seen, ends), daemon=True)
        watcher.start()
        behind_s = _send(place, rate, seconds, sent)
        deadline = time.monotonic() + 60
        while len(seen) < len(sent) and time.monotonic() < deadline:
            time.sleep(0.1)
        ends.set()
        watcher.join()
        ms = np.array([(seen[name] - at_s) * 1000 for name, at_s in sent.items() if name in seen])
        return {
            "rate": rate,
            "seconds": seconds,
            "alerts": len(sent),
            "missing": len(sent) - len(ms),
            "sender_behind_s": round(behind_s, 2),
            **{f"p{q}": round(float(np.percentile(ms, q))) for q in (50, 99, 99.9)},
            "max": round(float(ms.max())),
            "worker_cpu_share": round(place.cpu_s() / seconds, 2),
        }
    finally:
        place.close()


def _suspended(number: int) -> bytes:
    name = SUSPENDED.format(number).encode()
    return (
        b'{"type":"institution","event_id":"i-%s","occurred_at_ms":1700000000000,"institution_id":"%s","kind":"pharmacy",'
        b'"name":"Suspended","agreement":"suspended","effective_from_ms":1700000000000}' % (name, name)
    )


def _send(place: Place, rate: int, seconds: int, sent: dict[str, float]) -> float:
    """Sends swipes one a record at the rate; returns how far behind its times it was at worst."""
    producer = KafkaProducer(bootstrap_servers=place.broker, acks="all")
    began_s, behind_s = time.monotonic(), 0.0
    for number in range(rate * seconds):
        due_s = began_s + number / rate
        if (left_s := due_s - time.monotonic()) > 0:
            time.sleep(left_s)
        behind_s = max(behind_s, -left_s)
        name, is_one = f"lat{rate}-{number}", number % 100 == 0
        store = number // 100 % SUSPENDED_STORES if is_one else number * 7_919 % STORES
        line = _swipe(name, number, SUSPENDED.format(store) if is_one else f"P3299{store:08d}")
        ((partition, record),) = records_of([(line, decode_events([line])[0])], place.partitions)
        if is_one:
            sent[name] = time.monotonic()
        producer.send(INPUT.name, record, partition=partition)
    producer.flush()
    producer.close()
    return behind_s


def _swipe(name: str, number: int, institution: str) -> bytes:
    now_ms = time.time_ns() // 1_000_000
    return (
        b'{"type":"swipe","event_id":"%s","occurred_at_ms":%d,"settlement_id":"%s","person_id":"329900%012d",'
        b'"institution_id":"%s","till_id":"%d","credential":"social_card","insurance":"310","category":"41",'
        b'"total_fen":2500,"fund_fen":0,"account_fen":2500,"mutual_fen":0,"cash_fen":0,"items":[{"line_no":1,'
        b'"drug_code":"XA10BAE077A001010100%03d","quantity":1,"unit_price_fen":2500,"amount_fen":2500,"days_supply":7}]}'
        % (
            name.encode(),
            now_ms,
            name.encode(),
            number * 104_729 % PERSONS,
            institution.encode(),
            number % 3,
            number % 900,
        )
    )


def _watch(url: str, seen: dict[str, float], ends: threading.Event) -> None:
    query = (
        "SELECT finding.settlement_id FROM alert_finding JOIN finding USING (finding_id)"
        " WHERE finding.decided_at_ms > %s AND finding.detector = 'suspended_institution'"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        while not ends.is_set():
            since_ms = time.time_ns() // 1_000_000 - 60_000
            for (name,) in connection.execute(query, (since_ms,)):
                seen.setdefault(name, time.monotonic())
            time.sleep(LOOK_EVERY_S)


def recovery(kept: int, folder: Path, broker: Broker, server: Postgres) -> dict[str, object]:
    """Returns seconds from the kill of a worker that holds so many swipes to the next finding in the database.

    Its store is filled beforehand, without the log: a worker that goes on from its own snapshot reads the log's tail.
    """
    place = Place(folder / "recovery", broker, server, 1)
    try:
        city = City(kept)
        database = Database.open(place.url)
        applied = _first_event(database)
        store = folder / "recovery" / "worker0" / "partitions" / "0"
        engine, _ = Engine.open(read_rules(RULES), store, held=[0], forgets=True)
        started_s = time.monotonic()
        for events in (city.references(), city.swipes()):
            coming = islice(events, kept)
            while some := list(islice(coming, LOADED_TOGETHER)):
                engine.load(some, START_MS)
        engine.applied, engine.pruned_at_ms = applied, time.time_ns() // 1_000_000
        engine.freeze()
        filled_s = time.monotonic() - started_s
        del engine
        database.close()
        worker = place.fleet.start("worker0")
        place.publish([*map(_suspended, range(9)), _swipe("recovery", 0, SUSPENDED.format(8))])
        while not _is_found(place.url, "recovery"):
            time.sleep(LOOK_EVERY_S)
        taken = []
        for number in range(3):
            worker.signal(signal.SIGKILL)
            killed_s = time.monotonic()
            place.publish([_swipe(f"recovery-{number}", number, SUSPENDED.format(number))])
            while not _is_found(place.url, f"recovery-{number}"):
                time.sleep(LOOK_EVERY_S)
            taken.append(round(time.monotonic() - killed_s, 2))
        return {"kept": kept, "filled_s": round(filled_s), "seconds": taken}
    finally:
        place.close()


def _first_event(database: Database) -> Position:
    """Returns the place of an event in the log that counts as decided by partition 0 of one."""
    state = Partitions(database).take(0, 1, "bench", 0)
    line = _swipe("recovery-first", 0, SUSPENDED.format(7))
    (event,) = decode_events([line])
    assert not isinstance(event, InvalidEvent)  # noqa: S101 - the line is written here
    digest = content_digest(event)
    record = Record(
        event=event, identity=identity_of(event), digest=digest, received_at_ms=0, sender="bench", original=line
    )
    with database.session() as session:
        (seq,) = AcceptedLog(database, 0).append(session, [record])
        advance(session, msgspec.structs.replace(state, applied_seq=seq))
    return Position(seq, digest)


def _is_found(url: str, settlement_id: str) -> bool:
    with psycopg.connect(url) as connection:
        query = "SELECT 1 FROM finding WHERE settlement_id = %s AND detector = 'suspended_institution'"
        return connection.execute(query, (settlement_id,)).fetchone() is not None


PARTS = ["throughput", "faust", "peers", "stages", "latency", "recovery"]


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--swipes", type=int, default=50_000, help="of the backlog")
    parser.add_argument("--seconds", type=int, default=300, help="of each rate")
    parser.add_argument("--rates", type=int, nargs="*", default=[100, 1_000])
    parser.add_argument("--only", choices=PARTS, nargs="*", default=PARTS)
    parser.add_argument("--kept", type=int, default=7_500_000, help="swipes that the killed worker holds")
    chosen = parser.parse_args()
    result: dict[str, object] = {"bench": "cluster", "load_before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory(prefix="swipewatch-bench-") as folder:
        broker, server = Broker(Path(folder) / "kafka"), Postgres()
        try:
            broker.start()
            server.start()
            if "throughput" in chosen.only:
                result["throughput"] = throughput(chosen.swipes, Path(folder), broker, server)
            if "faust" in chosen.only:
                result["faust_table"] = faust_table(chosen.swipes, Path(folder), broker)
            if "peers" in chosen.only:
                result["peers_swipes_per_s"] = peers(chosen.swipes, Path(folder))
            if "stages" in chosen.only:
                result["stages"] = stages(chosen.swipes, Path(folder), broker, server)
            if "recovery" in chosen.only:
                result["recovery"] = recovery(chosen.kept, Path(folder), broker, server)
            if "latency" in chosen.only:
                result["latency"] = [
                    latency(rate, chosen.seconds, Path(folder), broker, server) for rate in chosen.rates
                ]
        finally:
            broker.stop()
            server.remove()
    print(json.dumps(result | {"load": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
