from __future__ import annotations

import threading
import time
from itertools import pairwise

import pytest
from sqlalchemy import select

from alerts.lifecycle import TABLE
from storage.models import AlertHistoryRow, NoticeRow
from storage.projector import Projector
from tests.alerts.builders import NOON_MS, finding, policy
from tests.storage.projections import alerts, history, notices

FINDINGS = 40
DEADLINE_S = 60.0


@pytest.mark.slow
def test_terminals_that_resume_from_the_last_id_see_every_notice_once_while_alerts_are_written(database):
    projector = Projector(database, policy())
    written = threading.Event()
    seen: list[int] = []

    def write_all() -> None:
        for number in range(FINDINGS):
            one = finding(person=f"psn-{number % 20}", settlement=f"S-{number:06d}", at_ms=NOON_MS + number)
            projector.write_findings([one], [], {}, NOON_MS + number)
            projector.project_alerts(NOON_MS + number)
        written.set()

    def follow() -> None:
        ends = time.monotonic() + DEADLINE_S
        while time.monotonic() < ends:
            is_last_round = written.is_set()
            with database.read() as session:
                query = select(NoticeRow.notice_id, NoticeRow.alert_id).order_by(NoticeRow.notice_id)
                fresh = session.execute(query.where(NoticeRow.notice_id > max(seen, default=0))).all()
            for notice_id, alert_id in fresh:
                seen.append(notice_id)
                projector.deliver(alert_id, "terminal", NOON_MS)
                projector.acknowledge(alert_id, "terminal", NOON_MS)
            if is_last_round:
                return

    threads = [threading.Thread(target=write_all), threading.Thread(target=follow)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=DEADLINE_S)

    assert seen == [notice.notice_id for notice in notices(database)]
    assert seen == sorted(set(seen))
    assert len(alerts(database)) == 20
    assert {alert.state for alert in alerts(database)} == {"seen"}


@pytest.mark.slow
def test_an_acknowledgement_and_an_answer_at_the_same_moment_leave_a_lawful_history(database):
    projector = Projector(database, policy())
    projector.write_findings([finding()], [], {}, NOON_MS)
    (change,) = projector.project_alerts(NOON_MS)
    start = threading.Barrier(4)

    def act(number: int) -> None:
        start.wait(timeout=DEADLINE_S)
        projector.deliver(change.alert_id, f"terminal {number}", NOON_MS)
        projector.acknowledge(change.alert_id, f"terminal {number}", NOON_MS)
        projector.answer(change.alert_id, f"terminal {number}", "other", str(number), NOON_MS)

    threads = [threading.Thread(target=act, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=DEADLINE_S)

    states = [(before, after) for _, before, after in history(database)]
    assert all(later[0] == earlier[1] for earlier, later in pairwise(states))
    assert all(before == after or after in TABLE[before].values() for before, after in states)  # type: ignore[index]
    assert alerts(database)[0].state == "answered"
    with database.read() as session:
        answers = list(session.scalars(select(AlertHistoryRow.note).where(AlertHistoryRow.action == "answer")))
    assert sorted(answers) == ["other: 0", "other: 1", "other: 2", "other: 3"]
    assert alerts(database)[0].answer_text == answers[-1].removeprefix("other: ")
