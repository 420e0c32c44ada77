from __future__ import annotations

import pytest
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from events.dead_letters import DeadLetter, Place
from events.identity import identity_of
from storage.log import AcceptedLog, Record
from storage.models import AcceptedEvent
from tests.alerts.builders import NOON_MS, STORE
from tests.storage.events import record, record_of, swipe_bytes


@pytest.fixture
def log(database):
    return AcceptedLog(database)


def append(database, log, *records: Record) -> list[int]:
    with database.session() as session:
        seqs: list[int] = log.append(session, records)
    return seqs


def letter(original: bytes = b"{bad", line: int = 1) -> DeadLetter:
    place = Place(file="a.jsonl", line=line)
    return DeadLetter(original=original, place=place, stage="decode", reason="not_json", detail="no JSON")


def test_events_are_numbered_in_the_order_of_their_acceptance(database, log):
    first = append(database, log, record("S-3"), record("S-1"))
    second = append(database, log, record("S-2"))
    assert first + second == [1, 2, 3]
    assert [event.original for event in log.read()] == [swipe_bytes("S-3"), swipe_bytes("S-1"), swipe_bytes("S-2")]


def test_many_events_keep_their_order(database, log):
    records = [record(f"S-{number}") for number in range(2500)]
    assert append(database, log, *records) == list(range(1, 2501))
    assert [event.original for event in log.read(batch=7)] == [one.original for one in records]


def test_reading_goes_on_after_a_number(database, log):
    append(database, log, *(record(f"S-{number}") for number in range(10)))
    assert [event.seq for event in log.read(after_seq=4, batch=3)] == [5, 6, 7, 8, 9, 10]
    assert list(log.read(after_seq=10)) == []


@pytest.mark.parametrize("batch", [1, 2, 3, 10, 11])
def test_the_size_of_a_batch_changes_nothing(database, log, batch):
    append(database, log, *(record(f"S-{number}") for number in range(10)))
    assert [event.seq for event in log.read(batch=batch)] == list(range(1, 11))


def test_original_bytes_reception_and_sender_come_back_as_they_were(database, log):
    original = swipe_bytes("S-1") + b"   "
    append(database, log, record_of(original, received_at_ms=NOON_MS + 5, sender="his-2"))
    (event,) = log.read()
    assert (event.original, event.received_at_ms, event.sender) == (original, NOON_MS + 5, "his-2")


def test_digests_and_events_are_found_by_identity(database, log):
    records = [record(f"S-{number}") for number in range(1200)]
    append(database, log, *records)
    wanted = [one.identity for one in records] + ["swipe:unknown"]
    assert log.digests_of(iter(wanted)) == {one.identity: one.digest for one in records}
    found = log.logged(wanted[-3:])
    assert {identity: event.original for identity, event in found.items()} == {
        one.identity: one.original for one in records[-2:]
    }
    assert log.digests_of([]) == {}


def test_an_identity_is_accepted_once(database, log):
    append(database, log, record("S-1"))
    with pytest.raises(IntegrityError):
        append(database, log, record("S-2"), record("S-1"))
    assert log.count() == 1


def test_identities_that_differ_after_a_zero_byte_are_two(database, log):
    original = swipe_bytes("S-1").replace(b"S-1", b"S\\u00001")
    other = swipe_bytes("S-1").replace(b"S-1", b"S\\u00002")
    append(database, log, record_of(original), record_of(other))
    identity = identity_of(record_of(other).event)
    assert log.logged([identity])[identity].original == other


def test_what_an_index_needs_is_beside_the_original(database, log):
    person = (
        b'{"type":"person","event_id":"p1","occurred_at_ms":%d,"person_id":"psn","status":"active","effective_from_ms":%d}'
        % (NOON_MS, NOON_MS)
    )
    append(database, log, record("S-1"), record_of(person))
    columns = (AcceptedEvent.type, AcceptedEvent.settlement_id, AcceptedEvent.institution_id)
    with database.read() as session:
        rows = session.execute(select(*columns).order_by(AcceptedEvent.seq)).all()
    assert rows == [("swipe", "S-1", STORE), ("person", None, None)]


def test_nothing_to_append_is_nothing(database, log):
    assert append(database, log) == []


def test_numbers_are_never_used_twice(database, log):
    first = append(database, log, record("S-1"))
    with database.session() as session:
        session.execute(delete(AcceptedEvent))
    assert append(database, log, record("S-2")) > first


def test_a_dead_letter_is_kept_with_its_bytes_place_stage_and_reason(database, log):
    with database.session() as session:
        log.set_aside(session, [letter(b"\xff\xfe")], NOON_MS)
    (kept,) = log.dead_letters()
    assert (kept.letter, kept.at_ms) == (letter(b"\xff\xfe"), NOON_MS)


def test_the_same_dead_letter_is_kept_once_and_its_first_time_stands(database, log):
    for at_ms in (NOON_MS, NOON_MS + 1):
        with database.session() as session:
            log.set_aside(session, [letter(), letter()], at_ms)
    assert [kept.at_ms for kept in log.dead_letters()] == [NOON_MS]
    assert log.dead_letter_count() == 1


def test_the_same_bytes_from_another_line_are_another_letter(database, log):
    with database.session() as session:
        log.set_aside(session, [letter(line=1), letter(line=2), letter(b"{bad2")], NOON_MS)
    assert log.dead_letter_count() == 3


def test_dead_letters_come_in_pages(database, log):
    with database.session() as session:
        log.set_aside(session, [letter(line=line) for line in range(1, 6)], NOON_MS)
    first = log.dead_letters(limit=2)
    rest = log.dead_letters(after=first[-1].letter_id)
    assert [kept.letter.place.line for kept in (*first, *rest)] == [1, 2, 3, 4, 5]
