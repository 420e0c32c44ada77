"""What every runtime promises, whatever carries the events: embedded on SQLite, workers on a broker and PostgreSQL.

The broker is Apache Kafka. With SWIPEWATCH_TEST_BROKER=noida the same is asked of workers on noida-db too.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.runtimes.port import Runtime
from tests.runtimes.story import Outcome, Script

pytestmark = pytest.mark.timeout(180)


def test_findings_are_those_of_a_replay_of_the_accepted_log_though_it_was_killed_half_way(outcome: Outcome):
    assert outcome.findings == outcome.replayed, outcome.said
    assert len(outcome.findings) > 50


def test_findings_are_those_of_a_replay_of_what_was_sent_so_the_same_on_every_runtime(outcome: Outcome, told: Script):
    """Part of it was judged by the rules that were put into force while it ran."""
    assert outcome.findings == told.findings(), outcome.said


def test_repeats_conflicts_late_events_and_what_is_none_have_the_same_outcome(outcome: Outcome, told: Script):
    assert set(outcome.letters) == told.letters(), outcome.said
    reasons = {reason for reason, _ in outcome.letters}
    assert reasons >= {"not_json", "wrong_type", "missing_field", "conflicting_duplicate", "too_late"}


def test_a_sender_is_told_what_is_known_once_its_lines_are_safe(runtime: Runtime, outcome: Outcome, told: Script):
    fates = told.fates()
    assert outcome.answers == [runtime.answers[fate] for fate in fates]
    assert set(fates) == {"accepted", "duplicate", "set_aside", "unreadable"}


def test_every_finding_that_may_be_told_is_in_exactly_one_alert_and_stands_there(outcome: Outcome):
    standing = Counter(finding_id for finding_id, stands in outcome.in_alerts if stands)
    assert standing == Counter(outcome.alertable), outcome.said
    assert len(outcome.alertable) > 20
    places = Counter(finding_id for finding_id, _ in outcome.in_alerts)
    assert set(places.values()) == {1}


def test_what_ended_in_order_and_started_again_finds_the_same(outcome: Outcome):
    assert outcome.findings_after_restart == outcome.findings, outcome.said
