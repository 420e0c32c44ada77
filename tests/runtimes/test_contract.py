"""What every runtime promises, whatever carries the events: embedded on SQLite, workers on a broker and PostgreSQL.

The broker is Apache Kafka. With SWIPEWATCH_TEST_BROKER=noida the same is asked of workers on noida-db too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest

from tests.runtimes.port import Runtime
from tests.runtimes.story import Outcome, Script

pytestmark = pytest.mark.timeout(180)


@dataclass(frozen=True)
class Told:
    """The story, who was told it, and what has become of it."""

    script: Script
    runtime: Runtime
    outcome: Outcome


def findings_are_those_of_a_replay_of_the_accepted_log_though_it_was_killed_half_way(of: Told) -> None:
    assert of.outcome.findings == of.outcome.replayed, of.outcome.said
    assert len(of.outcome.findings) > 50


def findings_are_those_of_a_replay_of_what_was_sent_so_the_same_on_every_runtime(of: Told) -> None:
    """Part of it was judged by the rules that were put into force while it ran."""
    assert of.outcome.findings == of.script.findings(), of.outcome.said


def repeats_conflicts_late_events_and_what_is_none_have_the_same_outcome(of: Told) -> None:
    assert set(of.outcome.letters) == of.script.letters(), of.outcome.said
    reasons = {reason for reason, _ in of.outcome.letters}
    assert reasons >= {"not_json", "wrong_type", "missing_field", "conflicting_duplicate", "too_late"}


def a_sender_is_told_what_is_known_once_its_lines_are_safe(of: Told) -> None:
    fates = of.script.fates()
    assert of.outcome.answers == [of.runtime.answers[fate] for fate in fates]
    assert set(fates) == {"accepted", "duplicate", "set_aside", "unreadable"}


def every_finding_that_may_be_told_is_in_exactly_one_alert_and_stands_there(of: Told) -> None:
    standing = Counter(finding_id for finding_id, stands in of.outcome.in_alerts if stands)
    assert standing == Counter(of.outcome.alertable), of.outcome.said
    assert len(of.outcome.alertable) > 20
    places = Counter(finding_id for finding_id, _ in of.outcome.in_alerts)
    assert set(places.values()) == {1}


def what_ended_in_order_and_started_again_finds_the_same(of: Told) -> None:
    assert of.outcome.findings_after_restart == of.outcome.findings, of.outcome.said


LAWS = (
    findings_are_those_of_a_replay_of_the_accepted_log_though_it_was_killed_half_way,
    findings_are_those_of_a_replay_of_what_was_sent_so_the_same_on_every_runtime,
    repeats_conflicts_late_events_and_what_is_none_have_the_same_outcome,
    a_sender_is_told_what_is_known_once_its_lines_are_safe,
    every_finding_that_may_be_told_is_in_exactly_one_alert_and_stands_there,
    what_ended_in_order_and_started_again_finds_the_same,
)


def test_every_law_holds_on_every_runtime(told: Script, runtime: Runtime, outcome: Outcome, subtests: pytest.Subtests):
    """The story is told once; each law looks at what has become of it."""
    for law in LAWS:
        with subtests.test(law.__name__):
            law(Told(told, runtime, outcome))
