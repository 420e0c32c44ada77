"""What people and clocks do to one alert: reports, answers, escalation, closing. Each leaves a line of history."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from alerts.lifecycle import REPORTS, Action, State, advance
from storage.errors import UnknownAlert
from storage.log import chunks
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
    session.execute(insert(AlertHistoryRow), [_entry(alert, act, before)])
    return change_of(alert)


def deliver_all(session: Session, received: Sequence[tuple[str, str]], now_ms: int) -> list[AlertChange]:
    """Returns the alerts that are now on record as received by an actor's terminal; where that was known, not.

    Many at once cost little more than one. An alert that is closed, or unknown, needs no delivery and is left out.

    Args: `received` are pairs of alert and actor.
    """
    known: dict[str, AlertRow] = {}
    for some in chunks(dict.fromkeys(alert_id for alert_id, _ in received)):
        known.update(
            (row.alert_id, row) for row in session.scalars(select(AlertRow).where(AlertRow.alert_id.in_(some)))
        )
    changed: dict[str, AlertChange] = {}
    history: list[dict[str, object]] = []
    for alert_id, actor in received:
        alert = known.get(alert_id)
        if alert is not None and alert.state == "open":
            alert.state, alert.changed_at_ms = advance("open", "deliver"), now_ms
            entry = _entry(alert, Act(action="deliver", actor=actor, at_ms=now_ms), "open")
            history.append(entry)
            changed[alert_id] = change_of(alert)
    if history:
        session.execute(insert(AlertHistoryRow), history)
    return list(changed.values())


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


def _entry(alert: AlertRow, act: Act, before: State) -> dict[str, object]:
    """Returns the line of history of what brought the alert from its state `before` to that of now."""
    return {
        "alert_id": alert.alert_id,
        "at_ms": act.at_ms,
        "actor": act.actor,
        "action": act.action,
        "from_state": before,
        "to_state": alert.state,
        "note": act.note,
    }


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
