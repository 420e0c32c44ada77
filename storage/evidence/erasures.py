"""Whose evidence may not come back: that of a swipe whose holder was erased since."""

from __future__ import annotations

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.models import AcceptedEvent, AccessChangeRow


class _Holder(msgspec.Struct, frozen=True):
    person_id: str


_HOLDER = msgspec.json.Decoder(_Holder)


def was_erased_since(session: Session, settlement_id: str) -> bool:
    """Returns whether the swipe's holder was erased at its time or later; False for one that the log does not have."""
    query = select(AcceptedEvent.original, AcceptedEvent.occurred_at_ms).where(
        AcceptedEvent.settlement_id == settlement_id, AcceptedEvent.type == "swipe"
    )
    swipe = session.execute(query).one_or_none()
    if swipe is None:
        return False
    erased = select(AccessChangeRow.change_id).where(
        AccessChangeRow.subject == _HOLDER.decode(swipe.original).person_id,
        AccessChangeRow.action == "erased",
        AccessChangeRow.at_ms >= swipe.occurred_at_ms,
    )
    return session.scalar(erased.limit(1)) is not None
