from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
import pytest
from sqlalchemy import select, text

from alerts.lifecycle import IllegalTransition
from events.findings import Finding, finding_json, replay_order
from storage.errors import DatabaseUnavailable, UnknownAlert
from storage.log import AcceptedLog
from storage.models import AlertFindingRow, AlertHistoryRow, FindingRow, SnoozeRow
from storage.projector import AlertChange, Projector
from tests.alerts.builders import MINUTE_MS, NOON_MS, OTHER_STORE, PERSON, STORE, finding, policy
from tests.storage.events import record
from tests.storage.projections import alerts, everything, history, notices, write

LATE_MS = NOON_MS + 60 * MINUTE_MS


@pytest.fixture
def projector(database):
    return Projector(database, policy())


def kinds(database) -> list[str]:
    return [notice.kind for notice in notices(database)]


def withdrawn(one: Finding) -> Finding:
    return msgspec.structs.replace(one, status="withdrawn")


def at(minute: float, detector: str = "holder_mismatch", **values) -> Finding:
    return finding(detector, at_ms=NOON_MS + int(minute * MINUTE_MS), **values)


# ------------------------------------------------------------------------------------------------ findings


def test_a_finding_comes_back_as_it_was(projector):
    projector.write_findings([finding()], [], {}, NOON_MS)
    assert projector.standing() == [finding()]


def test_standing_findings_come_out_in_the_order_of_a_replay_byte_for_byte(projector):
    some = [
        *(at(minute, detector) for minute in (3, 1, 2) for detector in ("split_settlement", "card_batch")),
        *(at(1, person=f"psn-{number}", settlement=f"S-{number}", mode="shadow") for number in range(5)),
    ]
    random.Random(7).shuffle(some)
    projector.write_findings(some, [], {}, NOON_MS)
    assert list(projector.findings_json()) == [finding_json(one) for one in sorted(some, key=replay_order)]


def test_withdrawn_findings_do_not_stand(projector):
    projector.write_findings([at(0), at(1)], [], {}, NOON_MS)
    projector.write_findings([], [withdrawn(at(0))], {}, NOON_MS)
    assert projector.standing() == [at(1)]
    assert list(projector.findings_json()) == [finding_json(at(1))]


def test_an_unchanged_finding_writes_nothing(projector, database):
    projector.write_findings([finding()], [], {finding().finding_id: "first"}, NOON_MS)
    before = finding_rows(database)
    projector.write_findings([finding()], [], {finding().finding_id: "second"}, NOON_MS + 5)
    assert finding_rows(database) == before == [(1, 0, "first", NOON_MS)]


def test_each_change_of_a_finding_is_a_revision_with_its_cause_and_time(projector, database):
    one = finding()
    projector.write_findings([one], [], {one.finding_id: "first"}, NOON_MS)
    projector.write_findings([finding(severity="high")], [], {one.finding_id: "late swipe"}, NOON_MS + 1)
    assert finding_rows(database) == [(2, 0, "late swipe", NOON_MS + 1)]
    projector.write_findings([], [withdrawn(one)], {one.finding_id: "reversal"}, NOON_MS + 2)
    assert finding_rows(database) == [(3, 0, "reversal", NOON_MS + 2)]


def finding_rows(database) -> list[tuple[int, int, str, int]]:
    columns = (FindingRow.revision, FindingRow.alerted_revision, FindingRow.cause, FindingRow.decided_at_ms)
    with database.read() as session:
        return [tuple(row) for row in session.execute(select(*columns).order_by(FindingRow.finding_id))]


def test_the_withdrawal_of_what_was_never_written_is_nothing(projector, database):
    assert write(projector, withdrawn=[withdrawn(finding())]) == []
    assert finding_rows(database) == []


def test_thousands_of_findings_are_written_and_read(projector):
    many = [finding(person=f"psn-{number}", settlement=f"S-{number}") for number in range(2500)]
    projector.write_findings(many, [], {}, NOON_MS)
    assert len(projector.standing()) == len(list(projector.findings_json())) == 2500


# ------------------------------------------------------------------------------------------------ one alert


def test_a_finding_becomes_an_alert_with_one_reminder(projector, database):
    with database.session() as session:
        AcceptedLog(database).append(session, [record("SETL-000042", till="3")])
    one = finding(settlement="SETL-000042", severity="high")
    (change,) = write(projector, one, cause="face observed")
    (alert,) = alerts(database)
    (notice,) = notices(database)
    assert (change.alert_id, change.institution_id, change.till_id) == (alert.alert_id, STORE, "3")
    assert change.notice_id == notice.notice_id
    assert (alert.detector, alert.severity, alert.route, alert.state) == ("holder_mismatch", "high", "both", "open")
    assert (alert.settlement_id, alert.opened_at_ms, alert.last_anchor_ms) == ("SETL-000042", NOON_MS, NOON_MS)
    assert (notice.kind, notice.institution_id, notice.till_id, notice.created_at_ms) == (
        "reminder",
        STORE,
        "3",
        NOON_MS,
    )
    assert notice.body == {**alert.body, "state": "open"}
    assert notice.body["receipt"] == "000042"
    assert history(database) == [("open", "open", "open")]


def test_projecting_again_does_nothing(projector, database):
    write(projector, finding())
    before = everything(database)
    assert projector.project_alerts(NOON_MS + 1) == []
    assert everything(database) == before


def test_why_an_alert_changed_is_in_its_history(projector, database):
    write(projector, finding(), cause="face_observed o-1")
    write(projector, withdrawn=[withdrawn(finding())], cause="a match came")
    with database.read() as session:
        notes = list(session.scalars(select(AlertHistoryRow.note).order_by(AlertHistoryRow.entry_id)))
    assert notes == ["holder_mismatch raised: face_observed o-1", "holder_mismatch withdrawn: a match came"]


def test_a_till_of_the_key_needs_no_log_and_an_unknown_till_is_every_till(projector, database):
    write(projector, finding("card_batch", till="2"), finding())
    assert sorted(notice.till_id for notice in notices(database)) == ["", "2"]


def test_rules_about_one_person_make_one_alert(projector, database):
    write(projector, at(0), at(0, "frequent_purchase", severity="high"))
    (alert,) = alerts(database)
    assert (alert.severity, alert.detector) == ("high", "frequent_purchase")
    assert kinds(database) == ["reminder"]


def test_another_store_and_another_person_make_their_own(projector, database):
    write(projector, at(0), at(0, person="psn-2"), at(0, store=OTHER_STORE, settlement="S-2"))
    assert len(alerts(database)) == len(notices(database)) == 3


def test_an_episode_ends_after_half_an_hour_without_an_anchor(projector, database):
    write(projector, at(0))
    write(projector, at(30))
    write(projector, at(60.1))
    assert len(alerts(database)) == 2
    assert kinds(database) == ["reminder", "update", "reminder"]


def test_one_more_buyer_replaces_the_card_and_asks_for_nothing_anew(projector, database):
    write(projector, at(0, "card_batch"))
    (alert,) = alerts(database)
    projector.acknowledge(alert.alert_id, "till 1", NOON_MS + 1)
    write(projector, at(1, "card_batch", measure={"buyers": 6}))
    first, second = notices(database)
    assert first.alert_id == second.alert_id
    assert (first.kind, second.kind) == ("reminder", "update")
    assert "已有6位" in str(second.body["frame"])
    (alert,) = alerts(database)
    assert (alert.state, alert.escalate_at_ms) == ("seen", None)


def test_the_same_words_again_are_not_sent(projector, database):
    write(projector, at(0))
    write(projector, at(0, evidence=["o-1", "o-2"]))
    assert kinds(database) == ["reminder"]
    assert [action for action, _, _ in history(database)] == ["open", "change"]


def test_a_fact_of_another_rule_asks_for_attention_again(projector, database):
    write(projector, at(0))
    (alert,) = alerts(database)
    projector.acknowledge(alert.alert_id, "till 1", NOON_MS + 1)
    write(projector, at(1, "frequent_purchase"))
    (alert,) = alerts(database)
    assert (alert.state, kinds(database)) == ("open", ["reminder", "update"])
    assert alert.escalate_at_ms == NOON_MS + MINUTE_MS + 5 * MINUTE_MS


def test_after_the_answer_a_new_receipt_asks_again(projector, database):
    write(projector, at(0))
    (alert,) = alerts(database)
    projector.answer(alert.alert_id, "till 1", "family", "", NOON_MS + 1)
    write(projector, at(5))
    assert (alerts(database)[0].state, kinds(database)) == ("open", ["reminder", "update"])


def test_withdrawn_facts_withdraw_the_alert_and_tell_the_store(projector, database):
    write(projector, at(0), at(0, "frequent_purchase"))
    write(projector, withdrawn=[withdrawn(at(0))])
    write(projector, withdrawn=[withdrawn(at(0, "frequent_purchase"))])
    (alert,) = alerts(database)
    assert (alert.state, alert.escalate_at_ms) == ("withdrawn", None)
    assert kinds(database) == ["reminder", "update", "withdrawn"]
    last = notices(database)[-1]
    assert last.body["facts"] == []
    assert last.body["state"] == "withdrawn"


def test_what_was_raised_and_withdrawn_before_anybody_looked_makes_no_alert(projector, database):
    projector.write_findings([finding()], [], {}, NOON_MS)
    projector.write_findings([], [withdrawn(finding())], {}, NOON_MS)
    assert projector.project_alerts(NOON_MS) == []
    assert alerts(database) == []
    assert projector.project_alerts(NOON_MS) == []


def test_a_finding_that_comes_back_opens_its_alert_again(projector, database):
    write(projector, at(0))
    write(projector, withdrawn=[withdrawn(at(0))])
    write(projector, at(0))
    (alert,) = alerts(database)
    assert (alert.state, kinds(database)) == ("open", ["reminder", "withdrawn", "reminder"])
    assert alert.escalate_at_ms == NOON_MS + 5 * MINUTE_MS


def test_a_new_finding_of_the_episode_opens_a_withdrawn_alert_again(projector, database):
    write(projector, at(0))
    write(projector, withdrawn=[withdrawn(at(0))])
    write(projector, at(5))
    (alert,) = alerts(database)
    assert (alert.state, kinds(database)) == ("open", ["reminder", "withdrawn", "reminder"])


def test_shadow_findings_make_no_alert(projector, database):
    assert write(projector, finding(mode="shadow")) == []
    assert alerts(database) == []


def test_a_rule_of_the_centre_makes_an_alert_without_a_notice_or_a_deadline(projector, database):
    (change,) = write(projector, finding("card_ring"))
    (alert,) = alerts(database)
    assert (alert.route, alert.escalate_at_ms, change.notice_id) == ("centre", None, None)
    assert notices(database) == []
    write(projector, withdrawn=[withdrawn(finding("card_ring"))])
    assert notices(database) == []


def test_a_stale_anchor_goes_to_the_centre_by_the_time_of_its_decision(projector, database):
    projector.write_findings([at(0)], [], {}, LATE_MS)
    projector.project_alerts(LATE_MS)
    assert (alerts(database)[0].route, notices(database)) == ("centre", [])


def test_a_fresh_decision_is_told_even_if_a_kill_kept_it_waiting(projector, database):
    projector.write_findings([at(0)], [], {}, NOON_MS)
    projector.project_alerts(LATE_MS)
    assert (alerts(database)[0].route, kinds(database)) == ("both", ["reminder"])


def test_a_card_that_moves_to_another_till_is_taken_back_at_the_first(projector, database):
    with database.session() as session:
        records = [record("S-1", till="1"), record("S-2", till="2")]
        AcceptedLog(database).append(session, records)
    write(projector, at(0, settlement="S-1"))
    (change,) = write(projector, at(5, settlement="S-2"))
    told = [(notice.till_id, notice.kind) for notice in notices(database)]
    assert told == [("1", "reminder"), ("1", "withdrawn"), ("2", "update")]
    assert change.notice_id == notices(database)[-1].notice_id
    write(projector, withdrawn=[withdrawn(at(0, settlement="S-1")), withdrawn(at(5, settlement="S-2"))])
    assert (notices(database)[-1].till_id, notices(database)[-1].kind) == ("2", "withdrawn")


def test_a_silenced_rule_makes_no_alert_and_the_finding_stays(projector, database):
    entity, ends_ms = f"person_id={PERSON}", NOON_MS + MINUTE_MS
    with database.session() as session:
        session.add(
            SnoozeRow(detector="holder_mismatch", entity=entity, reason="twins", by="operator", until_ms=ends_ms)
        )
    assert write(projector, at(0)) == []
    assert (alerts(database), len(projector.standing())) == ([], 1)
    write(projector, at(1))  # the silence has ended
    assert kinds(database) == ["reminder"]


def test_notices_are_told_in_the_order_of_their_anchors(projector, database):
    projector.write_findings([at(minute, person=f"psn-{minute}") for minute in (5, 1, 3, 2, 4)], [], {}, NOON_MS)
    projector.project_alerts(NOON_MS)
    times = [notice.body["time_ms"] for notice in notices(database)]
    assert times == [NOON_MS + minute * MINUTE_MS for minute in range(1, 6)]


def test_more_findings_than_one_transaction_takes_are_all_told(projector, database, monkeypatch):
    monkeypatch.setattr("storage.projector.PENDING_BATCH", 7)
    projector.write_findings([at(0, person=f"psn-{number}") for number in range(30)], [], {}, NOON_MS)
    assert len(projector.project_alerts(NOON_MS)) == len(alerts(database)) == len(notices(database)) == 30


def test_the_first_stores_are_told_while_the_others_are_still_to_be_written(projector, database, monkeypatch):
    monkeypatch.setattr("storage.projector.FIRST_BATCH", 2)
    projector.write_findings([at(0, person=f"psn-{number}") for number in range(9)], [], {}, NOON_MS)
    told: list[tuple[int, int]] = []
    changes = projector.project_alerts(NOON_MS, lambda some: told.append((len(some), len(notices(database)))))
    assert told == [(2, 2), (4, 6), (3, 9)]
    assert [change.notice_id for change in changes] == [notice.notice_id for notice in notices(database)]


def test_what_was_written_before_a_failure_was_told(projector, database, monkeypatch):
    monkeypatch.setattr("storage.projector.FIRST_BATCH", 2)
    projector.write_findings([at(0, person=f"psn-{number}") for number in range(9)], [], {}, NOON_MS)
    told: list[str] = []

    def tell(changes: Sequence[AlertChange]) -> None:
        told.extend(change.alert_id for change in changes)
        if len(told) == 6:
            raise DatabaseUnavailable("gone")

    with pytest.raises(DatabaseUnavailable):
        projector.project_alerts(NOON_MS, tell)
    told += [change.alert_id for change in projector.project_alerts(NOON_MS)]
    assert len(told) == len(set(told)) == len(notices(database)) == 9


def test_the_size_of_a_transaction_changes_nothing(database, monkeypatch):
    story = [at(minute, detector) for minute in range(0, 50, 2) for detector in ("holder_mismatch", "card_batch")]
    projector = Projector(database, policy())
    projector.write_findings(story, [], {}, NOON_MS)
    projector.project_alerts(NOON_MS)
    together = {frozenset(members) for members in members_of(database).values()}
    with database.session() as session:
        for table in ("alert_term", "notice", "alert_history", "alert_finding", "alert", "finding"):
            session.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - names from the line above
    monkeypatch.setattr("storage.projector.PENDING_BATCH", 3)
    projector.write_findings(story, [], {}, NOON_MS)
    projector.project_alerts(NOON_MS)
    assert {frozenset(members) for members in members_of(database).values()} == together


def members_of(database) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    with database.read() as session:
        for alert_id, finding_id in session.execute(select(AlertFindingRow.alert_id, AlertFindingRow.finding_id)):
            found.setdefault(alert_id, set()).add(finding_id)
    return found


def test_looking_for_pending_findings_does_not_read_the_others(file_database):
    query = "EXPLAIN QUERY PLAN SELECT finding_id FROM finding WHERE alerted_revision < revision"
    with file_database.read() as session:
        plan = str(session.execute(text(f"{query} ORDER BY occurred_at_ms, detector, finding_id LIMIT 9")).all())
    assert "ix_finding_pending" in plan
    assert "TEMP B-TREE" not in plan


# ------------------------------------------------------------------------------------------------ closed alerts


def closed_alert(projector, database) -> str:
    write(projector, at(0))
    (alert,) = alerts(database)
    projector.close(alert.alert_id, "operator", "family, agent registered", NOON_MS + 1)
    return alert.alert_id


def test_a_closed_alert_stays_as_it_was_closed(projector, database):
    alert_id = closed_alert(projector, database)
    write(projector, at(0, measure={"mismatches": 3}))
    write(projector, withdrawn=[withdrawn(at(0))])
    (alert,) = alerts(database)
    assert (alert.alert_id, alert.state, kinds(database)) == (alert_id, "closed", ["reminder"])
    assert [action for action, _, _ in history(database)] == ["open", "close", "change", "change"]


def test_a_new_finding_of_the_episode_opens_a_new_alert_after_closing(projector, database):
    first = closed_alert(projector, database)
    write(projector, at(5))
    states = {alert.alert_id: alert.state for alert in alerts(database)}
    assert sorted(states.values()) == ["closed", "open"]
    assert states[first] == "closed"


def test_a_finding_that_grows_worse_after_closing_opens_a_new_alert(projector, database):
    closed_alert(projector, database)
    write(projector, at(0, severity="high"))
    assert sorted(alert.state for alert in alerts(database)) == ["closed", "open"]
    assert kinds(database) == ["reminder", "reminder"]
    write(projector, at(0, severity="critical"))
    assert kinds(database) == ["reminder", "reminder", "update"]


def test_a_finding_that_comes_back_after_closing_opens_a_new_alert(projector, database):
    closed_alert(projector, database)
    write(projector, withdrawn=[withdrawn(at(0))])
    write(projector, at(0))
    assert sorted(alert.state for alert in alerts(database)) == ["closed", "open"]


# ------------------------------------------------------------------------------------------------ people and clocks


def opened(projector, database) -> str:
    write(projector, at(0))
    return alerts(database)[0].alert_id


def test_delivered_seen_acknowledged_answered_closed(projector, database):
    alert_id = opened(projector, database)
    projector.deliver(alert_id, "terminal 1", NOON_MS + 1)
    projector.see(alert_id, "terminal 1", NOON_MS + 2)
    projector.acknowledge(alert_id, "terminal 1", NOON_MS + 3)
    projector.answer(alert_id, "terminal 1", "agent_registered", "son of the holder", NOON_MS + 4)
    projector.close(alert_id, "operator", "authorised", NOON_MS + 5)
    assert history(database) == [
        ("open", "open", "open"),
        ("deliver", "open", "delivered"),
        ("see", "delivered", "seen"),
        ("acknowledge", "seen", "seen"),
        ("answer", "seen", "answered"),
        ("close", "answered", "closed"),
    ]
    (alert,) = alerts(database)
    assert (alert.answer, alert.answer_text, alert.answered_at_ms) == (
        "agent_registered",
        "son of the holder",
        NOON_MS + 4,
    )
    assert (alert.state, alert.changed_at_ms) == ("closed", NOON_MS + 5)


def test_a_report_made_twice_is_one_line_of_history(projector, database):
    alert_id = opened(projector, database)
    assert projector.deliver(alert_id, "terminal 1", NOON_MS + 1) is not None
    assert projector.deliver(alert_id, "terminal 1", NOON_MS + 2) is None
    assert projector.acknowledge(alert_id, "terminal 1", NOON_MS + 3) is not None
    assert projector.acknowledge(alert_id, "terminal 1", NOON_MS + 4) is None
    assert projector.deliver(alert_id, "terminal 2", NOON_MS + 5) is not None
    assert [action for action, _, _ in history(database)] == ["open", "deliver", "acknowledge", "deliver"]


def test_an_acknowledgement_counts_again_after_new_facts(projector, database):
    alert_id = opened(projector, database)
    projector.acknowledge(alert_id, "terminal 1", NOON_MS + 1)
    write(projector, at(1, "frequent_purchase"))
    projector.see(alert_id, "terminal 1", NOON_MS + MINUTE_MS + 1)
    assert projector.acknowledge(alert_id, "terminal 1", NOON_MS + MINUTE_MS + 2) is not None
    assert alerts(database)[0].escalate_at_ms is None


def test_a_later_answer_replaces_the_first_and_the_history_keeps_both(projector, database):
    alert_id = opened(projector, database)
    projector.answer(alert_id, "till", "other", "one moment", NOON_MS + 1)
    projector.answer(alert_id, "till", "need_help", "", NOON_MS + 2)
    (alert,) = alerts(database)
    assert (alert.answer, alert.answer_text) == ("need_help", "")
    with database.read() as session:
        notes = list(session.scalars(select(AlertHistoryRow.note).order_by(AlertHistoryRow.entry_id)))
    assert notes[1:] == ["other: one moment", "need_help"]


def test_reports_about_a_withdrawn_alert_are_kept_as_history(projector, database):
    alert_id = opened(projector, database)
    write(projector, withdrawn=[withdrawn(at(0))])
    projector.see(alert_id, "till", NOON_MS + 1)
    projector.answer(alert_id, "till", "other", "it was his wife", NOON_MS + 2)
    (alert,) = alerts(database)
    assert (alert.state, alert.answer) == ("withdrawn", "other")
    assert [action for action, _, _ in history(database)] == ["open", "withdraw", "see", "answer"]


def test_an_illegal_action_raises_and_changes_nothing(projector, database):
    alert_id = closed_alert(projector, database)
    before = everything(database)
    with pytest.raises(IllegalTransition, match="closed cannot take answer"):
        projector.answer(alert_id, "till", "other", "", NOON_MS + 9)
    with pytest.raises(IllegalTransition):
        projector.close(alert_id, "operator", "again", NOON_MS + 9)
    assert everything(database) == before


def test_an_unknown_alert_is_a_lookup_error(projector):
    with pytest.raises(UnknownAlert):
        projector.acknowledge("no-such-alert", "till", NOON_MS)


def test_an_alert_that_nobody_acknowledged_in_time_is_escalated_once(projector, database):
    alert_id = opened(projector, database)
    projector.see(alert_id, "till", NOON_MS + 1)
    deadline_ms = NOON_MS + 5 * MINUTE_MS
    assert projector.escalate_overdue(deadline_ms - 1) == []
    (change,) = projector.escalate_overdue(deadline_ms)
    assert (change.alert_id, change.notice_id) == (alert_id, None)
    assert projector.escalate_overdue(deadline_ms + 1) == []
    assert (alerts(database)[0].state, history(database)[-1]) == ("escalated", ("escalate", "seen", "escalated"))


def test_an_escalated_alert_may_still_be_answered(projector, database):
    alert_id = opened(projector, database)
    projector.escalate_overdue(LATE_MS)
    projector.answer(alert_id, "till", "device_fault", "", LATE_MS + 1)
    assert alerts(database)[0].state == "answered"


@pytest.mark.parametrize("act", ["acknowledge", "answer", "close", "withdraw"])
def test_what_ends_the_waiting_ends_the_deadline(projector, database, act):
    alert_id = opened(projector, database)
    if act == "withdraw":
        write(projector, withdrawn=[withdrawn(at(0))])
    elif act == "answer":
        projector.answer(alert_id, "till", "other", "", NOON_MS + 1)
    elif act == "close":
        projector.close(alert_id, "operator", "done", NOON_MS + 1)
    else:
        projector.acknowledge(alert_id, "till", NOON_MS + 1)
    assert alerts(database)[0].escalate_at_ms is None
    assert projector.escalate_overdue(LATE_MS) == []


def test_a_rule_without_a_deadline_is_never_escalated(database):
    projector = Projector(database, policy(escalate_after_ms=None))
    write(projector, at(0))
    assert projector.escalate_overdue(LATE_MS) == []


def test_new_facts_about_an_escalated_alert_leave_it_with_the_centre(projector, database):
    opened(projector, database)
    projector.escalate_overdue(NOON_MS + 6 * MINUTE_MS)
    write(projector, at(7, "frequent_purchase"))
    (alert,) = alerts(database)
    assert (alert.state, alert.escalate_at_ms, kinds(database)) == ("escalated", None, ["reminder", "update"])


def test_nothing_a_store_is_shown_names_the_person(projector, database):
    write(projector, *(at(0, name, settlement="S-1") for name in ("holder_mismatch", "frequent_purchase", "card_ring")))
    write(projector, withdrawn=[withdrawn(at(0, "holder_mismatch", settlement="S-1"))])
    assert notices(database)
    for notice in notices(database):
        assert PERSON not in str(notice.body)
        assert "psn-" not in str(notice.body)
