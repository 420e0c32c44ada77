"""Clips that are to be made of originals: because an alert is about the swipe, or somebody wants to look."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update

from storage.database import Database
from storage.log import chunks
from storage.models import AlertRow, ClipRow, OriginalRow

CLAIMED_FOR_MS: Final = 15_000
"""So long after its last sign of life whoever makes a clip is waited for; then another process may."""
MOST_CRASHES: Final = 2
"""An original at which the decoder has died so often is not tried again."""

ClipFailure = Literal["undecodable", "crashed", "unreadable", "missing"]
"""Nothing in it can be decoded; the decoder died or hung; it does not open or was altered; its file is gone."""
TRIED_AGAIN: Final[tuple[ClipFailure, ...]] = ("unreadable", "missing")
"""Whoever asks has these tried again: a file, or its key, can be copied back. They stand until there is a clip."""


class OwedClips:
    """The queue of clips to make, kept with the originals: it outlives every process, and several may work on it.

    What people asked for comes first, in the order of asking, then what alerts are about, the longest owed first.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, original_ids: Collection[str], now_ms: int) -> None:
        """Somebody waits for these clips: each that can be made and is not there is owed, before those of alerts."""
        may_be_tried = or_(OriginalRow.clip_failure.is_(None), OriginalRow.clip_failure.in_(TRIED_AGAIN))
        query = _without_clip().where(may_be_tried, OriginalRow.original_id.in_(original_ids), _nobody_asked())
        with self._database.read() as session:
            found = session.scalars(query).all()
        self._owe(found, may_be_tried, now_ms, clip_asked_at_ms=now_ms)

    def ask_for_alerts(self, since_ms: int, now_ms: int) -> int:
        """Returns how many clips are owed from now on to alerts that opened since then; owed before count no more."""
        has_not_failed = OriginalRow.clip_failure.is_(None)
        query = (
            _without_clip()
            .join(AlertRow, AlertRow.settlement_id == OriginalRow.settlement_id)
            .where(has_not_failed, AlertRow.opened_at_ms >= since_ms, OriginalRow.clip_owed_since_ms.is_(None))
            .distinct()
        )
        with self._database.read() as session:
            found = session.scalars(query).all()
        self._owe(found, has_not_failed, now_ms)
        return len(found)

    def claim(self, now_ms: int) -> str | None:
        """Returns the original whose clip this process makes now; None when none is owed that nobody makes.

        Another process may make it once the claim was not renewed for `CLAIMED_FOR_MS`.
        """
        order = (OriginalRow.clip_asked_at_ms.is_(None), OriginalRow.clip_asked_at_ms, OriginalRow.clip_owed_since_ms)
        query = select(OriginalRow.original_id).where(_is_free(now_ms)).order_by(*order).limit(1)
        with self._database.read() as session:
            found = session.scalar(query)
        if found is None:
            return None
        claimed = (
            update(OriginalRow)
            .where(OriginalRow.original_id == found, _is_free(now_ms))
            .values(clip_claimed_until_ms=now_ms + CLAIMED_FOR_MS)
            .returning(OriginalRow.original_id)
        )
        with self._database.session(alone=False) as session:
            return session.scalar(claimed)

    def renew(self, original_id: str, now_ms: int) -> None:
        """The clip is still being made."""
        self._set(original_id, clip_claimed_until_ms=now_ms + CLAIMED_FOR_MS)

    def release(self, original_id: str) -> None:
        """The clip is still owed, and may be made at once."""
        self._set(original_id, clip_claimed_until_ms=None)

    def made(self, original_id: str) -> None:
        """The clip is there."""
        self._set(original_id, clip_owed_since_ms=None, clip_claimed_until_ms=None, clip_failure=None)

    def failed(self, original_id: str, failure: ClipFailure) -> None:
        """The clip cannot be made, and is not tried again; one of `TRIED_AGAIN` not until somebody asks."""
        self._set(original_id, clip_owed_since_ms=None, clip_claimed_until_ms=None, clip_failure=failure)

    def crashed(self, original_id: str) -> bool:
        """Returns whether that was once too often: then it has failed, else it is owed as before."""
        count = (
            update(OriginalRow)
            .where(OriginalRow.original_id == original_id)
            .values(clip_crashes=OriginalRow.clip_crashes + 1, clip_claimed_until_ms=None)
            .returning(OriginalRow.clip_crashes)
        )
        with self._database.session(alone=False) as session:
            crashes = session.scalar(count) or 0
        if crashes < MOST_CRASHES:
            return False
        self.failed(original_id, "crashed")
        return True

    def _owe(self, original_ids: Collection[str], may_be_tried: ColumnElement[bool], now_ms: int, **also: int) -> None:
        if not original_ids:
            return
        since = func.coalesce(OriginalRow.clip_owed_since_ms, now_ms)
        with self._database.session(alone=False) as session:
            for some in chunks(original_ids):
                owed = update(OriginalRow).where(OriginalRow.original_id.in_(some), may_be_tried)
                session.execute(owed.values(clip_owed_since_ms=since, **also))

    def _set(self, original_id: str, **values: str | int | None) -> None:
        with self._database.session(alone=False) as session:
            session.execute(update(OriginalRow).where(OriginalRow.original_id == original_id).values(**values))


def _without_clip() -> Select[str]:
    """Returns the query for originals that say what a clip shows, and have none; a clip that was deleted counts."""
    same = and_(ClipRow.settlement_id == OriginalRow.settlement_id, ClipRow.camera_id == OriginalRow.camera_id)
    return (
        select(OriginalRow.original_id)
        .outerjoin(ClipRow, same)
        .where(
            ClipRow.clip_id.is_(None),
            OriginalRow.clip_first_at_ms.is_not(None),
            OriginalRow.removed_at_ms.is_(None),
        )
    )


def _nobody_asked() -> ColumnElement[bool]:
    return or_(OriginalRow.clip_owed_since_ms.is_(None), OriginalRow.clip_asked_at_ms.is_(None))


def _is_free(now_ms: int) -> ColumnElement[bool]:
    claimed = OriginalRow.clip_claimed_until_ms
    return and_(OriginalRow.clip_owed_since_ms.is_not(None), or_(claimed.is_(None), claimed <= now_ms))
