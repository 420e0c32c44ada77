"""A rule that floods is halted: recorded, without alerts, until a person resumes it."""

from __future__ import annotations

import msgspec
import pytest

from alerts.breaker import HOUR_MS
from alerts.policy import Policy
from events.findings import Finding
from storage.database import Database
from storage.projector import Projector
from storage.rule_halts import RuleHalts
from tests.alerts.builders import NOON_MS, finding, policy
from tests.storage.projections import alerts, notices, write

LIMIT = 3


def breaking(limit: int | None = LIMIT) -> Policy:
    plain = policy()
    rules = {name: msgspec.structs.replace(rule, breaker=limit) for name, rule in plain.rules.items()}
    return msgspec.structs.replace(plain, rules=rules)


def flood(count: int, at_ms: int = NOON_MS, detector: str = "holder_mismatch") -> list[Finding]:
    """Returns findings about as many persons, each of an alert of its own."""
    return [
        finding(detector, at_ms=at_ms + number, person=f"p{at_ms}-{number}", settlement=f"S{at_ms}-{number}")
        for number in range(count)
    ]


def alerted(database: Database) -> list[str]:
    return sorted(alert.settlement_id for alert in alerts(database))


def test_a_rule_may_alert_as_often_as_its_breaker_says_and_is_halted_by_one_more(database):
    projector, halts = Projector(database, breaking()), RuleHalts(database)
    write(projector, *flood(LIMIT))
    assert halts.standing() == []
    write(projector, *flood(2, NOON_MS + 10))
    assert len(alerts(database)) == LIMIT
    (halt,) = halts.standing()
    assert (halt.detector, halt.breaker, halt.held, halt.halted_at_ms) == ("holder_mismatch", LIMIT, 2, NOON_MS + 11)


def test_what_a_halted_rule_finds_is_recorded_and_told_to_nobody(database):
    projector = Projector(database, breaking())
    write(projector, *flood(LIMIT + 5))
    assert len(projector.standing()) == LIMIT + 5
    assert len(alerts(database)) == len(notices(database)) == LIMIT
    assert projector.project_alerts(NOON_MS + 100) == []


def test_other_rules_go_on_while_one_is_halted(database):
    projector = Projector(database, breaking())
    write(projector, *flood(LIMIT + 1))
    write(projector, *flood(LIMIT, detector="frequent_purchase"))
    assert [alert.detector for alert in alerts(database)].count("frequent_purchase") == LIMIT
    assert [halt.detector for halt in RuleHalts(database).standing()] == ["holder_mismatch"]


def test_findings_of_more_than_an_hour_ago_count_no_more(database):
    projector = Projector(database, breaking())
    write(projector, *flood(LIMIT), at_ms=NOON_MS)
    write(projector, *flood(1, NOON_MS + 1), at_ms=NOON_MS + HOUR_MS)
    assert len(alerts(database)) == LIMIT + 1
    again = Projector(database, breaking())
    write(again, *flood(LIMIT, NOON_MS + 2), at_ms=NOON_MS + HOUR_MS + 1)
    assert len(alerts(database)) == 2 * LIMIT
    assert RuleHalts(database).standing() != []


def test_findings_one_millisecond_within_the_hour_count(database):
    projector = Projector(database, breaking())
    write(projector, *flood(LIMIT), at_ms=NOON_MS)
    write(projector, *flood(1, NOON_MS + 1), at_ms=NOON_MS + HOUR_MS - 1)
    assert len(alerts(database)) == LIMIT


def test_a_rule_stays_halted_through_restarts_and_after_the_hour(url):
    first = Database.open(url)
    write(Projector(first, breaking()), *flood(LIMIT + 1))
    first.close()
    second = Database.open(url)
    write(Projector(second, breaking()), *flood(1, NOON_MS + 5 * HOUR_MS))
    assert len(alerts(second)) == LIMIT
    assert RuleHalts(second).standing()[0].held == 2
    second.close()


def test_resumed_it_alerts_what_is_raised_from_then_on_and_never_what_was_held_back(database):
    projector, halts = Projector(database, breaking()), RuleHalts(database)
    held = flood(LIMIT + 2)[LIMIT:]
    write(projector, *flood(LIMIT + 2))
    assert halts.resume("holder_mismatch", "chen", NOON_MS + 50)
    assert halts.standing() == []
    graver = [msgspec.structs.replace(one, severity="critical") for one in held]
    write(projector, *flood(LIMIT, NOON_MS + 60), *graver)
    assert len(alerts(database)) == 2 * LIMIT
    assert not {one.settlement_id for one in held} & set(alerted(database))
    write(projector, *flood(1, NOON_MS + 70))
    assert [halt.held for halt in halts.standing()] == [1]


def test_a_rule_that_is_not_halted_cannot_be_resumed(database):
    assert not RuleHalts(database).resume("holder_mismatch", "chen", NOON_MS)


def test_a_change_of_what_is_alerted_already_does_not_count_and_a_halt_does_not_keep_it_back(database):
    projector = Projector(database, breaking(limit=1))
    (first,) = flood(1)
    for count in range(5):
        write(projector, msgspec.structs.replace(first, measure={"mismatches": 3 + count, "household": False}))
    assert RuleHalts(database).standing() == []
    write(projector, *flood(2))
    withdrawn = msgspec.structs.replace(first, status="withdrawn")
    write(projector, withdrawn=[withdrawn], at_ms=NOON_MS + 1000)
    assert [alert.state for alert in alerts(database)] == ["withdrawn"]
    assert notices(database)[-1].kind == "withdrawn"


@pytest.mark.parametrize("limit", [None, 100])
def test_below_its_breaker_or_without_one_a_rule_is_never_halted(database, limit):
    write(Projector(database, breaking(limit)), *flood(20))
    assert len(alerts(database)) == 20
    assert RuleHalts(database).standing() == []
