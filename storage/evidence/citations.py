"""Which evidence alerts cite: by its swipe or its observation, in whatever state the alert is."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from events.findings import Finding, Severity, severity_rank
from storage.alerts.search import WAITING_STATES
from storage.alerts.terms import cited_by, receipt_term
from storage.log import chunks
from storage.models import AlertFindingRow, AlertRow, AlertTermRow, FindingRow

_FINDING = msgspec.json.Decoder(Finding)


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """The gravest of the alerts that cite something, and whether one of them still waits for somebody."""

    severity: Severity
    is_waiting: bool


def citations(session: Session, ids: Collection[str]) -> Mapping[str, Citation]:
    """Returns those of the settlement or observation ids that alerts cite."""
    found: dict[str, Citation] = {}
    for some in chunks({receipt_term(one) for one in ids}):  # alerts are found by how an id ends
        query = (
            select(FindingRow.body, AlertRow.severity, AlertRow.state)
            .join(AlertFindingRow, AlertFindingRow.finding_id == FindingRow.finding_id)
            .join(AlertRow, AlertRow.alert_id == AlertFindingRow.alert_id)
            .where(AlertRow.alert_id.in_(select(AlertTermRow.alert_id).where(AlertTermRow.term.in_(some))))
        )
        for body, severity, state in session.execute(query):
            one = Citation(severity=msgspec.convert(severity, Severity), is_waiting=state in WAITING_STATES)
            for cited_id in cited_by(_FINDING.decode(body)):
                found[cited_id] = graver(found.get(cited_id), one) or one
    return {one: found[one] for one in ids if one in found}


def graver(one: Citation | None, other: Citation | None) -> Citation | None:
    """Returns what both say together: the greater severity, and waiting if one of them is."""
    if one is None or other is None:
        return one or other
    return Citation(
        severity=max(one.severity, other.severity, key=severity_rank), is_waiting=one.is_waiting or other.is_waiting
    )
