"""The pipeline in this process: what becomes of requests when it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

import msgspec
import pytest
from sqlalchemy.orm import Session

from alerts.policy import Policy
from app.rule_files import read_rules
from config.settings import packaged
from detectors.examples import reversal
from events.types import AnyEvent
from storage.database import Database, default_url
from storage.errors import DatabaseUnavailable
from storage.log import AcceptedLog
from storage.projector import AlertChange, Projector
from streams.acceptance import Accepted, Duplicate, Outcome
from streams.embedded import Listener, Pipeline, PipelineStopped
from tests.alerts.builders import NOON_MS
from tests.storage.events import swipe_bytes

DEADLINE_S = 20.0


class Failing:
    """A listener that fails once it is let go."""

    def __init__(self) -> None:
        self.reached, self.let_go = threading.Event(), threading.Event()
        self.reason = ""

    def accepted(self, events: Sequence[AnyEvent]) -> None:
        if events:
            self.reached.set()
            assert self.let_go.wait(DEADLINE_S)
            raise RuntimeError("the listener fails")

    def alerts_changed(self, changes: Sequence[AlertChange]) -> None:
        """Nothing listens."""

    def failed(self, reason: str) -> None:
        self.reason = reason


class AnswerLost(Database):
    """A database that keeps the next event it is given and breaks off before it says so, once it is told to."""

    breaks_off = False

    @contextmanager
    def session(self, *, alone: bool = True) -> Iterator[Session]:
        before = AcceptedLog(self).count() if self.breaks_off else 0
        with super().session(alone=alone) as session:
            yield session
        if self.breaks_off and AcceptedLog(self).count() > before:
            self.breaks_off = False
            raise DatabaseUnavailable("the connection broke during the commit")


class AwayAfterwards(Database):
    """A database that does not answer the first reader after an event that it has kept."""

    is_away = False

    @contextmanager
    def session(self, *, alone: bool = True) -> Iterator[Session]:
        before = AcceptedLog(self).count()
        with super().session(alone=alone) as session:
            yield session
        self.is_away = AcceptedLog(self).count() > before

    @contextmanager
    def read(self) -> Iterator[Session]:
        if self.is_away:
            self.is_away = False
            raise DatabaseUnavailable("the server has ended")
        with super().read() as session:
            yield session


class Telling:
    """A listener that notes which events it was told of."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def accepted(self, events: Sequence[AnyEvent]) -> None:
        self.told += [event.event_id for event in events]

    def alerts_changed(self, changes: Sequence[AlertChange]) -> None:
        """Nothing listens."""

    def failed(self, reason: str) -> None:
        raise AssertionError(reason)


def test_what_was_kept_although_its_sender_was_told_otherwise_is_judged_all_the_same(tmp_path):
    database, listener = AnswerLost.open(default_url(tmp_path)), Telling()
    assert isinstance(database, AnswerLost)
    pipeline = started(database, listener)
    pipeline.submit("his", [swipe_bytes("S1")]).result(DEADLINE_S)
    database.breaks_off = True
    with pytest.raises(DatabaseUnavailable):
        pipeline.submit("his", [swipe_bytes("S2")]).result(DEADLINE_S)
    (again, other) = pipeline.submit("his", [swipe_bytes("S2"), swipe_bytes("S3")]).result(DEADLINE_S)
    pipeline.stop()
    assert isinstance(again, Duplicate)
    assert isinstance(other, Accepted)
    assert len(listener.told) == len(set(listener.told)) == 3
    assert pipeline._logged.engine.applied.seq == AcceptedLog(database).logged([other.identity])[other.identity].seq
    database.close()


def test_a_reversal_that_fits_no_swipe_of_its_own_is_listed_though_the_database_is_away_by_then(tmp_path):
    database = AwayAfterwards.open(default_url(tmp_path))
    pipeline = started(database, Telling())
    pipeline.submit("his", [swipe_bytes("S1")]).result(DEADLINE_S)
    other = reversal("S1", "0s", person_id="somebody else", occurred_at_ms=NOON_MS)
    pipeline.submit("his", [msgspec.json.encode(other)]).result(DEADLINE_S)
    pipeline.stop()
    assert [kept.letter.reason for kept in AcceptedLog(database).dead_letters()] == ["reversal_mismatch"]
    database.close()


def started(database: Database, listener: Listener) -> Pipeline:
    pipeline = Pipeline(
        database=database,
        projector=Projector(database, Policy(rules={})),
        rulebook=read_rules(packaged("rules.yaml")),
        listener=listener,
        clock_ms=lambda: NOON_MS,
    )
    pipeline.start()
    ends = time.monotonic() + DEADLINE_S
    while not pipeline.is_ready():
        assert time.monotonic() < ends
        time.sleep(0.01)
    return pipeline


def test_pipeline_that_fails_answers_everybody_who_waits_also_after_one_who_gave_up(tmp_path):
    database, listener = Database.open(default_url(tmp_path)), Failing()
    pipeline = started(database, listener)
    first = pipeline.submit("his", [swipe_bytes("S1")])
    assert listener.reached.wait(DEADLINE_S)
    impatient = pipeline.submit("his", [swipe_bytes("S2")])
    waiting: Future[list[Outcome]] = pipeline.submit("his", [swipe_bytes("S3")])
    assert impatient.cancel()
    listener.let_go.set()
    assert len(first.result(DEADLINE_S)) == 1
    with pytest.raises(PipelineStopped):
        waiting.result(DEADLINE_S)
    with pytest.raises(PipelineStopped):
        pipeline.submit("his", [swipe_bytes("S4")])
    assert listener.reason == "the listener fails"
    database.close()
