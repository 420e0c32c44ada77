"""The pipeline in this process: what becomes of requests when it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future

import pytest

from alerts.policy import Policy
from app.rule_files import read_rules
from config.settings import packaged
from events.types import AnyEvent
from storage.database import Database, default_url
from storage.projector import AlertChange, Projector
from streams.acceptance import Outcome
from streams.embedded import Pipeline, PipelineStopped
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


def test_pipeline_that_fails_answers_everybody_who_waits_also_after_one_who_gave_up(tmp_path):
    database, listener = Database.open(default_url(tmp_path)), Failing()
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
