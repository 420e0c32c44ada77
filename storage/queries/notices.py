"""What a store's terminals are told: notices, and what is new for many terminals at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session, defer

from storage.access.accounts import EVERYWHERE
from storage.alerts.search import WAITING_STATES
from storage.database import Database
from storage.log import chunks
from storage.models import AlertHistoryRow, AlertRow, NoticeRow
from storage.queries.bodies import Body

_NEAR_NOTICES = 2_000
"""Terminals that are no further back are answered out of one reading."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery to a store's terminals, with how its alert stands now (since `changed_at_ms`).

    `acknowledged` is whether somebody at the store has noted the alert since it last asked for attention.
    """

    notice_id: int
    alert_id: str
    institution_id: str
    till_id: str
    kind: str
    created_at_ms: int
    body: Body
    state: str
    changed_at_ms: int
    answer: str | None
    answer_text: str | None
    answered_at_ms: int | None
    acknowledged: bool


class Audience(msgspec.Struct, frozen=True, kw_only=True):
    """Whose notices a terminal shows; without a till, those of the whole store."""

    institution_ids: tuple[str, ...]
    till_id: str | None = None


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a terminal asks: what was told its audience after a notice's number, and how the alerts `heard` of stand."""

    audience: Audience
    after: int
    heard: frozenset[str] = frozenset()


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What is new for a terminal.

    Fields:
        notices: its audience's, oldest first.
        changed: of the alerts heard of without such a notice, the latest notice, in no order.
        up_to: nothing of the audience's is left up to this number.
        complete: whether nothing at all is left.
    """

    notices: Sequence[Notice]
    changed: Sequence[Notice]
    up_to: int
    complete: bool


class NoticeQueries:
    """The stores' notices. Safe to call from any thread; each call sees one moment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def notices_after(self, audience: Audience, notice_id: int, limit: int) -> list[Notice]:
        """Returns the audience's notices after `notice_id`, oldest first."""
        statement = (
            _notices_for(audience).where(NoticeRow.notice_id > notice_id).order_by(NoticeRow.notice_id).limit(limit)
        )
        with self._database.read() as session:
            return _notices(session, statement)

    def news(self, wishes: Sequence[Wish], limit: int) -> list[News]:
        """Returns what is new for each of many terminals, of their notices at most `limit` for each.

        Those that read up to now lately are answered together, by a handful of statements however many they are.
        """
        with self._database.read() as session:
            newest = session.scalar(select(func.max(NoticeRow.notice_id))) or 0
            first = max(newest - _NEAR_NOTICES, min((wish.after for wish in wishes), default=newest))
            lately = _told_since(session, first, {one for wish in wishes for one in wish.audience.institution_ids})
            told = [_told(session, wish, lately if wish.after >= first else None, limit) for wish in wishes]
            heard = _of_alerts(session, {alert_id for wish in wishes for alert_id in wish.heard})
            found = [_arranged(wish, rows, heard, newest, limit) for wish, rows in zip(wishes, told, strict=True)]
            noted = _acknowledged(session, {alert.alert_id for one in found for _, alert in (*one.told, *one.changed)})
        return [one.as_news(noted) for one in found]

    def notices_since(self, audience: Audience, since_ms: int) -> list[Notice]:
        """Returns, newest first, the latest notice of each alert told since then or still waiting for an answer."""
        latest = (
            select(func.max(NoticeRow.notice_id))
            .where(*_addressed_to(audience))
            .group_by(NoticeRow.alert_id)
            .scalar_subquery()
        )
        statement = (
            _notices_for(audience)
            .where(NoticeRow.notice_id.in_(latest))
            .where((NoticeRow.created_at_ms >= since_ms) | AlertRow.state.in_(WAITING_STATES))
            .order_by(AlertRow.opened_at_ms.desc(), NoticeRow.notice_id.desc())
        )
        with self._database.read() as session:
            return _notices(session, statement)

    def last_notice_id(self, audience: Audience, before_ms: int | None = None) -> int:
        """Returns the id of the audience's newest notice (of those created before a moment), 0 without any."""
        statement = select(func.max(NoticeRow.notice_id)).where(*_addressed_to(audience))
        if before_ms is not None:
            statement = statement.where(NoticeRow.created_at_ms < before_ms)
        with self._database.read() as session:
            return session.scalar(statement) or 0

    def told_alert(self, audience: Audience, alert_id: str) -> Notice | None:
        """Returns the latest notice of an alert that the audience was told of, or None."""
        statement = _notices_for(audience).where(NoticeRow.alert_id == alert_id)
        with self._database.read() as session:
            return next(iter(_notices(session, statement.order_by(NoticeRow.notice_id.desc()).limit(1))), None)


_Told = tuple[NoticeRow, AlertRow]


class _Arranged(msgspec.Struct, frozen=True, kw_only=True):
    """News as rows."""

    told: Sequence[_Told]
    changed: Sequence[_Told]
    up_to: int
    complete: bool

    def as_news(self, noted: Collection[str]) -> News:
        """Returns the news, with which alerts somebody has noted."""
        told, changed = (
            [_notice(notice, alert, acknowledged=alert.alert_id in noted) for notice, alert in rows]
            for rows in (self.told, self.changed)
        )
        return News(notices=told, changed=changed, up_to=self.up_to, complete=self.complete)


def _arranged(
    wish: Wish, told: Sequence[_Told], heard: Mapping[str, Sequence[_Told]], newest: int, limit: int
) -> _Arranged:
    complete = len(told) < limit
    up_to = max(newest, wish.after) if complete else told[-1][0].notice_id
    others = wish.heard - {alert.alert_id for _, alert in told}
    latest = (
        max((row for row in heard[alert_id] if _is_for(wish.audience, row[0])), key=_number_of, default=None)
        for alert_id in others & heard.keys()
    )
    # A notice that is newer comes as one, in its turn.
    changed = [row for row in latest if row is not None and _number_of(row) <= up_to]
    return _Arranged(told=told, changed=changed, up_to=up_to, complete=complete)


def _told(session: Session, wish: Wish, lately: Mapping[str, Sequence[_Told]] | None, limit: int) -> list[_Told]:
    """Returns what the audience was told after a number, oldest first: out of `lately` if that goes so far back."""
    if lately is None:
        query = _notices_for(wish.audience).where(NoticeRow.notice_id > wish.after)
        return [(notice, alert) for notice, alert in session.execute(query.order_by(NoticeRow.notice_id).limit(limit))]
    ids = wish.audience.institution_ids
    groups = lately.values() if EVERYWHERE in ids else [lately.get(one, ()) for one in dict.fromkeys(ids)]
    mine = (row for rows in groups for row in rows if _number_of(row) > wish.after)
    return sorted((row for row in mine if _is_for(wish.audience, row[0])), key=_number_of)[:limit]


def _told_since(session: Session, first: int, institution_ids: Collection[str]) -> Mapping[str, Sequence[_Told]]:
    """Returns the notices after a number of the institutions, by institution."""
    query = _with_alerts().where(NoticeRow.notice_id > first)
    queries = (
        [query]
        if EVERYWHERE in institution_ids
        else [query.where(NoticeRow.institution_id.in_(some)) for some in chunks(sorted(institution_ids))]
    )
    found: dict[str, list[_Told]] = {}
    for one in queries:
        for notice, alert in session.execute(one):
            found.setdefault(notice.institution_id, []).append((notice, alert))
    return found


def _of_alerts(session: Session, alert_ids: Collection[str]) -> Mapping[str, Sequence[_Told]]:
    """Returns the notices of alerts, by alert."""
    found: dict[str, list[_Told]] = {}
    for some in chunks(sorted(alert_ids)):
        for notice, alert in session.execute(_with_alerts().where(NoticeRow.alert_id.in_(some))):
            found.setdefault(alert.alert_id, []).append((notice, alert))
    return found


def _is_for(audience: Audience, notice: NoticeRow) -> bool:
    """Whether the audience is told of a notice, as `_addressed_to` says it to the database."""
    is_theirs = EVERYWHERE in audience.institution_ids or notice.institution_id in audience.institution_ids
    return is_theirs and (audience.till_id is None or notice.till_id in {audience.till_id, ""})


def _number_of(row: _Told) -> int:
    return row[0].notice_id


def _with_alerts() -> Select[NoticeRow, AlertRow]:
    columns = defer(AlertRow.body)  # the notice has what its terminal is shown
    return select(NoticeRow, AlertRow).join(AlertRow, AlertRow.alert_id == NoticeRow.alert_id).options(columns)


def _notices_for(audience: Audience) -> Select[NoticeRow, AlertRow]:
    return _with_alerts().where(*_addressed_to(audience))


def _addressed_to(audience: Audience) -> list[ColumnElement[bool]]:
    clauses: list[ColumnElement[bool]] = []
    if EVERYWHERE not in audience.institution_ids:
        clauses.append(NoticeRow.institution_id.in_(audience.institution_ids))
    if audience.till_id is not None:
        clauses.append(NoticeRow.till_id.in_((audience.till_id, "")))
    return clauses


def _notices(session: Session, statement: Select[NoticeRow, AlertRow]) -> list[Notice]:
    rows = list(session.execute(statement))
    noted = _acknowledged(session, {alert.alert_id for _, alert in rows})
    return [_notice(notice, alert, acknowledged=alert.alert_id in noted) for notice, alert in rows]


def _acknowledged(session: Session, alert_ids: Collection[str]) -> set[str]:
    """Returns the alerts that a person has noted or answered since they last asked for attention."""
    asked_or_noted = ("renew", "acknowledge", "answer")
    last: dict[str, str] = {}
    for some in chunks(sorted(alert_ids)):
        statement = (
            select(AlertHistoryRow.alert_id, AlertHistoryRow.action)
            .where(AlertHistoryRow.alert_id.in_(some), AlertHistoryRow.action.in_(asked_or_noted))
            .order_by(AlertHistoryRow.entry_id)
        )
        last.update((row.alert_id, row.action) for row in session.execute(statement))
    return {alert_id for alert_id, action in last.items() if action != "renew"}


def _notice(row: NoticeRow, alert: AlertRow, *, acknowledged: bool) -> Notice:
    return Notice(
        notice_id=row.notice_id,
        alert_id=row.alert_id,
        institution_id=row.institution_id,
        till_id=row.till_id,
        kind=row.kind,
        created_at_ms=row.created_at_ms,
        body=msgspec.convert(row.body, Body),
        state=alert.state,
        changed_at_ms=alert.changed_at_ms,
        answer=alert.answer,
        answer_text=alert.answer_text,
        answered_at_ms=alert.answered_at_ms,
        acknowledged=acknowledged,
    )
