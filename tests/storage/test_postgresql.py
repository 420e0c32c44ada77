"""What only PostgreSQL does: many processes write, the server goes away, passwords are wrong, texts are foreign."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy import create_engine, insert, select, text
from sqlalchemy.exc import IntegrityError

from storage.database import Database, shown_url
from storage.errors import DatabaseUnavailable, DatabaseUnusable
from storage.log import AcceptedLog
from storage.models import NoticeRow, SnoozeRow, Table
from storage.projector import Projector
from tests.alerts.builders import NOON_MS, finding, policy
from tests.postgres import PASSWORD, Postgres
from tests.storage.events import record
from tests.storage.projections import alerts, notices
from tests.storage.test_database import one_snooze, snooze_rows

pytestmark = pytest.mark.postgres

CHECKOUT = Path(__file__).parents[2]
WAIT_S = 20.0


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    address = postgres.new_database()
    yield address
    postgres.drop(address)


@pytest.fixture
def empty_url(postgres: Postgres) -> Iterator[str]:
    address = postgres.new_database(empty=True)
    yield address
    postgres.drop(address)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = Database.open(url)
    yield opened
    opened.close()


def wait_until(is_so: Callable[[], bool]) -> None:
    ends = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.01)


def waiting_for_locks(database: Database) -> int:
    with database.read() as session:
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        return session.scalar(text(query)) or 0


# ------------------------------------------------------------------------------------------------ opening


def test_a_wrong_password_is_a_clear_error_that_never_shows_it(url):
    wrong = url.replace("secret", "s3same")
    with pytest.raises(DatabaseUnusable, match=r"\*\*\*@127.*password authentication failed.*PGPASSWORD") as caught:
        Database.open(wrong)
    assert "s3same" not in str(caught.value)


def test_without_a_password_the_way_out_is_said(postgres, monkeypatch):
    monkeypatch.delenv("PGPASSWORD", raising=False)
    with pytest.raises(DatabaseUnusable, match=r"~/\.pgpass or the variable PGPASSWORD"):
        Database.open(f"postgresql://swipewatch@127.0.0.1:{postgres.port}/postgres")


def test_a_password_in_the_environment_is_taken(postgres, url, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    Database.open(f"postgres://swipewatch@127.0.0.1:{postgres.port}/{url.rsplit('/', 1)[1]}").close()


def test_a_database_that_does_not_exist_is_a_clear_error(postgres):
    with pytest.raises(DatabaseUnusable, match=r'"nowhere" does not exist.*CREATE DATABASE'):
        Database.open(postgres.url("nowhere"))


def test_a_server_that_is_not_there_may_come():
    with pytest.raises(DatabaseUnavailable, match=r"\*\*\*@.*refused") as caught:
        Database.open("postgresql://swipewatch:s3same@127.0.0.1:1/x")
    assert "s3same" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql:/u:s3same@h/d",
        "u:s3same@h/d",
        "postgresql://u:s3same@h:port/d",
        "mysql://u:s3same@h/d",
        "postgresql://h:1/d?password=s3same",
    ],
)
def test_no_address_is_shown_with_its_password(address):
    assert "s3same" not in shown_url(address)
    with pytest.raises((DatabaseUnusable, DatabaseUnavailable)) as caught:
        Database.open(address)
    assert "s3same" not in str(caught.value)


def test_a_database_of_another_program_is_left_alone(empty_url):
    engine = create_engine(empty_url)
    with engine.begin() as other:
        other.execute(text("CREATE TABLE recipes (name TEXT)"))
    with pytest.raises(DatabaseUnusable, match="tables of another program"):
        Database.open(empty_url)
    engine.dispose()


def test_a_database_of_a_newer_swipewatch_is_a_clear_error(url):
    engine = create_engine(url)
    with engine.begin() as newer:
        newer.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(DatabaseUnusable, match=r"schema revision = '9999'.*knows up to \d{4}: a newer"):
        Database.open(url)


def test_a_database_that_cannot_keep_every_text_is_refused(postgres):
    latin = postgres.new_database(empty=True, options="ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc")
    with pytest.raises(DatabaseUnusable, match=r"encoding = 'LATIN1'.*UTF8"):
        Database.open(latin)
    postgres.drop(latin)


# ------------------------------------------------------------------------------------------------ the shape


def test_indexes_that_hold_a_part_of_a_table_are_those_of_the_models(database, empty_url):
    fresh = create_engine(empty_url)
    Table.metadata.create_all(fresh)
    query = text(
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1"
    )
    with fresh.connect() as wanted, database.engine.connect() as migrated:
        assert migrated.execute(query).all() == wanted.execute(query).all()
    fresh.dispose()


def test_every_text_is_ordered_by_code_point(database):
    query = text(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        " AND data_type IN ('text', 'character varying') AND collation_name IS DISTINCT FROM 'C'"
        " AND table_name <> 'alembic_version'"
    )
    with database.read() as session:
        assert session.execute(query).all() == []


def test_texts_with_zero_characters_come_back_and_keep_their_order(database):
    texts = ["a", "a\x00", "a\x00\x00", "a\x00\x01", "a\x01", "a\x01\x00", "a\x01\x01", "a\x02", "aB", "ab", "é", "药"]
    assert texts == sorted(texts)
    with database.session() as session:
        session.execute(insert(SnoozeRow), [{**one_snooze(), "entity": entity} for entity in reversed(texts)])
    with database.read() as session:
        assert list(session.scalars(select(SnoozeRow.entity).order_by(SnoozeRow.entity))) == texts
        for entity in texts:
            assert session.scalars(select(SnoozeRow.entity).where(SnoozeRow.entity == entity)).all() == [entity]


def test_looking_for_pending_findings_does_not_read_the_others(database):
    query = "EXPLAIN SELECT finding_id FROM finding WHERE alerted_revision < revision"
    with database.read() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))  # else it reads a table of no rows as a whole
        plan = str(session.execute(text(f"{query} ORDER BY occurred_at_ms, detector, finding_id LIMIT 9")).all())
    assert "ix_finding_pending" in plan
    assert "Sort" not in plan


# ------------------------------------------------------------------------------------------------ transactions


def test_every_connection_is_durable_in_utc_and_has_time_limits(database):
    wanted = {"synchronous_commit": "on", "TimeZone": "UTC", "lock_timeout": "30s", "statement_timeout": "1min"}
    for transaction in (database.session, database.read):
        with transaction() as session:
            assert {name: session.scalar(text(f"SHOW {name}")) for name in wanted} == wanted


def test_a_commit_is_on_the_disk_even_where_the_server_is_told_otherwise(url):
    engine = create_engine(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"ALTER DATABASE {url.rsplit('/', 1)[1]} SET synchronous_commit = off"))
    engine.dispose()
    database = Database.open(url)
    with database.session() as session:
        assert session.scalar(text("SHOW synchronous_commit")) == "on"
    database.close()


def test_what_a_server_says_of_a_refused_row_is_not_repeated(database):
    row = {**one_snooze(), "entity": "psn-7731-secret", "until_ms": None}
    with pytest.raises(IntegrityError, match="null value in column") as caught, database.session() as session:
        session.execute(insert(SnoozeRow), [row])
    assert "psn-7731-secret" not in f"{caught.value} {caught.value.orig}"


def test_a_turn_that_never_comes_is_a_transient_error(url, database):
    other = Database.open(f"{url}?options=-c%20lock_timeout%3D50")
    with database.session() as session:
        session.execute(insert(SnoozeRow), [one_snooze()])
        with pytest.raises(DatabaseUnavailable, match="lock timeout"), other.session() as late:
            late.execute(insert(SnoozeRow), [one_snooze()])
    other.close()
    assert snooze_rows(database) == 1


def test_a_statement_that_takes_too_long_is_a_transient_error(url):
    hurried = Database.open(f"{url}?options=-c%20statement_timeout%3D50")
    with pytest.raises(DatabaseUnavailable, match="statement timeout"), hurried.read() as session:
        session.execute(text("SELECT pg_sleep(20)"))
    hurried.close()


def test_a_writer_that_says_nothing_is_ended_so_that_others_go_on(url, database, monkeypatch):
    monkeypatch.setattr("storage.postgresql.IDLE_WRITER_TIMEOUT_MS", 100)
    other = Database.open(url)

    def pause_while_another_writes() -> None:
        with database.session() as paused:
            paused.execute(insert(SnoozeRow), [one_snooze()])
            with other.session() as session:
                session.execute(insert(SnoozeRow), [one_snooze()])
            paused.execute(insert(SnoozeRow), [one_snooze()])

    with pytest.raises(DatabaseUnavailable):
        pause_while_another_writes()
    assert snooze_rows(other) == 1
    other.close()


def test_a_connection_that_the_server_ended_is_a_transient_error_and_the_next_is_new(postgres, database):
    def be_ended() -> None:
        with database.session() as session:
            session.execute(insert(SnoozeRow), [one_snooze()])
            pid = session.scalar(text("SELECT pg_backend_pid()"))
            with psycopg.connect(postgres.url("postgres"), autocommit=True) as administrator:
                administrator.execute("SELECT pg_terminate_backend(%s)", (pid,))
            session.execute(insert(SnoozeRow), [one_snooze()])

    with pytest.raises(DatabaseUnavailable):
        be_ended()
    assert snooze_rows(database) == 0


def test_a_deadlock_with_a_stranger_is_a_transient_error(url, database):
    with database.session() as session:
        session.execute(insert(SnoozeRow), [one_snooze(), one_snooze()])
    first, second = (
        "UPDATE snooze SET until_ms = 2 WHERE snooze_id = 1",
        "UPDATE snooze SET until_ms = 2 WHERE snooze_id = 2",
    )
    errors: list[DatabaseUnavailable | psycopg.Error] = []

    def ours() -> None:
        try:
            with database.session() as session:
                session.execute(text(first))
                meet.wait(WAIT_S)
                session.execute(text(second))
        except DatabaseUnavailable as error:
            errors.append(error)

    meet = threading.Barrier(2)
    thread = threading.Thread(target=ours)
    with psycopg.connect(url) as stranger:
        stranger.execute("SET deadlock_timeout = '20s'")  # so that ours looks first
        stranger.execute(second)
        thread.start()
        meet.wait(WAIT_S)
        with suppress(psycopg.Error):
            stranger.execute(first)
        stranger.rollback()
        thread.join(WAIT_S)
    assert [type(error) for error in errors] == [DatabaseUnavailable]


def test_too_many_threads_for_the_connections_is_a_transient_error(url, monkeypatch):
    for name, value in (("POOL_CONNECTIONS", 1), ("POOL_OVERFLOW", 0), ("POOL_TIMEOUT_S", 0.05)):
        monkeypatch.setattr(f"storage.postgresql.{name}", value)
    small = Database.open(url)
    with small.read() as first:
        first.execute(text("SELECT 1"))
        with pytest.raises(DatabaseUnavailable, match="in use"), small.read() as second:
            second.execute(text("SELECT 1"))
    small.close()


# ------------------------------------------------------------------------------------------------ two at once


def test_numbers_are_given_in_the_order_of_their_commits(url, database):
    """A terminal that has seen the greater number would never see a smaller one that came later."""
    Projector(database, policy()).write_findings([finding()], [], {}, NOON_MS)
    Projector(database, policy()).project_alerts(NOON_MS)
    (first,) = notices(database)
    other = Database.open(url)

    def another(session: object) -> NoticeRow:
        row = NoticeRow(
            alert_id=first.alert_id, institution_id="P", till_id="", kind="update", created_at_ms=1, body={}
        )
        session.add(row)  # type: ignore[attr-defined]
        session.flush()  # type: ignore[attr-defined]
        return row

    given: list[int] = []

    def write_beside() -> None:
        with other.session() as session:
            given.append(another(session).notice_id)

    with database.session() as session:
        mine = another(session).notice_id
        beside = threading.Thread(target=write_beside)
        beside.start()
        wait_until(lambda: waiting_for_locks(database) == 1)
        assert [row.notice_id for row in notices(database)] == [first.notice_id]
        assert given == []
    beside.join(WAIT_S)
    assert [mine] < given
    assert [row.notice_id for row in notices(database)] == [first.notice_id, mine, *given]
    other.close()


def test_findings_are_written_beside_each_other_and_never_beside_the_alerts(url, database):
    other = Database.open(url)
    projector = Projector(other, policy())
    with database.session(alone=False) as session:
        session.execute(text("SELECT 1"))
        projector.write_findings([finding()], [], {}, NOON_MS)  # does not wait
        waits = threading.Thread(target=projector.project_alerts, args=(NOON_MS,))
        waits.start()
        wait_until(lambda: waiting_for_locks(database) == 1)
        assert alerts(database) == []
    waits.join(WAIT_S)
    assert len(alerts(database)) == 1
    other.close()


PROJECTING = """
import sys
from storage.database import Database
from storage.projector import Projector
from tests.alerts.builders import NOON_MS, policy
projector = Projector(Database.open(sys.argv[1]), policy())
print("ready", flush=True)
sys.stdin.readline()
print(*(change.alert_id for change in projector.project_alerts(NOON_MS)))
"""


def test_two_processes_that_make_alerts_at_once_make_each_once(url, database):
    findings = [finding(person=f"psn-{n}", settlement=f"S-{n:04d}", at_ms=NOON_MS + n) for n in range(12)]
    Projector(database, policy()).write_findings(findings, [], {}, NOON_MS)
    command = [sys.executable, "-c", PROJECTING, url]
    both = [
        subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for one in both:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    with database.session() as session:  # both wait at the same door
        session.execute(text("SELECT 1"))
        for one in both:
            assert one.stdin is not None
            one.stdin.write("\n")
            one.stdin.flush()
        wait_until(lambda: waiting_for_locks(database) == 2)
    made = [said.split() for said in (one.communicate(timeout=60)[0] for one in both)]
    assert [one.returncode for one in both] == [0, 0]
    assert sorted([*made[0], *made[1]]) == sorted(alert.alert_id for alert in alerts(database))
    assert len(alerts(database)) == len(notices(database)) == 12


def test_a_database_is_claimed_by_one_product_until_it_is_closed(url, database, monkeypatch):
    monkeypatch.setattr("storage.postgresql.CLAIM_TIMEOUT_S", 0.1)
    database.claim()
    other = Database.open(url)
    with pytest.raises(DatabaseUnusable, match="no other swipewatch serves from it") as caught:
        other.claim()
    assert PASSWORD not in str(caught.value)
    database.close()
    other.claim()
    other.close()


def test_a_product_that_lost_its_claim_to_another_writes_no_more(postgres, url, database, monkeypatch):
    monkeypatch.setattr("storage.postgresql.CLAIM_TIMEOUT_S", 1.0)
    database.claim()
    assert snooze_rows(database) == 0
    name = url.rsplit("/", 1)[1]
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as administrator:
        administrator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
    other = Database.open(url)
    other.claim()
    with pytest.raises(DatabaseUnusable, match="no other"), database.session() as session:
        session.execute(insert(SnoozeRow), [one_snooze()])
    other.close()
    with database.session() as session:  # the other is gone: it claims anew
        session.execute(insert(SnoozeRow), [one_snooze()])
    assert snooze_rows(database) == 1


# ------------------------------------------------------------------------------------------------ the server goes away


@pytest.mark.crash
def test_what_was_committed_outlives_a_kill_of_the_server_and_the_same_opening_goes_on(own_postgres):
    own_postgres.start()
    database = Database.open(own_postgres.new_database())
    log = AcceptedLog(database)
    with database.session() as session:
        log.append(session, [record("S-1")])
    own_postgres.kill()
    for transaction in (database.session, database.read):
        with pytest.raises(DatabaseUnavailable), transaction() as session:
            session.execute(text("SELECT 1"))
    own_postgres.start()
    assert log.count() == 1
    with database.session() as session:
        assert log.append(session, [record("S-2")]) > [1]
    assert log.count() == 2
    database.close()


@pytest.mark.crash
def test_a_server_that_is_paused_is_waited_for(own_postgres):
    own_postgres.start()
    database = Database.open(own_postgres.new_database())
    own_postgres.pause()
    answered: list[int] = []
    asks = threading.Thread(target=lambda: answered.append(snooze_rows(database)))
    asks.start()
    asks.join(0.5)
    assert answered == []
    own_postgres.resume()
    asks.join(WAIT_S)
    assert answered == [0]
    database.close()


def test_an_address_of_ours_is_one_that_every_client_understands(url):
    with psycopg.connect(make_conninfo(url)) as connection:
        assert connection.info.password == PASSWORD
