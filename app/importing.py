"""Loading history: events of the past go into the accepted log and the live store, and nobody is reminded of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

import msgspec

from alerts.policy import Policy
from events.dead_letters import DeadLetter, Place
from storage.database import Database
from storage.log import HISTORY
from storage.projector import Projector
from streams.acceptance import Accepted, Duplicate, Incoming
from streams.logged_engine import LoggedEngine

TOGETHER = 5_000


class Imported(msgspec.Struct, kw_only=True):
    """How many events were accepted, known before, or set aside, and how many findings stand now."""

    accepted: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    findings: int = 0


def import_history(
    database: Database, logged: LoggedEngine, offers: Iterable[tuple[bytes, Place]], clock_ms: Callable[[], int]
) -> Imported:
    """Afterwards the events are in the log, none of them too late, and what they make of the findings is recorded.

    Done again, or after it was stopped half way, it takes what is still missing.
    """
    logged.catch_up(clock_ms())
    imported = Imported()
    coming = iter(offers)
    while some := list(islice(coming, TOGETHER)):
        outcomes = logged.accept([Incoming(original, place, HISTORY) for original, place in some])
        events = [outcome.event for outcome in outcomes if isinstance(outcome, Accepted)]
        logged.set_aside(logged.engine.load(events, clock_ms()).mismatched)
        imported.accepted += len(events)
        imported.duplicates += sum(isinstance(outcome, Duplicate) for outcome in outcomes)
        imported.dead_letters += sum(isinstance(outcome, DeadLetter) for outcome in outcomes)
    logged.engine.judge_all()
    logged.freeze()
    projector = Projector(database, Policy(rules={}))
    raised, withdrawn = logged.differences(projector.standing())
    projector.write_findings(raised, withdrawn, {}, clock_ms())
    imported.findings = sum(1 for _ in logged.engine.standing())
    return imported
