"""The live engine: the same findings for any number of partitions and from any snapshot, judging what is needed."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

import streams.partition
from app.rule_files import read_rules
from config.settings import packaged
from detectors.catalogue import Rulebook, read_ruleset, rulebook_of
from detectors.examples import agent_registration, at, person, swipe
from detectors.slab import END_OF_TIME_MS, Slab
from events.codec import decode_event
from events.dead_letters import InvalidEvent, Place
from events.findings import Finding, finding_json
from events.identity import identity_of, joining_key
from events.types import AnyEvent, Person, Swipe
from streams.changes import Changes
from streams.engine import Engine
from streams.parcels import CausedRow, Parcel, packed, packed_in_pieces, together, unpacked
from streams.replay import replay
from streams.rows import row_of
from streams.snapshot import Position, read_snapshot
from streams.store.key_index import hash_of
from tests.detectors.test_laws import CONFIGURED, accepted_events, rules_of, told

HOLDER = "329900-1"
COUNTS = (1, 2, 7)
DAY_MS = 86_400_000


def event_of(row: dict[str, object]) -> AnyEvent:
    event = decode_event(msgspec.json.encode(row))
    assert not isinstance(event, InvalidEvent)
    return event


def batches(events: Sequence[AnyEvent], size: int) -> Iterator[Sequence[AnyEvent]]:
    return (events[first : first + size] for first in range(0, len(events), size))


def rulebook_of_world(seed: int) -> Rulebook:
    return rulebook_of(read_ruleset(rules_of(seed), "world"))


def replayed(seed: int) -> list[bytes]:
    offers = [(line, Place(file="world", line=number)) for number, line in enumerate(told(seed), start=1)]
    return sorted(finding_json(found) for found in replay(offers, rulebook_of_world(seed)).findings)


def standing(engine: Engine) -> list[bytes]:
    engine.apply([], END_OF_TIME_MS)
    return sorted(map(finding_json, engine.standing()))


def applied(engine: Engine, events: Sequence[AnyEvent], size: int) -> Engine:
    """Returns the engine after the events, the number of the last said as a log would."""
    for batch in batches(events, size):
        engine.apply(batch, max(event.occurred_at_ms for event in batch))
        engine.applied = Position(engine.applied.seq + len(batch), b"")
    return engine


def shuffled(seed: int) -> list[AnyEvent]:
    events = accepted_events(told(seed))
    random.Random(f"order {seed}").shuffle(events)
    return events


# ---------------------------------------------------------------------------------------------------------- partitions


@pytest.mark.slow
@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("seed", range(3))
def test_findings_are_the_same_for_any_number_of_partitions(seed, count):
    for size in (11, 200) if seed == 0 else (29,):
        engine = Engine(rulebook_of_world(seed), partitions=count)
        assert standing(applied(engine, shuffled(seed), size)) == replayed(seed)


@pytest.mark.parametrize("count", COUNTS)
def test_what_is_loaded_and_judged_at_once_equals_what_was_judged_batch_by_batch(count):
    engine = Engine(rulebook_of_world(5), partitions=count)
    for batch in batches(shuffled(5), 100):
        engine.load(batch, END_OF_TIME_MS)
    assert not list(engine.standing())
    changes = engine.judge_all()
    assert sorted(map(finding_json, changes.raised)) == standing(engine) == replayed(5)


class Careless(Engine):
    """Between the stages rows come again, mixed up, and among them some of long ago."""

    def __init__(self, rulebook: Rulebook, *, partitions: int, seed: int) -> None:
        super().__init__(rulebook, partitions=partitions)
        self._chance = random.Random(seed)
        self._past: dict[int, list[CausedRow]] = defaultdict(list)

    def _by_number(self, items: Sequence[Any], key_of: Callable[[Any], str]) -> Iterator[tuple[int, list[Any]]]:
        if items and isinstance(items[0], CausedRow):
            past = self._past[key_of.__code__.co_firstlineno]
            past.extend(items)
            items = [*items, *self._chance.choices(past, k=min(20, len(past)))]
            self._chance.shuffle(items)
        yield from super()._by_number(items, key_of)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("seed", range(2))
def test_rows_that_come_again_and_late_between_the_stages_change_nothing(seed, count):
    engine = Careless(rulebook_of_world(seed), partitions=count, seed=seed)
    assert standing(applied(engine, shuffled(seed), 60)) == replayed(seed)


class Apart:
    """Engines of a partition each that send each other parcels, which come late, in any order and again."""

    def __init__(self, rulebook: Rulebook, count: int, seed: int) -> None:
        self.engines = [Engine(rulebook, partitions=count, held=[number]) for number in range(count)]
        self.chance = random.Random(seed)
        self._on_the_way: list[tuple[int, bytes]] = []
        self.sent: list[tuple[int, bytes]] = []

    def tell(self, events: Sequence[AnyEvent]) -> None:
        now_ms = max(event.occurred_at_ms for event in events)
        for number, engine in enumerate(self.engines):
            own = [event for event in events if hash_of(joining_key(event)) % len(self.engines) == number]
            self._send(engine.apply(own, now_ms))

    def bring(self, share: float) -> None:
        """Some parcels arrive, and some of those that have arrived before."""
        self.chance.shuffle(self._on_the_way)
        some = round(len(self._on_the_way) * share)
        arriving, self._on_the_way = self._on_the_way[:some], self._on_the_way[some:]
        again = self.chance.sample(self.sent, min(3, len(self.sent)))
        for number, body in [*arriving, *again]:
            self._send(self.engines[number].apply([], 0, {number: [unpacked(body)]}))

    def bring_all(self) -> None:
        while self._on_the_way:
            self.bring(1.0)

    def _send(self, changes: Changes) -> None:
        bodies = [(number, packed(parcel)) for number, parcel in changes.parcels.items()]
        self._on_the_way += bodies
        self.sent += bodies

    def standing(self) -> list[bytes]:
        return sorted(line for engine in self.engines for line in standing(engine))


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "count"), [(0, 2), (1, 7), (2, 3)])
def test_partitions_of_engines_apart_find_the_same_whenever_parcels_come(seed, count):
    apart = Apart(rulebook_of_world(seed), count, seed)
    for batch in batches(shuffled(seed), 60):
        apart.tell(batch)
        apart.bring(0.4)
    apart.bring_all()
    assert apart.standing() == replayed(seed)
    assert apart.sent


@pytest.mark.slow
def test_a_partition_is_made_anew_from_its_events_and_what_others_sent_it():
    seed, count = 3, 3
    apart = Apart(rulebook_of_world(seed), count, seed)
    events = shuffled(seed)
    for batch in batches(events, 100):
        apart.tell(batch)
        apart.bring(0.7)
    apart.bring_all()
    for number, engine in enumerate(apart.engines):
        fresh = Engine(rulebook_of_world(seed), partitions=count, held=[number])
        own = [event for event in events if hash_of(joining_key(event)) % count == number]
        arrived = [unpacked(body) for to, body in apart.sent if to == number]
        fresh.load([], 0, {number: arrived})
        fresh.load(own, END_OF_TIME_MS)
        fresh.judge_all()
        assert standing(fresh) == standing(engine)


def test_what_is_told_of_a_person_again_counts_once():
    """How many versions a row was made with says which is newer: a successor may have been told less often."""
    count, name = 3, "329900-7"
    home = hash_of(name) % count
    engine = Engine(rulebook_of_world(1), partitions=count, held=[home])
    moved = event_of(person(name, household_id="h1"))
    assert isinstance(moved, Person)
    for parcels in ([Parcel(of_persons=[moved, moved]), Parcel(of_persons=[moved])], [Parcel(of_persons=[moved])]):
        engine.apply([], 0, {home: parcels})
    row = caused_row("s1", name, elsewhere(home, count))
    sent = engine.apply([], 0, {home: [Parcel(joined=[row])]}).parcels
    assert [caused.row.versions for parcel in sent.values() for caused in parcel.placed] == [1]


def test_a_long_parcel_goes_in_pieces_that_hold_the_same():
    rows = [caused_row(f"s{number}", HOLDER, "P32990000001") for number in range(50)]
    whole = Parcel(joined=rows[:30], placed=rows[30:])
    pieces = [unpacked(body) for body in packed_in_pieces(whole, 2000)]
    assert len(pieces) > 2
    assert together(pieces) == whole


def elsewhere(number: int, count: int) -> str:
    """Returns an institution of another partition."""
    return next(name for name in (f"P{place:011}" for place in range(99)) if hash_of(name) % count != number)


def caused_row(settlement_id: str, person_id: str, institution_id: str) -> CausedRow:
    event = event_of(swipe(settlement_id, "0s", person_id, institution_id=institution_id))
    assert isinstance(event, Swipe)
    return CausedRow(row=row_of(event), cause=identity_of(event))


@pytest.mark.slow
def test_other_rules_reach_partitions_apart():
    apart = Apart(rulebook_of_world(9), 3, 9)
    for batch in batches(shuffled(2), 100):
        apart.tell(batch)
    apart.bring_all()
    for engine in apart.engines:
        apart._send(engine.change_rules(rulebook_of_world(2)))
    apart.bring_all()
    assert apart.standing() == replayed(2)


@pytest.mark.parametrize("body", [b"", b"\x00", b"\x63\x90", b"\x01", b"\x01\xc1", b"\x01\x91\x01"])
def test_bytes_that_are_no_parcel_are_refused(body):
    with pytest.raises(ValueError, match="parcel"):
        unpacked(body)


# ---------------------------------------------------------------------------------------------------------- snapshots


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "count"), [(0, 1), (1, 2), (2, 7), (3, 1)])
def test_an_engine_that_died_goes_on_from_its_snapshot_and_the_tail(tmp_path, seed, count):
    events, rulebook, chance = shuffled(seed), rulebook_of_world(seed), random.Random(seed)
    for _ in range(4):
        engine, changes = Engine.open(rulebook, tmp_path, partitions=count)
        assert changes == Changes()
        rest = events[engine.applied.seq :]
        frozen = chance.randrange(len(rest) // 3)
        applied(engine, rest[:frozen], 31)
        engine.freeze()
        applied(engine, rest[frozen : frozen + 60], 13)  # and then it dies
    engine, _ = Engine.open(rulebook, tmp_path, partitions=count)
    assert engine.applied.seq > 0
    assert standing(applied(engine, events[engine.applied.seq :], 50)) == replayed(seed)


@pytest.mark.slow
def test_a_damaged_file_of_a_snapshot_costs_the_whole_log_and_no_finding(tmp_path):
    events, rulebook = shuffled(1), rulebook_of_world(1)
    applied(Engine(rulebook, directory=tmp_path), events, 200).freeze()
    snapshot = read_snapshot(tmp_path)
    assert snapshot is not None
    columns, indexes = snapshot.partitions[0][1].columns, snapshot.partitions[0][1].indexes
    named = [f"0-0/{name}.{column.dtype}" for name, column in columns.items() if column.rows]
    named += [f"0-0/{run.file}" for runs in indexes.values() for run in runs]
    for name in ["snapshot.msgpack", *random.Random(1).sample(named, 12)]:
        file = tmp_path / name
        whole = file.read_bytes()
        file.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
        copy = tmp_path.with_name("copy")
        copied(tmp_path, copy)
        engine, changes = Engine.open(rulebook, copy)
        assert (engine.applied.seq, changes) == (0, Changes()), file
        file.write_bytes(whole)
    engine, _ = Engine.open(rulebook, tmp_path)
    assert engine.applied.seq == len(events)
    assert standing(engine) == replayed(1)


@pytest.mark.parametrize("missing", ["snapshot.msgpack", "0-0/time.i8", "0-0/settlement_bytes.u1"])
def test_a_snapshot_with_a_missing_file_is_none(tmp_path, missing):
    applied(Engine(rulebook_of_world(1), directory=tmp_path), shuffled(1), 200).freeze()
    (tmp_path / missing).unlink()
    assert Engine.open(rulebook_of_world(1), tmp_path)[0].applied.seq == 0
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and file.name == "snapshot.msgpack"]


def test_a_snapshot_of_other_rules_is_judged_anew(tmp_path):
    events = shuffled(2)
    applied(Engine(rulebook_of_world(9), directory=tmp_path), events, 200).freeze()
    engine, changes = Engine.open(rulebook_of_world(2), tmp_path)
    assert engine.applied.seq == len(events)
    assert changes.raised
    assert standing(engine) == replayed(2)


# ---------------------------------------------------------------------------------------------------------- forgetting

SHORT: dict[str, dict[str, object]] = {
    "frequent_purchase": {"tiers": [{"window": "5d", "count": 2, "severity": "medium"}]},
    "near_limit": {"window": "4d", "count": 1},
    "oversupply": {"window": "20d", "limit": "1d", "chronic_limit": "2d"},
    "trace_code_reuse": {"window": "60d"},
    "stock_imbalance": {"window": "30d"},
    "volume_surge": {"weeks": 2, "min_days": 1, "factor": 0.5},
    "card_ring": {"window": "6d", "meeting": "2h", "institutions": 1},
    "one_face_many_cards": {"tiers": [{"window": "3d", "buyers": 2, "severity": "medium"}]},
}


def short_rules() -> Rulebook:
    """Returns all rules, none with a look-back of more than some weeks."""
    rules = {name: entry | SHORT.get(name, {}) for name, entry in CONFIGURED.items()}
    return rulebook_of(read_ruleset(rules, "short"))


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "count"), [(0, 1), (1, 2), (2, 1)])
def test_what_is_forgotten_is_asked_for_by_no_open_anchor(tmp_path, seed, count):
    rulebook, chance = short_rules(), random.Random(seed)
    events = accepted_events(told(seed))
    events.sort(key=lambda event: event.occurred_at_ms + chance.randrange(7 * DAY_MS))
    engine = Engine(rulebook, partitions=count, directory=tmp_path, forgets=True)
    swipes = [event for event in events if isinstance(event, Swipe)]
    forgotten: set[str] = set()
    compared: set[str] = set()
    for number, batch in enumerate(batches(events, 120), start=1):
        now_ms = max(event.occurred_at_ms for event in events[: 120 * number])
        engine.apply(batch, now_ms)
        names = engine.prune()
        assert len(names) == len(set(names))
        forgotten.update(names)
        expected = [
            found for found in found_in(events[: 120 * number], rulebook, now_ms) if not engine.is_frozen(found)
        ]
        found = [found for found in engine.standing() if not engine.is_frozen(found)]
        assert sorted(map(finding_json, found)) == sorted(map(finding_json, expected))
        compared |= {finding.detector for finding in found}
    assert forgotten <= {identity_of(event) for event in events}
    assert len([name for name in forgotten if name.startswith("swipe:")]) > len(swipes) // 4
    assert len(compared) >= 12
    again, changes = Engine.open(rulebook, tmp_path, partitions=count, forgets=True)
    assert changes == Changes()
    assert sorted(map(finding_json, again.standing())) == sorted(map(finding_json, engine.standing()))


def test_a_clock_that_runs_ahead_makes_nothing_forgotten(tmp_path):
    events = shuffled(1)
    engine = Engine(short_rules(), directory=tmp_path, forgets=True)
    engine.load(events, 0)
    late_ms = max(event.occurred_at_ms for event in events if isinstance(event, Swipe))
    late = [event for event in events if isinstance(event, Swipe) and event.occurred_at_ms > late_ms - DAY_MS]
    engine.apply([], late_ms + 20 * 365 * DAY_MS)
    forgotten = set(engine.prune())
    assert forgotten
    assert not forgotten & {identity_of(event) for event in late}


def found_in(events: Sequence[AnyEvent], rulebook: Rulebook, now_ms: int) -> Iterable[Finding]:
    """Returns what an engine finds that was given everything at once and forgets nothing."""
    engine = Engine(rulebook)
    engine.load(events, now_ms)
    engine.judge_all()
    return engine.standing()


def copied(source: Path, target: Path) -> None:
    for file in source.rglob("*"):
        if file.is_file():
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.read_bytes())


# --------------------------------------------------------------------------------------------------- how much is judged


@pytest.mark.parametrize(
    ("named", "judged"), [(None, {"near"}), ("old", {"old"}), ("unknown", set())], ids=["none", "old", "unknown"]
)
def test_agent_registration_looks_at_the_swipe_it_names_or_those_around_it(monkeypatch, named, judged):
    engine = Engine(read_rules(packaged("rules.yaml")))
    engine.apply(
        [event_of(swipe(name, offset, HOLDER)) for name, offset in (("old", "0d"), ("near", "90d"))], at("91d")
    )
    seen: set[str] = set()
    judge = streams.partition.judge  # type: ignore[attr-defined]

    def watched(slab: Slab, *rest: object) -> object:
        seen.update(slab.swipes.settlement_id.tolist())
        return judge(slab, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(streams.partition, "judge", watched)
    row = agent_registration("a", "90d", holder_person_id=HOLDER) | {"settlement_id": named}
    engine.apply([event_of(row)], at("91d"))
    assert seen == judged
