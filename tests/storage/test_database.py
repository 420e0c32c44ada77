from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, func, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError

from storage import migrations
from storage.database import Database, default_url
from storage.errors import DatabaseUnavailable, DatabaseUnusable
from storage.models import AcceptedEvent, AlertFindingRow, SnoozeRow, Table

CHECKOUT = Path(__file__).parents[2]


def snooze_rows(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(SnoozeRow)) or 0


def one_snooze() -> dict[str, object]:
    return {"detector": "d", "entity": "e", "reason": "r", "by": "b", "until_ms": 1}


# ------------------------------------------------------------------------------------------------ opening


def test_opening_makes_the_folder_and_a_file_that_only_its_owner_reads(tmp_path):
    database = Database.open(default_url(tmp_path / "new" / "data"))
    path = tmp_path / "new" / "data" / "swipewatch.db"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert (path.parent / "swipewatch.db-wal").stat().st_mode & 0o777 == 0o600
    database.close()


def test_every_connection_is_durable_and_checks_foreign_keys(file_database):
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}
    for transaction in (file_database.session, file_database.read):
        with transaction() as session:
            found = {pragma: session.scalar(text(f"PRAGMA {pragma}")) for pragma in wanted}
        assert found == wanted


def test_what_was_committed_is_there_after_opening_again(url):
    first = Database.open(url)
    with first.session() as session:
        session.execute(insert(SnoozeRow), [one_snooze()])
    first.close()
    again = Database.open(url)
    assert snooze_rows(again) == 1
    again.close()


def test_opening_does_not_depend_on_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    database = Database.open(default_url(Path("data")))
    monkeypatch.chdir("/")
    assert snooze_rows(database) == 0
    database.close()


def test_a_path_with_a_percent_sign_and_spaces_is_no_trouble(tmp_path):
    database = Database.open(default_url(tmp_path / "50% of it"))
    assert snooze_rows(database) == 0
    database.close()


def test_opening_leaves_logging_as_it_was(empty_url, capfd):
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("somebody").disabled)
    Database.open(empty_url).close()
    assert (root.level, list(root.handlers), logging.getLogger("somebody").disabled) == before
    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_no_database_is_a_clear_error_and_stays_as_it_was(tmp_path):
    path = tmp_path / "swipewatch.db"
    path.write_bytes(b"Dear diary, " * 1000)
    with pytest.raises(DatabaseUnusable, match=r"swipewatch\.db.*file is not a database.*a database of swipewatch"):
        Database.open(default_url(tmp_path))
    assert path.read_bytes() == b"Dear diary, " * 1000


def test_a_database_of_another_program_is_a_clear_error_and_stays_as_it_was(tmp_path):
    path = tmp_path / "swipewatch.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    other.close()
    with pytest.raises(DatabaseUnusable, match="tables of another program"):
        Database.open(default_url(tmp_path))
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("recipes",)]
    other.close()


def test_a_database_of_a_newer_swipewatch_is_a_clear_error(tmp_path):
    Database.open(default_url(tmp_path)).close()
    with sqlite3.connect(tmp_path / "swipewatch.db") as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
    newer.close()
    with pytest.raises(DatabaseUnusable, match=r"schema revision = '9999'.*knows up to \d{4}: a newer"):
        Database.open(default_url(tmp_path))


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url):
    with pytest.raises(DatabaseUnusable, match="keeps nothing"):
        Database.open(url)


def test_an_address_that_is_none_is_a_clear_error():
    with pytest.raises(DatabaseUnusable, match="an address such as"):
        Database.open("swipewatch.db")


def test_a_folder_in_place_of_the_file_is_a_clear_error(tmp_path):
    (tmp_path / "swipewatch.db").mkdir()
    with pytest.raises(DatabaseUnusable, match="Is a directory"):
        Database.open(default_url(tmp_path))


@pytest.mark.slow
def test_several_processes_may_open_a_new_database_at_once(empty_url):
    code = "import sys; from storage.database import Database; Database.open(sys.argv[1]).close()"
    openers = [
        subprocess.Popen([sys.executable, "-c", code, empty_url], cwd=CHECKOUT, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    outcomes = [opener.communicate(timeout=60) for opener in openers]
    assert [opener.returncode for opener in openers] == [0, 0, 0], outcomes


# ------------------------------------------------------------------------------------------------ migrations


def test_models_and_migrations_agree(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Table.metadata) == []


def test_indexes_that_hold_a_part_of_a_table_agree_too(file_database):
    fresh = create_engine("sqlite://")
    Table.metadata.create_all(fresh)
    query = text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name")
    with fresh.connect() as wanted, file_database.engine.connect() as migrated:
        assert migrated.execute(query).all() == wanted.execute(query).all()
    fresh.dispose()


def test_migrations_go_down_to_nothing_and_up_again(empty_url):
    engine = create_engine(empty_url)
    with engine.begin() as connection:
        migrations.upgrade(connection)
        full = sorted(inspect(connection).get_table_names())
        migrations.downgrade(connection)
        assert inspect(connection).get_table_names() == ["alembic_version"]
        migrations.upgrade(connection)
        assert sorted(inspect(connection).get_table_names()) == full
        assert migrations.revision_of(connection) == migrations.head_revision()
    engine.dispose()
    assert set(full) == {*Table.metadata.tables, "alembic_version"}


def test_a_migration_that_fails_leaves_nothing_behind(empty_url, monkeypatch):
    def fail(connection):
        migrations.upgrade(connection)
        raise DatabaseUnavailable("the power went")

    monkeypatch.setattr("storage.database.upgrade", fail)
    with pytest.raises(DatabaseUnavailable):
        Database.open(empty_url)
    monkeypatch.undo()
    engine = create_engine(empty_url)
    assert inspect(engine).get_table_names() == []
    engine.dispose()
    Database.open(empty_url).close()


# ------------------------------------------------------------------------------------------------ transactions


def test_an_exception_takes_the_transaction_back(database):
    def half_way() -> None:
        with database.session() as session:
            session.execute(insert(SnoozeRow), [one_snooze()])
            raise KeyError("half way")

    with pytest.raises(KeyError):
        half_way()
    assert snooze_rows(database) == 0


def test_a_reader_sees_one_moment_while_a_writer_goes_on(database):
    count = select(func.count()).select_from(SnoozeRow)
    with database.read() as reader:
        assert reader.scalar(count) == 0
        with database.session() as writer:
            writer.execute(insert(SnoozeRow), [one_snooze()])
            assert reader.scalar(count) == 0
        assert reader.scalar(count) == 0
    assert snooze_rows(database) == 1


def test_a_reader_does_not_wait_for_a_writer(database):
    with database.session() as writer:
        writer.execute(insert(SnoozeRow), [one_snooze()])
        answered: list[int] = []
        reader = threading.Thread(target=lambda: answered.append(snooze_rows(database)))
        reader.start()
        reader.join(timeout=5)
        assert answered == [0]


def test_changes_in_a_reading_session_are_dropped(database):
    with database.read() as session:
        session.execute(insert(SnoozeRow), [one_snooze()])
    assert snooze_rows(database) == 0


@pytest.mark.parametrize("openings", [1, 2], ids=["of one opening", "as if in two processes"])
def test_threads_that_read_and_then_write_lose_nothing(url, openings):
    databases = [Database.open(url) for _ in range(openings)]
    with databases[0].session() as session:
        session.execute(insert(SnoozeRow), [one_snooze()])

    def add_one_many_times(database: Database) -> None:
        for _ in range(25):
            with database.session() as session:
                row = session.scalars(select(SnoozeRow)).one()
                row.until_ms += 1

    writers = [threading.Thread(target=add_one_many_times, args=(databases[n % openings],)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=60)
    with databases[0].read() as session:
        assert session.scalars(select(SnoozeRow.until_ms)).one() == 101
    for database in databases:
        database.close()


def test_a_writer_waits_for_one_of_another_process(file_database, tmp_path):
    other = sqlite3.connect(tmp_path / "data" / "swipewatch.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    release.start()
    with file_database.session() as session:
        session.execute(insert(SnoozeRow), [one_snooze()])
    release.join()
    other.close()
    assert snooze_rows(file_database) == 1


def test_a_lock_that_is_never_given_up_is_a_transient_error(file_database, tmp_path):
    other = sqlite3.connect(tmp_path / "data" / "swipewatch.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with file_database.read() as session:  # the pool hands this very connection to the next transaction
        session.execute(text("PRAGMA busy_timeout=50"))
    with pytest.raises(DatabaseUnavailable, match="locked"), file_database.session() as session:
        session.execute(insert(SnoozeRow), [one_snooze()])
    other.close()


def test_a_full_disk_is_a_transient_error_and_nothing_is_kept(file_database):
    with file_database.session() as session:
        pages = session.scalar(text("PRAGMA page_count"))
        session.execute(text(f"PRAGMA max_page_count={pages}"))
    rows = [{**one_snooze(), "reason": "x" * 4000} for _ in range(200)]
    with pytest.raises(DatabaseUnavailable, match="full"), file_database.session() as session:
        session.execute(insert(SnoozeRow), rows)
    assert snooze_rows(file_database) == 0


def test_a_row_without_its_parent_is_refused(database):
    row = {"alert_id": "none", "finding_id": "none", "standing": True, "to_store": True}
    with pytest.raises(IntegrityError), database.session() as session:
        session.execute(insert(AlertFindingRow), [row])


def test_an_error_never_prints_the_values_of_a_row(database):
    row: dict[str, object] = {
        "identity": "swipe:S1",
        "digest": b"",
        "type": "swipe",
        "occurred_at_ms": 1,
        "received_at_ms": 1,
        "sender": "psn-7731-secret",
        "original": b"",
    }
    with pytest.raises(IntegrityError) as caught, database.session() as session:
        session.execute(insert(AcceptedEvent), [row, row])
    assert "psn-7731-secret" not in str(caught.value)


def test_a_session_left_by_a_killed_process_leaves_no_lock(url):
    Database.open(url).close()
    code = """
import os, signal, sys
from sqlalchemy import insert
from storage.database import Database
from storage.models import SnoozeRow
with Database.open(sys.argv[1]).session() as session:
    session.execute(insert(SnoozeRow), [{"detector": "d", "entity": "e", "reason": "r", "by": "b", "until_ms": 1}])
    session.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    child = subprocess.run([sys.executable, "-c", code, url], cwd=CHECKOUT, timeout=60, check=False, env={**os.environ})
    assert child.returncode == -9
    database = Database.open(url)
    assert snooze_rows(database) == 0
    database.close()
