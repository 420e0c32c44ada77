"""What people and clocks do to one alert: reports, answers, escalation, closing. Each leaves a line of history."""

from __future__ import annotations

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.lifecycle import REPORTS, Action, State, advance
from storage.errors import UnknownAlert
from storage.models import AlertHistoryRow, AlertRow


class AlertChange(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that changed, and the notice that its store is to be shown, if any."""

    alert_id: str
    institution_id: str
    till_id: str
    notice_id: int | None = None


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Who does what to an alert, when (UTC ms), and in which words."""

    action: Action
    actor: str
    at_ms: int
    note: str = ""


def act_on(session: Session, alert_id: str, act: Act) -> AlertChange | None:
    """Returns the alert as changed, or None where the same report by the same actor is already in its history.

    Raises: UnknownAlert; IllegalTransition. Nothing has changed then.
    """
    alert = alert_row(session, alert_id)
    before = state_of(alert)
    after = advance(before, act.action)
    if after == before and act.action in REPORTS and _is_known(session, alert_id, act, after):
        return None
    if act.action in {"acknowledge", "answer", "escalate", "close"}:
        alert.escalate_at_ms = None
    alert.state, alert.changed_at_ms = after, act.at_ms
    session.add(
        AlertHistoryRow(
            alert_id=alert_id,
            at_ms=act.at_ms,
            actor=act.actor,
            action=act.action,
            from_state=before,
            to_state=after,
            note=act.note,
        )
    )
    return change_of(alert)


def record_answer(session: Session, alert_id: str, kind: str, act: Act) -> AlertChange:
    """Returns the alert as answered; the answer replaces an earlier one, which stays in the history.

    Raises: UnknownAlert; IllegalTransition for a closed alert.
    """
    alert = alert_row(session, alert_id)
    noted = msgspec.structs.replace(act, note=f"{kind}: {act.note}" if act.note else kind)
    act_on(session, alert_id, noted)
    alert.answer, alert.answer_text, alert.answered_at_ms = kind, act.note, act.at_ms
    return change_of(alert)


def overdue(session: Session, now_ms: int) -> list[str]:
    """Returns the alerts that nobody acknowledged in time, the longest waiting first."""
    query = (
        select(AlertRow.alert_id)
        .where(AlertRow.escalate_at_ms <= now_ms, AlertRow.state.in_(("open", "delivered", "seen")))
        .order_by(AlertRow.escalate_at_ms, AlertRow.alert_id)
    )
    return list(session.scalars(query))


def alert_row(session: Session, alert_id: str) -> AlertRow:
    """Returns the row of an alert.

    Raises: UnknownAlert.
    """
    alert = session.get(AlertRow, alert_id)
    if alert is None:
        raise UnknownAlert(alert_id)
    return alert


def state_of(alert: AlertRow) -> State:
    """Returns the state that a row names."""
    state: State = msgspec.convert(alert.state, State)
    return state


def change_of(alert: AlertRow, notice_id: int | None = None) -> AlertChange:
    """Returns what is published of a change."""
    return AlertChange(
        alert_id=alert.alert_id, institution_id=alert.institution_id, till_id=alert.till_id, notice_id=notice_id
    )


def _is_known(session: Session, alert_id: str, act: Act, state: State) -> bool:
    """Whether the same report by the same actor is in the history since the alert came into its state."""
    of_alert = AlertHistoryRow.alert_id == alert_id
    arrival = (
        select(func.max(AlertHistoryRow.entry_id))
        .where(of_alert, AlertHistoryRow.from_state != AlertHistoryRow.to_state)
        .scalar_subquery()
    )
    same = select(AlertHistoryRow.entry_id).where(
        of_alert,
        AlertHistoryRow.entry_id >= func.coalesce(arrival, 0),
        AlertHistoryRow.actor == act.actor,
        AlertHistoryRow.action == act.action,
        AlertHistoryRow.to_state == state,
    )
    return session.scalar(same.limit(1)) is not None
