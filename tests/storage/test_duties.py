"""Work that one process of several does at a time, and the claims of products that share a database or do not."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from storage import duties as module
from storage.alerts.webhook_position import WebhookPosition
from storage.database import Database, default_url
from storage.duties import Duties
from storage.errors import DatabaseUnavailable, DatabaseUnusable
from tests.app.running import CHECKOUT
from tests.postgres import Postgres

pytestmark = pytest.mark.postgres

CHILD = """
import sys
from storage.database import Database
from storage.duties import Duties
duties = Duties(Database.open(sys.argv[1]), ["sweep"])
duties.start()
print("held" if duties.is_mine("sweep") else "not held", file=sys.stderr, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    address = postgres.new_database()
    yield address
    postgres.drop(address)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = Database.open(url)
    yield opened
    opened.close()


def until(is_true: Callable[[], bool], within_s: float = 15.0) -> None:
    ends = time.monotonic() + within_s
    while not is_true():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_work_is_one_process_at_a_time_and_the_next_ones_when_that_stops(database):
    one, two = Duties(database, ["sweep", "push"]), Duties(database, ["push"])
    one.start()
    two.start()
    assert [one.is_mine("sweep"), one.is_mine("push"), two.is_mine("push")] == [True, True, False]
    one.stop()
    assert not one.is_mine("push")
    until(lambda: two.is_mine("push"))
    two.stop()


@pytest.mark.crash
def test_work_of_a_process_that_is_killed_is_taken_over(url, database):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, url], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=CHECKOUT
    )
    assert child.stderr is not None
    assert child.stderr.readline() == "held\n"
    ours = Duties(database, ["sweep"])
    ours.start()
    assert not ours.is_mine("sweep")
    child.kill()
    child.communicate()
    until(lambda: ours.is_mine("sweep"))
    ours.stop()


def test_who_says_nothing_for_too_long_has_lost_its_work_and_knows(database, monkeypatch):
    monkeypatch.setitem(vars(sys.modules["storage.postgresql"])["_LEASE_SETTINGS"], "idle_session_timeout", 300)
    silent, other = database.lease(), database.lease()
    assert silent is not None
    assert other is not None
    assert silent.renew(["sweep"]) == {"sweep"}
    until(lambda: other.renew(["sweep"]) == {"sweep"})
    with pytest.raises(DatabaseUnavailable):
        silent.renew(["sweep"])
    assert silent.renew(["sweep"]) == frozenset()
    other.release()
    until(lambda: silent.renew(["sweep"]) == {"sweep"})
    silent.release()


def test_a_lease_that_was_not_renewed_in_time_counts_for_nothing(database, monkeypatch):
    duties = Duties(database, ["sweep"])
    duties.start()
    assert duties.is_mine("sweep")
    monkeypatch.setattr(module, "SURE_FOR_S", 0.0)
    assert not duties.is_mine("sweep")
    duties.stop()


def test_on_sqlite_all_work_is_ours(tmp_path):
    database = Database.open(default_url(tmp_path))
    duties = Duties(database, ["sweep"])
    duties.start()
    assert duties.is_mine("sweep")
    duties.stop()
    database.close()


def test_processes_that_begin_do_so_one_after_the_other(url, database):
    inside: list[str] = []

    def begin() -> None:
        other = Database.open(url)
        with other.starting():
            inside.append("other")
        other.close()

    with database.starting():
        thread = threading.Thread(target=begin)
        thread.start()
        thread.join(0.5)
        inside.append("first")
    thread.join(15)
    assert inside == ["first", "other"]


def test_those_who_share_a_database_claim_it_beside_each_other_and_never_beside_one_alone(url, database, monkeypatch):
    monkeypatch.setattr("storage.postgresql.CLAIM_TIMEOUT_S", 0.1)
    database.claim(alone=False)
    beside, alone = Database.open(url), Database.open(url)
    beside.claim(alone=False)
    with pytest.raises(DatabaseUnusable, match="no other swipewatch serves from it"):
        alone.claim()
    beside.close()
    database.close()
    alone.claim()
    late = Database.open(url)
    with pytest.raises(DatabaseUnusable, match="no other `swipewatch serve` or `import` serves from it"):
        late.claim(alone=False)
    late.close()
    alone.close()


def test_how_far_a_receiver_was_told_never_goes_back(database):
    position = WebhookPosition(database, "https://receiver.example/hook")
    assert position.begin() == 0
    position.told(7)
    position.told(5)
    assert position.begin() == 7
