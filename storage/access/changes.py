"""The trail of who may come in, of cameras, enrolled faces and visitors: every change with who made it and when."""

from __future__ import annotations

from typing import Literal, NamedTuple, cast, get_args

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.database import Database
from storage.models import AccessChangeRow

ChangedKind = Literal["account", "sender", "terminal", "agent", "camera", "enrolment", "staff", "visitor"]
ChangeAction = Literal[
    "added",
    "password_set",
    "password_reset",
    "password_changed",
    "role_changed",
    "disabled",
    "enabled",
    "removed",
    "code_made",
    "token_made",
    "token_revoked",
    "source_set",
    "zone_set",
    "clock_set",
    "to_store",
    "to_centre",
    "calibrated",
    "calibration_rolled_back",
    "reset",
    "enrolled",
    "opted_out",
    "opt_out_withdrawn",
    "erased",
    "not_this_person",
    "same_person",
    "undone",
]
CHANGE_ACTIONS: tuple[ChangeAction, ...] = get_args(ChangeAction)
MACHINE = "swipewatch"
"""Who changes something without a log-in: a command on the machine itself, or the product at its start."""
SIGN_ON = "single sign-on"


class AccessChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change: `actor` did `action` to what `subject` names; `detail` says to what."""

    change_id: int
    at_ms: int
    actor: str
    kind: ChangedKind
    action: ChangeAction
    subject: str
    detail: str


class By(NamedTuple):
    """Who changes something, and when."""

    actor: str
    at_ms: int


def note_change(
    session: Session, by: By, kind: ChangedKind, action: ChangeAction, subject: str, detail: str = ""
) -> None:
    """The change is on record once the session, which makes it, is committed."""
    row = AccessChangeRow(at_ms=by.at_ms, actor=by.actor, kind=kind, action=action, subject=subject, detail=detail)
    session.add(row)


class AccessChanges:
    """The trail of one database; safe to call from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def latest(
        self, limit: int, *, before: int | None = None, kind: ChangedKind | None = None, name: str = ""
    ) -> list[AccessChange]:
        """Returns changes, the newest first: those before one, of one kind, by or about one name, where it is given."""
        rows = select(AccessChangeRow).order_by(AccessChangeRow.change_id.desc()).limit(limit)
        if before is not None:
            rows = rows.where(AccessChangeRow.change_id < before)
        if kind is not None:
            rows = rows.where(AccessChangeRow.kind == kind)
        if name:
            rows = rows.where((AccessChangeRow.actor == name) | (AccessChangeRow.subject == name))
        with self._database.read() as session:
            return [
                AccessChange(
                    change_id=row.change_id,
                    at_ms=row.at_ms,
                    actor=row.actor,
                    kind=cast("ChangedKind", row.kind),
                    action=cast("ChangeAction", row.action),
                    subject=row.subject,
                    detail=row.detail,
                )
                for row in session.scalars(rows)
            ]
