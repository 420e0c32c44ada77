"""A database of before has its alerts found and its swipes counted once it is opened by this version."""

from __future__ import annotations

import json

from sqlalchemy import Connection, create_engine, text

from storage import migrations
from storage.alerts.search import AlertFilter
from storage.database import Database
from storage.queries.alerts import AlertQueries
from storage.queries.numbers import NumberQueries

MINUTE_MS = 60_000
SWIPE = {"type": "swipe", "person_id": "p-1", "total_fen": 500, "fund_fen": 200}
FINDING = {
    "detector": "card_ring",
    "key": {"persons": ["p-2", "p-3"], "visitor_id": "v-1"},
    "evidence": ["SETL1", "fo-1"],
}


def test_alerts_and_swipes_of_before_are_known_afterwards(empty_url: str) -> None:
    engine = create_engine(empty_url)
    with engine.begin() as connection:
        migrations.upgrade(connection, "0002")
        fill(connection)
    engine.dispose()
    database = Database.open(empty_url)
    queries = AlertQueries(database)
    for wanted in (
        AlertFilter(rule="card_ring"),
        AlertFilter(receipt="ETL1"),
        AlertFilter(receipt="SETL1"),
        AlertFilter(person_id="p-1"),
        AlertFilter(person_id="p-2"),
        AlertFilter(person_id="p-3"),
        AlertFilter(visitor_id="v-1"),
    ):
        assert queries.opened_times(wanted, 5) == [77], wanted
    assert queries.opened_times(AlertFilter(person_id="p-9"), 5) == []
    counted = NumberQueries(database)
    numbers = counted.numbers(0, 2 * MINUTE_MS)
    assert (numbers.swipes, numbers.total_fen, numbers.fund_fen) == (2, 1000, 400)
    assert counted.numbers(MINUTE_MS, 2 * MINUTE_MS).swipes == 1
    database.close()


def fill(connection: Connection) -> None:
    for number, at_ms in ((1, 5), (2, MINUTE_MS)):
        connection.execute(
            text(
                "INSERT INTO accepted_event (identity, digest, type, settlement_id, institution_id, occurred_at_ms,"
                " received_at_ms, sender, original)"
                " VALUES (:identity, :digest, 'swipe', :id, 'P1', :at, :at, 'his', :bytes)"
            ),
            {
                "identity": f"swipe:SETL{number}",
                "digest": b"",
                "id": f"SETL{number}",
                "at": at_ms,
                "bytes": json.dumps(SWIPE).encode(),
            },
        )
    connection.execute(
        text(
            "INSERT INTO finding (finding_id, detector, status, settlement_id, institution_id, occurred_at_ms,"
            " severity, mode, body, cause, decided_at_ms, revision, alerted_revision)"
            " VALUES ('f1', 'card_ring', 'raised', 'SETL1', 'P1', 5, 'low', 'live', :body, '', 6, 1, 1)"
        ),
        {"body": json.dumps(FINDING).encode()},
    )
    connection.execute(
        text(
            "INSERT INTO alert (alert_id, episode_key, institution_id, till_id, detector, severity, route, state,"
            " settlement_id, opened_at_ms, changed_at_ms, last_anchor_ms, body)"
            " VALUES ('a1', 'k', 'P1', '', 'card_ring', 'low', 'centre', 'open', 'SETL1', 77, 77, 5, '{}')"
        )
    )
    connection.execute(
        text("INSERT INTO alert_finding (alert_id, finding_id, standing, to_store) VALUES ('a1', 'f1', TRUE, FALSE)")
    )
