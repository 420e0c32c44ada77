"""Pages of one process hear of alerts that another has changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.alert_follower import AlertFollower
from app.terminal_watch import TerminalWatch
from app.webhook import Webhook
from storage.alerts.changes import AlertChanges, ChangedAlert
from storage.errors import DatabaseUnavailable
from storage.terminals.contacts import TerminalOutages
from tests.alerts.builders import STORE
from tests.web.test_webhook import KEY, Receiver
from tests.web.world import World, poll


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World.furnished(tmp_path / "world")
    yield made
    made.close()


class Told:
    """Who is told; can be away."""

    def __init__(self) -> None:
        self.changes: list[ChangedAlert] = []

    def __call__(self, changes: list[ChangedAlert]) -> None:
        self.changes += changes


def test_what_changes_after_the_first_look_is_told_once_in_order(world: World) -> None:
    world.raise_alert()
    told = Told()
    follower = AlertFollower(AlertChanges(world.database), told)  # type: ignore[arg-type]
    assert follower.look() is False
    found = [world.raise_alert(), world.raise_alert()]
    assert follower.look() is follower.look() is False
    assert len(found) == len(told.changes) == 2
    assert {change.institution_id for change in told.changes} == {STORE}
    numbers = [change.entry_id for change in told.changes]
    assert numbers == sorted(set(numbers))


class Away(AlertChanges):
    """A history that cannot be read for a while."""

    is_away = True

    def after(self, entry_id: int, limit: int) -> list[ChangedAlert]:
        if self.is_away:
            raise DatabaseUnavailable("database: away")
        return super().after(entry_id, limit)


def test_what_changed_while_the_database_was_away_is_told_afterwards(world: World) -> None:
    told, changes = Told(), Away(world.database)
    follower = AlertFollower(changes, told)  # type: ignore[arg-type]
    with pytest.raises(DatabaseUnavailable):
        follower.look()
    world.raise_alert()
    follower.start()
    changes.is_away = False
    poll(lambda: len(told.changes) == 1)
    follower.stop()


# ------------------------------------------------------------------------------------- what one process of several does


def test_a_webhook_of_another_process_is_left_to_it_and_taken_over_where_it_was(world: World) -> None:
    receiver, mine = Receiver(), [True]
    one = Webhook(receiver.url, KEY, world.database, world.measurements, world.now_ms)
    two = Webhook(receiver.url, KEY, world.database, world.measurements, world.now_ms, lambda: mine[0])
    try:
        with httpx.Client() as client:
            assert (one.push_next(client), two.push_next(client)) == (False, False)  # both know where it begins
            mine[0] = False
            world.raise_alert()
            assert (two.push_next(client), one.push_next(client)) == (False, True)
            world.raise_alert()
            mine[0] = True
            assert (two.push_next(client), two.push_next(client)) == (True, False)
    finally:
        receiver.close()
    assert len({told["delivery_id"] for told in receiver.taken}) == len(receiver.taken) == 2


def test_a_terminal_is_put_on_record_by_the_process_whose_duty_it_is_however_young_that_is(world: World) -> None:
    noon_ms, after_ms, mine = 1_800_072_000_000, 300_000, [False]
    at_ms = [noon_ms]
    world.clock_ms = lambda: at_ms[0]
    world.raise_alert(at_ms=noon_ms - 2_000)
    watch = TerminalWatch(
        world.database,
        world.accounts,
        world.contacts,
        world.measurements,
        clock_ms=world.now_ms,
        dark_after_ms=after_ms,
        is_mine=lambda: mine[0],
    )
    outages = TerminalOutages(world.database)
    watch.look()
    at_ms[0] += after_ms + 1
    watch.look()
    assert outages.standing() == []
    assert "swipewatch_terminals_dark 0.0" in world.measurements.exposition().decode()
    mine[0] = True
    watch.look()
    assert "ankang" in {outage.terminal for outage in outages.standing()}
