"""Kept pictures and accepted events, as pages show them beside an alert or a camera."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from events.identity import identity_text
from storage.models import AcceptedEvent, StillRow

IDS_PER_STATEMENT = 500


class Still(msgspec.Struct, frozen=True, kw_only=True):
    """A kept picture, without its bytes."""

    still_id: str
    observation_id: str
    settlement_id: str | None
    camera_id: str
    captured_at_ms: int


class LoggedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted event with its original bytes."""

    seq: int
    identity: str
    type: str
    institution_id: str | None
    occurred_at_ms: int
    received_at_ms: int
    sender: str
    original: bytes


def stills_of(session: Session, settlement_or_observation_ids: Collection[str]) -> list[Still]:
    """Returns the kept pictures of these swipes or observations, in time order; of more than 500, some."""
    wanted = sorted(settlement_or_observation_ids)[:IDS_PER_STATEMENT]
    statement = select(StillRow).where(_is_of(wanted), StillRow.removed_at_ms.is_(None))
    rows = session.scalars(statement.order_by(StillRow.captured_at_ms, StillRow.still_id))
    return [still_of(row) for row in rows]


def stills_removed_at_ms(session: Session, settlement_or_observation_ids: Collection[str]) -> int | None:
    """Returns when the last of the pictures that were deleted was."""
    wanted = sorted(settlement_or_observation_ids)[:IDS_PER_STATEMENT]
    return session.scalar(select(func.max(StillRow.removed_at_ms)).where(_is_of(wanted)))


def _is_of(settlement_or_observation_ids: Collection[str]) -> ColumnElement[bool]:
    wanted = list(settlement_or_observation_ids)
    return StillRow.settlement_id.in_(wanted) | StillRow.observation_id.in_(wanted)


def newest_still(session: Session, camera_id: str) -> StillRow | None:
    """Returns the newest kept picture of a camera, or None when it has none."""
    kept = select(StillRow).where(StillRow.camera_id == camera_id, StillRow.removed_at_ms.is_(None))
    return session.scalar(kept.order_by(StillRow.captured_at_ms.desc()).limit(1))


def still_of(row: StillRow) -> Still:
    """Returns a row as the picture that pages know."""
    return Still(
        still_id=row.still_id,
        observation_id=row.observation_id,
        settlement_id=row.settlement_id,
        camera_id=row.camera_id,
        captured_at_ms=row.captured_at_ms,
    )


def events_of(session: Session, ids: Collection[str]) -> list[LoggedEvent]:
    """Returns the accepted events that findings cite by these ids, in time order."""
    wanted = sorted(ids)[:IDS_PER_STATEMENT]
    cited_types = ("swipe", "face_observed", "stock_movement", "account_injection", "visitor_correction")
    identities = [identity_text(kind, one) for one in wanted for kind in cited_types]
    statement = select(AcceptedEvent).where(AcceptedEvent.identity.in_(identities))
    rows = session.scalars(statement.order_by(AcceptedEvent.occurred_at_ms, AcceptedEvent.identity))
    return [
        LoggedEvent(
            seq=row.seq,
            identity=row.identity.partition(":")[2],
            type=row.type,
            institution_id=row.institution_id,
            occurred_at_ms=row.occurred_at_ms,
            received_at_ms=row.received_at_ms,
            sender=row.sender,
            original=row.original,
        )
        for row in rows
    ]


def delays_of(session: Session, identities: Collection[str]) -> dict[str, int]:
    """Returns, of the identities that are events of the log, how long after it happened each came in."""
    wanted = sorted(identities)[:IDS_PER_STATEMENT]
    columns = (AcceptedEvent.identity, AcceptedEvent.received_at_ms - AcceptedEvent.occurred_at_ms)
    query = select(*columns).where(AcceptedEvent.identity.in_(wanted))
    return {row.identity: row[1] for row in session.execute(query)}
