"""Partitions that are worked on by several holders, which die between any two steps or go on after they were succeeded.

Topics are kept in memory here; database, stores and snapshots are real. On a real Kafka: tests/kafka.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np
import pytest

from alerts.policy import Policy
from detectors.catalogue import Rulebook
from detectors.examples import at, filing, person, swipe
from events.codec import decode_event, decode_events
from events.dead_letters import InvalidEvent, Place
from events.errors import ConfigError
from events.findings import finding_json
from events.identity import identity_of, joining_key
from events.topics import DEAD_LETTERS, INPUT
from events.types import CrossRegionFiling, Person
from storage.database import Database, default_url
from storage.findings import standing_json
from storage.log import HISTORY, AcceptedLog
from storage.partitions import Fenced, Partitions
from storage.projector import Projector
from streams.cluster.held_partition import HeldPartition, Limits, Step, TooManyLetters
from streams.cluster.records import TOPIC_OF, WAYS, Read, Way, Written
from streams.logged_engine import Cut, LoggedEngine
from streams.replay import replay
from streams.rows import SwipeRow
from streams.store.key_index import hash_of
from tests.detectors.test_laws import told
from tests.streams.test_engine import rulebook_of_world
from tests.worlds import DAY, drawn_together, encode

NOW_MS = 1_795_000_000_000
CLOCK_MS = NOW_MS + 300_000
STEPS: tuple[Step, ...] = ("forwarded", "accepted", "applied", "sent", "written", "frozen")


WORKERS = ("one", "two", "three")


class Died(Exception):
    """The process ended here."""


class Topics:
    """Input and flow of a cluster, in memory; what is written is there at once, and may be written again."""

    def __init__(self, partitions: int, chance: random.Random) -> None:
        self.partitions, self._chance = partitions, chance
        self.records: dict[tuple[str, int], list[tuple[bytes, str]]] = defaultdict(list)
        self.is_flow_too_old = False
        """Whether the flow holds none of its records any more."""

    def publish(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            event = decode_event(line)
            number = 0 if isinstance(event, InvalidEvent) else hash_of(joining_key(event)) % self.partitions
            if self._chance.random() < 0.2:
                number = self._chance.randrange(self.partitions)
            self.records[INPUT.name, number].append((line, HISTORY))

    def write(self, records: Iterable[Written]) -> None:
        for one in records:
            for _ in range(self._chance.choice((1, 1, 1, 2))):
                self.records[one.topic, one.partition].append((one.body, ""))

    def read(self, way: Way, partition: int, first: int, end: int) -> Iterator[list[Read]]:
        first = max(first, self.ends_of(way, partition)[0])
        found = self.records[TOPIC_OF[way], partition][first:end]
        if found:
            yield [
                Read(way=way, partition=partition, offset=offset, appended_at_ms=0, body=body, sender=sender)
                for offset, (body, sender) in enumerate(found, start=first)
            ]

    def ends_of(self, way: Way, partition: int) -> tuple[int, int]:
        end = len(self.records[TOPIC_OF[way], partition])
        return end if way == "flow" and self.is_flow_too_old else 0, end


class Cluster:
    """Holders of partitions, each with a folder of its own for each partition."""

    def __init__(self, folder: Path, rulebook: Rulebook, partitions: int, seed: int) -> None:
        self.chance, self.folder, self.rulebook = random.Random(seed), folder, rulebook
        self.topics = Topics(partitions, self.chance)
        self.database = Database.open(default_url(folder))
        self.dies_at: Step | None = None
        self.deaths: dict[Step, int] = defaultdict(int)
        self.held: dict[int, HeldPartition] = {}
        self._partitions = Partitions(self.database)

    def opened(self, number: int, worker: str, *, letters: int = 10**6) -> HeldPartition:
        state = self._partitions.take(number, self.topics.partitions, worker, 1)
        store = self.folder / worker / str(number)
        cut = Cut(number, self.topics.partitions)
        held = HeldPartition(
            state,
            database=self.database,
            logged=LoggedEngine(self.database, self.rulebook, lambda: CLOCK_MS, store, cut=cut),
            projector=Projector(self.database, Policy(rules={})),
            flow=self.topics,
            clock_ms=lambda: CLOCK_MS,
            limits=Limits(freeze_events=80, letters_an_hour=letters),
            on_step=self._maybe_die,
        )
        held.open()
        return held

    def _maybe_die(self, step: Step) -> None:
        if step == self.dies_at:
            self.deaths[step] += 1
            self.dies_at = None
            raise Died

    def next_records(self, held: HeldPartition, most: int) -> list[Read]:
        records: list[Read] = []
        for way in self.chance.sample(WAYS, 2):
            first, count = held.expected(way), self.chance.randint(0, most)
            for some in self.topics.read(way, held.state.number, first, first + count):
                records += some
        return records

    def is_done(self, held: HeldPartition) -> bool:
        return all(held.expected(way) == self.topics.ends_of(way, held.state.number)[1] for way in ("input", "flow"))

    def findings(self) -> list[bytes]:
        return sorted(standing_json(self.database))


class Story:
    """Holders step, die and are succeeded, some of them while they still work, until nothing is left to do.

    From a turn on other rules are in force: who opens a partition has them, who holds one hears of them later.
    """

    def __init__(self, cluster: Cluster, lines: list[bytes], other: Rulebook, changes_at: int) -> None:
        self.cluster, self.chance, self.count = cluster, cluster.chance, cluster.topics.partitions
        self.early, self.late = lines[: 2 * (len(lines) // 3)], lines[2 * (len(lines) // 3) :]
        self.other, self.changes_at = other, changes_at
        self.held: dict[int, HeldPartition] = {}
        self.zombies: list[HeldPartition] = []  # whose folder is locked as long as they live
        self.unaware: set[int] = set()

    def run(self) -> None:
        self.cluster.topics.publish(self.early)
        self.cluster.topics.publish(self.chance.sample(self.early, len(self.early) // 7))
        for turn in range(10_000):
            if turn == self.changes_at:
                self.cluster.rulebook, self.unaware = self.other, set(self.held)
                self.cluster.topics.publish(self.late)
            self.spread_the_rules()
            self.step_or_die()
            while self.zombies and self.chance.random() < 0.5:
                self.wake(self.zombies.pop())
            if turn > self.changes_at and turn % 20 == 0 and self.is_over():
                break
        for partition in self.held.values():
            partition.step([])
            partition.finish()
        self.cluster.held = self.held

    def spread_the_rules(self) -> None:
        self.unaware &= self.held.keys()
        for number in sorted(self.unaware):
            if self.chance.random() < 0.3:
                self.held[number].change_rules(self.other)
                self.unaware.discard(number)

    def step_or_die(self) -> None:
        number = self.chance.randrange(self.count)
        alive = {zombie.state.worker for zombie in self.zombies}
        worker = self.chance.choice([name for name in WORKERS if name not in alive])
        self.cluster.dies_at = self.chance.choice(STEPS) if self.chance.random() < 0.3 else None
        try:
            if number not in self.held:
                self.held[number] = self.cluster.opened(number, worker)
            self.held[number].step(self.cluster.next_records(self.held[number], 40))
            self.maybe_leave(number)
        except Died:
            self.held.pop(number, None)
        finally:
            self.cluster.dies_at = None

    def maybe_leave(self, number: int) -> None:
        leaves = self.chance.random()
        if leaves < 0.1 and len(self.zombies) < 2:
            self.zombies.append(self.held.pop(number))
        elif leaves < 0.2:
            self.held.pop(number).finish()

    def wake(self, zombie: HeldPartition) -> None:
        records, state_before = self.cluster.next_records(zombie, 5), zombie.state
        if zombie.state.number in self.held:
            with suppress(Fenced):
                zombie.step(records)
                zombie.finish()
                assert zombie.state == state_before, "a successor was written over"

    def is_over(self) -> bool:
        return not self.unaware and len(self.held) == self.count and all(map(self.cluster.is_done, self.held.values()))


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "count"), [(0, 1), (5, 3), (108, 3), (115, 3)])
def test_whenever_holders_die_or_are_succeeded_and_rules_change_the_findings_are_those_of_a_replay(
    tmp_path, seed, count
):
    first = rulebook_of_world(seed % 7)
    second = msgspec.structs.replace(rulebook_of_world(seed % 7 + 1).versions[0], effective_from_ms=NOW_MS - 3 * DAY)
    both = Rulebook(versions=(*first.versions, second))
    cluster = Cluster(tmp_path, first, count, seed)
    lines = drawn_together(told(seed % 7), NOW_MS)
    random.Random(seed).shuffle(lines)
    Story(cluster, lines, both, changes_at=random.Random(seed).randrange(5, 60)).run()
    offers = [(line, Place(file="world", line=number)) for number, line in enumerate(lines, start=1)]
    expected = sorted(map(finding_json, replay(offers, both).findings))
    assert cluster.findings() == expected
    assert len(expected) > 50
    assert sum(cluster.deaths.values()) > 4
    check_households(cluster)
    accepted = [logged.original for logged in AcceptedLog(cluster.database).read()]
    identities = [identity_of(event) for event in decode_events(accepted) if not isinstance(event, InvalidEvent)]
    assert len(identities) == len(set(identities))
    for worker in WORKERS:  # each goes on from the snapshot that it once took, be it ever so old
        cluster.held = {}
        cluster.held = {number: cluster.opened(number, worker) for number in range(count)}
        assert cluster.findings() == expected, worker
    cluster.database.close()


def rows_of(cluster: Cluster, number: int) -> dict[str, SwipeRow]:
    engine = cluster.held[number]._logged.engine
    swipes = engine._partitions[number].stores.swipes
    return {row.settlement_id: row for row in swipes.rows(np.arange(len(swipes)))}


def check_households(cluster: Cluster) -> None:
    """An institution knows of its swipes what their persons' partitions say of their households."""
    count = cluster.topics.partitions
    known = [rows_of(cluster, number) for number in range(count)]
    for rows in known:
        for name, row in rows.items():
            at_person = known[hash_of(row.person_id) % count][name]
            assert known[hash_of(row.institution_id) % count][name].homes == at_person.homes


def test_a_partition_made_anew_knows_what_is_kept_for_ever_though_the_flow_holds_it_no_more(tmp_path):
    cluster = Cluster(tmp_path, rulebook_of_world(1), 2, 1)
    world = [row for number in range(8) for row in (person(f"p{number}"), filing(f"f{number}", "2", person_id="p0"))]
    cluster.topics.publish(encode(world))
    held = [cluster.opened(number, "one") for number in range(2)]
    while not all(map(cluster.is_done, held)):
        for partition in held:
            partition.step(cluster.next_records(partition, 40))
    for partition in held:
        partition.finish()
    known = [lasting_facts(partition) for partition in held]
    assert sum(map(len, known)) == len(world)
    cluster.topics.is_flow_too_old = True
    assert [lasting_facts(cluster.opened(number, "two")) for number in range(2)] == known
    cluster.database.close()


def lasting_facts(held: HeldPartition) -> set[str]:
    """Returns the identities of what a partition knows of its own persons and their filings."""
    facts = held._logged.engine._partitions[held.state.number].stores.facts
    known = [*facts._versions.all(), *facts._filings.all()]
    return {
        identity_of(fact)
        for fact in known
        if isinstance(fact, Person | CrossRegionFiling) and hash_of(fact.person_id) % 2 == held.state.number
    }


def keyed(number: int, count: int, text: str) -> str:
    """Returns a key of a partition."""
    return next(key for key in (f"{text}{n}" for n in range(99)) if hash_of(key) % count == number)


def test_a_successor_repeats_the_step_that_was_begun_and_not_another_with_the_same_records(tmp_path):
    """Of two households the holder sent the one that it knew; its successor hears of the other first.

    Both know of one version then. What the second adds changes nothing for the successor, so it would not say it.
    """
    cluster, count = Cluster(tmp_path, rulebook_of_world(1), 2, 1), 2
    holder, place = keyed(0, count, "p"), keyed(1, count, "P")
    bought = swipe(keyed(0, count, "s"), "0s", holder, institution_id=place)
    earlier = person(holder, event_id=keyed(1, count, "far"), household_id="h-far", effective_from_ms=at("-20d"))
    later = person(holder, event_id=keyed(0, count, "own"), household_id="h-own", effective_from_ms=at("-10d"))
    tell = {number: cluster.topics.records[INPUT.name, number] for number in range(count)}
    tell[0].append((msgspec.json.encode(bought), HISTORY))
    at_person, at_place = cluster.opened(0, "one"), cluster.opened(1, "one")
    at_person.step(read_on(cluster, at_person, "input"))
    at_place.step(read_on(cluster, at_place, "flow"))
    tell[1].append((msgspec.json.encode(earlier), HISTORY))
    at_place.step(read_on(cluster, at_place, "input"))

    cluster.dies_at = "sent"
    with pytest.raises(Died):
        at_person.step(read_on(cluster, at_person, "flow"))
    tell[0].append((msgspec.json.encode(later), HISTORY))
    at_person = cluster.opened(0, "two")
    at_person.step(read_on(cluster, at_person, "input"))
    at_person.step(read_on(cluster, at_person, "flow"))
    at_place.step(read_on(cluster, at_place, "flow"))

    cluster.held = {0: at_person, 1: at_place}
    (row,) = rows_of(cluster, 1).values()
    assert [household for _, household in row.homes] == ["h-own"]
    check_households(cluster)
    cluster.database.close()


def read_on(cluster: Cluster, held: HeldPartition, way: Way) -> list[Read]:
    """Returns all that is new to a holder."""
    return [
        record for some in cluster.topics.read(way, held.state.number, held.expected(way), 10**9) for record in some
    ]


def test_a_topic_that_is_not_the_one_of_the_database_is_refused(tmp_path):
    cluster = Cluster(tmp_path, rulebook_of_world(1), 1, 1)
    cluster.topics.publish(drawn_together(told(1), NOW_MS)[:20])
    held = cluster.opened(0, "one")
    held.step(cluster.next_records(held, 20))
    held.finish()
    cluster.topics.records.clear()
    with pytest.raises(ConfigError, match="the topic that this database goes with"):
        cluster.opened(0, "one")
    cluster.database.close()


def test_more_letters_than_an_hour_bears_stop_the_partition_and_nothing_is_set_aside(tmp_path):
    cluster = Cluster(tmp_path, rulebook_of_world(1), 1, 1)
    cluster.topics.publish([b"{", b"[", b"x"])
    held = cluster.opened(0, "one", letters=2)
    with pytest.raises(TooManyLetters, match="3 dead letters within an hour"):
        held.step([record for some in cluster.topics.read("input", 0, 0, 9) for record in some])
    assert AcceptedLog(cluster.database).dead_letters() == []
    assert not cluster.topics.records[DEAD_LETTERS.name, 0]
    held = cluster.opened(0, "one", letters=3)
    held.step([record for some in cluster.topics.read("input", 0, 0, 9) for record in some])
    assert {body for body, _ in cluster.topics.records[DEAD_LETTERS.name, 0]} == {b"{", b"[", b"x"}
    cluster.database.close()
