"""Alerts as cards show them, with their findings and the picture that shows the most."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from events.findings import Finding
from storage.models import AlertFindingRow, AlertRow, FindingRow
from storage.queries.bodies import Body
from storage.queries.evidence import Still, stills_of


class AlertSummary(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as a card shows it; `still_id` is the picture that shows the most of it, if any is kept."""

    alert_id: str
    institution_id: str
    till_id: str
    detector: str
    severity: str
    route: str
    state: str
    settlement_id: str
    opened_at_ms: int
    changed_at_ms: int
    escalate_at_ms: int | None
    answer: str | None
    answer_text: str | None
    answered_at_ms: int | None
    body: Body
    still_id: str | None


class AlertFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding of an alert; `standing` is False once it was withdrawn."""

    finding: Finding
    standing: bool
    to_store: bool
    cause: str
    decided_at_ms: int


def summaries(session: Session, statement: Select[AlertRow]) -> list[AlertSummary]:
    """Returns the alerts that a statement finds, in its order."""
    rows = list(session.scalars(statement))
    findings = findings_of(session, [row.alert_id for row in rows])
    stills: dict[str | None, list[Still]] = {}
    for still in stills_of(session, {row.settlement_id for row in rows}):
        stills.setdefault(still.settlement_id, []).append(still)
    return [_summary(row, findings[row.alert_id], stills.get(row.settlement_id, [])) for row in rows]


def _summary(row: AlertRow, findings: Sequence[AlertFinding], stills: Sequence[Still]) -> AlertSummary:
    body = msgspec.convert(row.body, Body)
    cited = {each for one in findings for each in one.finding.evidence}
    return AlertSummary(
        alert_id=row.alert_id,
        institution_id=row.institution_id,
        till_id=row.till_id,
        detector=row.detector,
        severity=row.severity,
        route=row.route,
        state=row.state,
        settlement_id=row.settlement_id,
        opened_at_ms=row.opened_at_ms,
        changed_at_ms=row.changed_at_ms,
        escalate_at_ms=row.escalate_at_ms,
        answer=row.answer,
        answer_text=row.answer_text,
        answered_at_ms=row.answered_at_ms,
        body=body,
        still_id=telling_still(stills, cited, body.time_ms),
    )


def telling_still(stills: Sequence[Still], cited: Collection[str], time_ms: int) -> str | None:
    """Returns the picture of an observation that was counted, else the one nearest to the swipe."""
    if not stills:
        return None
    return min(
        stills, key=lambda s: (s.observation_id not in cited, abs(s.captured_at_ms - time_ms), s.still_id)
    ).still_id


def findings_of(session: Session, alert_ids: Sequence[str]) -> Mapping[str, list[AlertFinding]]:
    """Returns the findings of each of these alerts, the newest first."""
    found: dict[str, list[AlertFinding]] = {alert_id: [] for alert_id in alert_ids}
    statement = (
        select(AlertFindingRow, FindingRow)
        .join(FindingRow, FindingRow.finding_id == AlertFindingRow.finding_id)
        .where(AlertFindingRow.alert_id.in_(alert_ids))
        .order_by(FindingRow.occurred_at_ms.desc(), FindingRow.detector, FindingRow.finding_id)
    )
    for link, row in session.execute(statement):
        found[link.alert_id].append(
            AlertFinding(
                finding=msgspec.json.decode(row.body, type=Finding),
                standing=link.standing,
                to_store=link.to_store,
                cause=row.cause,
                decided_at_ms=row.decided_at_ms,
            )
        )
    return found
