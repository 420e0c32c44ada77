"""Findings as they stand: written once for each change, read back byte for byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from events.findings import Finding, finding_json
from storage.database import Database
from storage.log import chunks
from storage.models import FindingRow, SupersededFindingRow
from storage.upsert import insert_new, upsert

_DECODER = msgspec.json.Decoder(Finding)


def write_changes(
    session: Session,
    raised: Sequence[Finding],
    withdrawn: Sequence[Finding],
    cause: Mapping[str, str],
    now_ms: int,
    partition: int | None = None,
) -> None:
    """Afterwards the findings stand as given; what stood with the same bytes is not touched, so its revision stays.

    A withdrawal of a finding that was never written is nothing. A finding both withdrawn and raised is raised.
    """
    wanted = {finding.finding_id: finding for finding in (*withdrawn, *raised)}
    known = _known(session, wanted)
    rows, superseded = [], []
    for finding_id, finding in sorted(wanted.items()):  # in one order, so that no two writers wait for each other
        body, before = finding_json(finding), known.get(finding_id)
        if before is None and finding.status == "withdrawn":
            continue
        if before is None or before.body != body:
            revision, alerted = (0, 0) if before is None else (before.revision, before.alerted)
            rows.append(_row(finding, body, cause.get(finding_id, ""), now_ms, (revision + 1, alerted), partition))
            if before is not None:
                superseded.append(_superseded(finding_id, before))
    upsert(session, FindingRow, rows, "finding_id")
    insert_new(session, SupersededFindingRow, superseded, "finding_id", "revision")


def standing_findings(database: Database, partition: int | None = None) -> list[Finding]:
    """Returns the findings that are not withdrawn, all or those of one partition, in no order."""
    query = select(FindingRow.body).where(FindingRow.status == "raised")
    if partition is not None:
        query = query.where(FindingRow.partition == partition)
    with database.read() as session:
        return [_DECODER.decode(body) for body in session.scalars(query)]


def standing_json(database: Database) -> Iterator[bytes]:
    """Yields the JSON bytes of all findings that are not withdrawn as of one moment, in replay's order."""
    order = (FindingRow.occurred_at_ms, FindingRow.detector, FindingRow.finding_id)
    query = select(FindingRow.body).where(FindingRow.status == "raised").order_by(*order)
    with database.read() as session:
        yield from session.scalars(query, execution_options={"yield_per": 1000})


def decode_finding(body: bytes) -> Finding:
    """Returns the finding that a row's body holds."""
    return _DECODER.decode(body)


class _Known(NamedTuple):
    """A finding's row as it stands."""

    body: bytes
    revision: int
    alerted: int
    cause: str
    decided_at_ms: int


def _known(session: Session, finding_ids: Iterable[str]) -> dict[str, _Known]:
    row = FindingRow
    columns = (row.finding_id, row.body, row.revision, row.alerted_revision, row.cause, row.decided_at_ms)
    known = {}
    for some in chunks(finding_ids):
        query = select(*columns).where(row.finding_id.in_(some))
        for finding_id, body, revision, alerted, cause, decided_at_ms in session.execute(query):
            known[finding_id] = _Known(body, revision, alerted, cause, decided_at_ms)
    return known


def _superseded(finding_id: str, before: _Known) -> dict[str, object]:
    return {
        "finding_id": finding_id,
        "revision": before.revision,
        "body": before.body,
        "cause": before.cause,
        "decided_at_ms": before.decided_at_ms,
    }


def _row(
    finding: Finding, body: bytes, cause: str, now_ms: int, revisions: tuple[int, int], partition: int | None
) -> dict[str, object]:
    return {
        "finding_id": finding.finding_id,
        "detector": finding.detector,
        "status": finding.status,
        "settlement_id": finding.settlement_id,
        "institution_id": finding.institution_id,
        "occurred_at_ms": finding.occurred_at_ms,
        "severity": finding.severity,
        "mode": finding.mode,
        "body": body,
        "cause": cause,
        "decided_at_ms": now_ms,
        "revision": revisions[0],
        "alerted_revision": revisions[1],
        "partition": partition,
    }
