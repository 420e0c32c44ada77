"""What pages read: alerts with their facts, pictures, evidence and history, a store's notices, the day's numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from statistics import median

import msgspec
from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.orm import Session, defer

from events.findings import Finding
from events.identity import identity_text
from storage.access.accounts import EVERYWHERE
from storage.alerts.search import (
    AlertFilter,
    Place,
    VisitorPlace,
    count,
    is_known_person,
    of_visitor,
    places,
    rules_with_alerts,
    visitors,
)
from storage.database import Database
from storage.log import chunks
from storage.models import (
    AcceptedEvent,
    AlertFindingRow,
    AlertHistoryRow,
    AlertRow,
    CameraStateRow,
    DeadLetterRow,
    FindingRow,
    NoticeRow,
    StillRow,
    SupersededFindingRow,
)
from storage.swipe_minutes import sums_between

WAITING_STATES = ("open", "delivered", "seen", "escalated")
_IDS_PER_STATEMENT = 500
_NEAR_NOTICES = 2_000
"""Terminals that are no further back are answered out of one reading."""


class Sentence(msgspec.Struct, frozen=True):
    """A fact and what is asked, in one language."""

    fact: str = ""
    action: str = ""


class Fact(msgspec.Struct, frozen=True):
    """What one detector says of one anchor, in both languages."""

    detector: str
    severity: str = "low"
    receipt: str = ""
    time_ms: int = 0
    zh: Sentence = Sentence()
    en: Sentence = Sentence()


class Frame(msgspec.Struct, frozen=True):
    """The whole reminder as a sentence, in both languages."""

    zh: str = ""
    en: str = ""


class Body(msgspec.Struct, frozen=True):
    """What a screen shows of an alert; never names a person."""

    severity: str = "low"
    receipt: str = ""
    time_ms: int = 0
    facts: tuple[Fact, ...] = ()
    frame: Frame = Frame()


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


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One change of an alert."""

    entry_id: int
    at_ms: int
    actor: str
    action: str
    from_state: str
    to_state: str
    note: str


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


class CameraState(msgspec.Struct, frozen=True, kw_only=True):
    """How a camera is: `ok`, or the name of what is wrong."""

    camera_id: str
    state: str
    detail: str
    since_ms: int


class AlertDossier(msgspec.Struct, frozen=True, kw_only=True):
    """Everything behind an alert. Events are what its findings cite, in time order, and what its pictures observed.

    `stills_removed_at_ms` is when pictures of it were last deleted, None if none was.
    """

    alert: AlertSummary
    findings: tuple[AlertFinding, ...]
    history: tuple[HistoryEntry, ...]
    stills: tuple[Still, ...]
    stills_removed_at_ms: int | None
    events: tuple[LoggedEvent, ...]


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as it stood from `decided_at_ms` on, and the event that made it so.

    `delay_ms` is how long after it happened that event came in; None where no event of the log is the cause.
    """

    finding: Finding
    cause: str
    decided_at_ms: int
    delay_ms: int | None


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


class DayNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """What a time has brought; `answer_seconds` is the median from opened to answered, None without answers."""

    swipes: int
    total_fen: int
    fund_fen: int
    alerts: int
    waiting: int
    answered: int
    answer_seconds: float | None


class SetAside(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter."""

    letter_id: int
    at_ms: int
    place: dict[str, object]
    stage: str
    reason: str
    detail: str
    original: bytes


class Queries:
    """The read side of one database; safe to call from any thread. Each call sees one moment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def recent_alerts(
        self, limit: int, *, before: tuple[int, str] | None = None, only_waiting: bool = False
    ) -> list[AlertSummary]:
        """Returns the newest alerts first; `before` is (opened_at_ms, alert_id) of the last one already shown."""
        statement = select(AlertRow).order_by(AlertRow.opened_at_ms.desc(), AlertRow.alert_id.desc()).limit(limit)
        if before is not None:
            statement = statement.where(tuple_(AlertRow.opened_at_ms, AlertRow.alert_id) < before)
        if only_waiting:
            statement = statement.where(AlertRow.state.in_(WAITING_STATES))
        with self._database.read() as session:
            return _summaries(session, statement)

    def search(self, wanted: AlertFilter, limit: int, before: Place | None = None) -> list[AlertSummary]:
        """Returns the newest alerts that are wanted, of those after the place `before` in the list."""
        with self._database.read() as session:
            ids = [alert_id for _, alert_id in places(session, wanted, limit, before)]
            order = (AlertRow.opened_at_ms.desc(), AlertRow.alert_id.desc())
            return _summaries(session, select(AlertRow).where(AlertRow.alert_id.in_(ids)).order_by(*order))

    def count_wanted(self, wanted: AlertFilter, at_most: int) -> int:
        """Returns how many alerts are wanted; a greater number than `at_most` is not told apart from it."""
        with self._database.read() as session:
            return count(session, wanted, at_most)

    def rules_with_alerts(self) -> list[str]:
        """Returns the rules that alerts were ever opened for, by name."""
        with self._database.read() as session:
            return list(rules_with_alerts(session))

    def is_known_person(self, person_id: str) -> bool:
        """Returns whether some alert has a swipe of this person."""
        with self._database.read() as session:
            return is_known_person(session, person_id)

    def alerts(self, alert_ids: Collection[str]) -> list[AlertSummary]:
        """Returns these alerts, newest first; unknown ids are left out."""
        wanted = sorted(alert_ids)[:_IDS_PER_STATEMENT]
        statement = select(AlertRow).where(AlertRow.alert_id.in_(wanted))
        with self._database.read() as session:
            return _summaries(session, statement.order_by(AlertRow.opened_at_ms.desc(), AlertRow.alert_id.desc()))

    def last_entry_id(self) -> int:
        """Returns the id of the newest change of any alert, 0 before the first."""
        with self._database.read() as session:
            return session.scalar(select(func.max(AlertHistoryRow.entry_id))) or 0

    def changed_after(self, entry_id: int, limit: int) -> list[tuple[int, str]]:
        """Returns (entry_id, alert_id) of the changes after `entry_id`, oldest first."""
        statement = (
            select(AlertHistoryRow.entry_id, AlertHistoryRow.alert_id)
            .where(AlertHistoryRow.entry_id > entry_id)
            .order_by(AlertHistoryRow.entry_id)
            .limit(limit)
        )
        with self._database.read() as session:
            return [(row.entry_id, row.alert_id) for row in session.execute(statement)]

    def dossier(self, alert_id: str) -> AlertDossier | None:
        """Returns everything behind an alert, or None when there is no such alert."""
        with self._database.read() as session:
            found = _summaries(session, select(AlertRow).where(AlertRow.alert_id == alert_id))
            if not found:
                return None
            findings = _findings_of(session, [alert_id])[alert_id]
            cited = {each for one in findings for each in one.finding.evidence}
            shown = {found[0].settlement_id, *cited}
            stills = _stills_of(session, shown)
            observed = {still.observation_id for still in stills}
            return AlertDossier(
                alert=found[0],
                findings=tuple(findings),
                history=tuple(_history_of(session, alert_id)),
                stills=tuple(stills),
                stills_removed_at_ms=_stills_removed_at_ms(session, shown),
                events=tuple(_events_of(session, shown | observed)),
            )

    def revisions(self, alert_id: str) -> dict[str, list[Revision]]:
        """Returns how each finding of an alert stood over time, the oldest first, by its id."""
        with self._database.read() as session:
            ids = select(AlertFindingRow.finding_id).where(AlertFindingRow.alert_id == alert_id)
            past = select(SupersededFindingRow).where(SupersededFindingRow.finding_id.in_(ids))
            now = select(FindingRow).where(FindingRow.finding_id.in_(ids))
            rows: list[SupersededFindingRow | FindingRow] = list(
                session.scalars(past.order_by(SupersededFindingRow.finding_id, SupersededFindingRow.revision))
            )
            rows += session.scalars(now)
            delays = _delays_of(session, {row.cause for row in rows})
        found: dict[str, list[Revision]] = {}
        for row in rows:
            revision = Revision(
                finding=msgspec.json.decode(row.body, type=Finding),
                cause=row.cause,
                decided_at_ms=row.decided_at_ms,
                delay_ms=delays.get(row.cause),
            )
            found.setdefault(row.finding_id, []).append(revision)
        return found

    def findings_of(self, alert_ids: Collection[str]) -> dict[str, list[AlertFinding]]:
        """Returns the findings of each of these alerts, the newest first."""
        with self._database.read() as session:
            return dict(_findings_of(session, list(alert_ids)))

    def events(self, ids: Collection[str]) -> list[LoggedEvent]:
        """Returns the accepted events that findings cite by these ids, in time order; of more than 500, some."""
        with self._database.read() as session:
            return _events_of(session, ids)

    def stills(self, settlement_or_observation_ids: Collection[str]) -> list[Still]:
        """Returns the pictures of these swipes or observations, in time order; of more than 500, some."""
        with self._database.read() as session:
            return _stills_of(session, settlement_or_observation_ids)

    def visitors(self, limit: int, since_ms: int = 0, before: VisitorPlace | None = None) -> list[VisitorPlace]:
        """Returns the visitors that alerts since then are about, the newest alert first, after a place of the list."""
        with self._database.read() as session:
            return visitors(session, limit, since_ms, before)

    def of_visitor(self, alert_ids: Collection[str], visitor_id: str) -> set[str]:
        """Returns those of the alerts that are about the visitor."""
        with self._database.read() as session:
            return of_visitor(session, alert_ids, visitor_id)

    def opened_times(self, wanted: AlertFilter, at_most: int) -> list[int]:
        """Returns when the newest alerts that are wanted were opened."""
        with self._database.read() as session:
            return [opened_at_ms for opened_at_ms, _ in places(session, wanted, at_most)]

    def still(self, still_id: str) -> tuple[Still, LoggedEvent | None] | None:
        """Returns a picture and the observation it shows, or None when no picture has this id."""
        with self._database.read() as session:
            row = session.get(StillRow, still_id)
            if row is None or row.removed_at_ms is not None:
                return None
            observed = _events_of(session, {row.observation_id})
            return _still(row), next((one for one in observed if one.type == "face_observed"), None)

    def waiting_by_institution(self) -> dict[str, dict[str, int]]:
        """Returns, for each institution, how many alerts wait for an answer, by severity."""
        statement = (
            select(AlertRow.institution_id, AlertRow.severity, func.count())
            .where(AlertRow.state.in_(WAITING_STATES))
            .group_by(AlertRow.institution_id, AlertRow.severity)
        )
        counts: dict[str, dict[str, int]] = {}
        with self._database.read() as session:
            for institution_id, severity, count in session.execute(statement):
                counts.setdefault(institution_id, {})[severity] = count
        return counts

    def alerts_by_detector(self) -> dict[str, int]:
        """Returns how many alerts were ever opened, by the rule that leads them, in order of name."""
        query = select(AlertRow.detector, func.count()).group_by(AlertRow.detector).order_by(AlertRow.detector)
        with self._database.read() as session:
            return {row.detector: row[1] for row in session.execute(query)}

    def camera_states(self) -> dict[str, CameraState]:
        """Returns the latest known state of each camera by its id."""
        with self._database.read() as session:
            return {
                row.camera_id: CameraState(
                    camera_id=row.camera_id, state=row.state, detail=row.detail, since_ms=row.since_ms
                )
                for row in session.scalars(select(CameraStateRow))
            }

    def newest_stills(self, camera_ids: Collection[str]) -> dict[str, tuple[Still, LoggedEvent | None]]:
        """Returns the newest picture of each camera that has any, with the observation it shows."""
        with self._database.read() as session:
            rows = [row for camera_id in camera_ids if (row := _newest_still(session, camera_id)) is not None]
            observed = {one.identity: one for one in _events_of(session, {row.observation_id for row in rows})}
        return {row.camera_id: (_still(row), observed.get(row.observation_id)) for row in rows}

    def findings_by_detector(self, since_ms: int) -> dict[str, int]:
        """Returns, for each rule that has any, how many findings of swipes since then stand, shadow ones included."""
        query = (
            select(FindingRow.detector, func.count())
            .where(FindingRow.occurred_at_ms >= since_ms, FindingRow.status == "raised")
            .group_by(FindingRow.detector)
        )
        with self._database.read() as session:
            return {row.detector: row[1] for row in session.execute(query)}

    def numbers(self, from_ms: int, to_ms: int) -> DayNumbers:
        """Returns the numbers of the swipes that happened, and the alerts that were opened, from one moment to another.

        Of alerts it is told how they stand now. Swipes are counted by whole minutes.
        """
        columns = (AlertRow.state, AlertRow.opened_at_ms, AlertRow.answered_at_ms)
        query = select(*columns).where(AlertRow.opened_at_ms >= from_ms, AlertRow.opened_at_ms < to_ms)
        with self._database.read() as session:
            sums = sums_between(session, from_ms, to_ms)
            rows = session.execute(query).all()
        took_ms = [row.answered_at_ms - row.opened_at_ms for row in rows if row.answered_at_ms is not None]
        return DayNumbers(
            swipes=sums.swipes,
            total_fen=sums.total_fen,
            fund_fen=sums.fund_fen,
            alerts=len(rows),
            waiting=sum(row.state in WAITING_STATES for row in rows),
            answered=len(took_ms),
            answer_seconds=median(took_ms) / 1000 if took_ms else None,
        )

    def opened_by_institution(self, since_ms: int) -> dict[str, int]:
        """Returns, for each institution that has any, how many alerts were opened since then."""
        query = (
            select(AlertRow.institution_id, func.count())
            .where(AlertRow.opened_at_ms >= since_ms)
            .group_by(AlertRow.institution_id)
        )
        with self._database.read() as session:
            return {row.institution_id: row[1] for row in session.execute(query)}

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

    def dead_letters(self, limit: int, before: int | None = None) -> list[SetAside]:
        """Returns the newest dead letters first; `before` is the letter_id of the last one already shown."""
        statement = select(DeadLetterRow).order_by(DeadLetterRow.letter_id.desc()).limit(limit)
        if before is not None:
            statement = statement.where(DeadLetterRow.letter_id < before)
        with self._database.read() as session:
            return [_set_aside(row) for row in session.scalars(statement)]

    def dead_letter_count(self) -> int:
        """Returns how many dead letters there are."""
        with self._database.read() as session:
            return session.scalar(select(func.count()).select_from(DeadLetterRow)) or 0

    def is_there(self) -> bool:
        """Returns True; raises when the database does not answer."""
        with self._database.read() as session:
            return session.scalar(select(1)) == 1


def _summaries(session: Session, statement: Select[AlertRow]) -> list[AlertSummary]:
    rows = list(session.scalars(statement))
    findings = _findings_of(session, [row.alert_id for row in rows])
    stills: dict[str | None, list[Still]] = {}
    for still in _stills_of(session, {row.settlement_id for row in rows}):
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
        still_id=_telling_still(stills, cited, body.time_ms),
    )


def _telling_still(stills: Sequence[Still], cited: Collection[str], time_ms: int) -> str | None:
    """Returns the picture of an observation that was counted, else the one nearest to the swipe."""
    if not stills:
        return None
    return min(
        stills, key=lambda s: (s.observation_id not in cited, abs(s.captured_at_ms - time_ms), s.still_id)
    ).still_id


def _findings_of(session: Session, alert_ids: Sequence[str]) -> Mapping[str, list[AlertFinding]]:
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


def _history_of(session: Session, alert_id: str) -> Iterable[HistoryEntry]:
    statement = select(AlertHistoryRow).where(AlertHistoryRow.alert_id == alert_id).order_by(AlertHistoryRow.entry_id)
    for row in session.scalars(statement):
        yield HistoryEntry(
            entry_id=row.entry_id,
            at_ms=row.at_ms,
            actor=row.actor,
            action=row.action,
            from_state=row.from_state,
            to_state=row.to_state,
            note=row.note,
        )


def _stills_of(session: Session, settlement_or_observation_ids: Collection[str]) -> list[Still]:
    wanted = sorted(settlement_or_observation_ids)[:_IDS_PER_STATEMENT]
    statement = select(StillRow).where(_is_of(wanted), StillRow.removed_at_ms.is_(None))
    rows = session.scalars(statement.order_by(StillRow.captured_at_ms, StillRow.still_id))
    return [_still(row) for row in rows]


def _stills_removed_at_ms(session: Session, settlement_or_observation_ids: Collection[str]) -> int | None:
    """Returns when the last of the pictures that were deleted was."""
    wanted = sorted(settlement_or_observation_ids)[:_IDS_PER_STATEMENT]
    return session.scalar(select(func.max(StillRow.removed_at_ms)).where(_is_of(wanted)))


def _is_of(settlement_or_observation_ids: Collection[str]) -> ColumnElement[bool]:
    wanted = list(settlement_or_observation_ids)
    return StillRow.settlement_id.in_(wanted) | StillRow.observation_id.in_(wanted)


def _newest_still(session: Session, camera_id: str) -> StillRow | None:
    kept = select(StillRow).where(StillRow.camera_id == camera_id, StillRow.removed_at_ms.is_(None))
    return session.scalar(kept.order_by(StillRow.captured_at_ms.desc()).limit(1))


def _still(row: StillRow) -> Still:
    return Still(
        still_id=row.still_id,
        observation_id=row.observation_id,
        settlement_id=row.settlement_id,
        camera_id=row.camera_id,
        captured_at_ms=row.captured_at_ms,
    )


def _events_of(session: Session, ids: Collection[str]) -> list[LoggedEvent]:
    """Returns the accepted events that findings cite by these ids, in time order."""
    wanted = sorted(ids)[:_IDS_PER_STATEMENT]
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


def _delays_of(session: Session, identities: Collection[str]) -> dict[str, int]:
    """Returns, of the identities that are events of the log, how long after it happened each came in."""
    wanted = sorted(identities)[:_IDS_PER_STATEMENT]
    columns = (AcceptedEvent.identity, AcceptedEvent.received_at_ms - AcceptedEvent.occurred_at_ms)
    query = select(*columns).where(AcceptedEvent.identity.in_(wanted))
    return {row.identity: row[1] for row in session.execute(query)}


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


def _set_aside(row: DeadLetterRow) -> SetAside:
    return SetAside(
        letter_id=row.letter_id,
        at_ms=row.at_ms,
        place=row.place,
        stage=row.stage,
        reason=row.reason,
        detail=row.detail,
        original=row.original,
    )
