"""Whom faces are taken for: as the cameras said it, as people corrected it since, and what is to be forgotten."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec
from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from storage.access.changes import By, note_change
from storage.alerts.terms import swipe_words
from storage.database import Database
from storage.faces.seen import ActKind
from storage.log import chunks
from storage.models import AccessChangeRow, VisitorCorrectionRow, VisitorOrderRow, VisitorSightingRow

OrderKind = Literal["forget", "join"]
MOST_ACTS: Final = 50
LOOKED_AT_ONCE: Final = 500

FaceKey = tuple[str, int]
"""Which face: the observation's id, and its number there."""


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """A face at a till; `visitor_id` is whom it is taken for now, since `corrected_at_ms` if that is not as seen."""

    observation_id: str
    face_no: int
    visitor_id: str | None
    settlement_id: str | None
    institution_id: str
    till_id: str
    at_ms: int
    corrected_at_ms: int | None


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """One face that is taken for another visitor, or nobody, since; `stands` until a later one of that face."""

    correction_id: str
    observation_id: str
    face_no: int
    visitor_id: str | None
    was_visitor_id: str | None
    settlement_id: str | None
    at_ms: int
    stands: bool


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody decided about faces at one moment, as corrections; `reason` is None while it is not on record."""

    act_id: str
    kind: ActKind
    by: str
    reason: str | None
    corrections: tuple[Correction, ...]

    @property
    def at_ms(self) -> int:
        """When it was decided."""
        return self.corrections[0].at_ms

    @property
    def stands(self) -> bool:
        """Whether any of it holds."""
        return any(one.stands for one in self.corrections)

    @property
    def can_be_undone(self) -> bool:
        """Whether there is a way back: what was undone is decided anew, and of others' corrections none is known."""
        return self.kind in {"not_this_person", "same_person"}

    @property
    def settlement_ids(self) -> tuple[str, ...]:
        """The swipes that it is about."""
        return tuple(dict.fromkeys(one.settlement_id for one in self.corrections if one.settlement_id is not None))


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever remembers visitors is to do: forget one, or join one to `kept_id`, whose id both then have."""

    number: int
    kind: OrderKind
    visitor_id: str
    kept_id: str | None


class VisitorRecord:
    """The visitors of one database; safe to call from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sightings(self, visitor_id: str, since_ms: int = 0) -> list[Sighting]:
        """Returns the faces that are taken for the visitor now, of those seen since then, in time order."""
        with self._database.read() as session:
            query = select(VisitorSightingRow).where(VisitorSightingRow.visitor_id == visitor_id)
            rows = {_key(row): row for row in session.scalars(query)}
            moved = select(VisitorCorrectionRow).where(VisitorCorrectionRow.visitor_id == visitor_id)
            here = {(row.observation_id, row.face_no) for row in session.scalars(moved)}
            rows |= {_key(row): row for row in _of_observations(session, {one for one, _ in here}) if _key(row) in here}
            latest = _latest(session, {one for one, _ in rows})
        now = [_sighting(row, latest.get(key)) for key, row in rows.items()]
        mine = [one for one in now if one.visitor_id == visitor_id and one.at_ms >= since_ms]
        return sorted(mine, key=lambda one: (one.at_ms, one.observation_id, one.face_no))

    def first_seen_ms(self, visitor_id: str) -> int | None:
        """Returns when the visitor's id was first given, as far as it is kept; None for one that was not."""
        query = select(func.min(VisitorSightingRow.at_ms)).where(VisitorSightingRow.visitor_id == visitor_id)
        with self._database.read() as session:
            return session.scalar(query)

    def acts(self, visitor_id: str) -> list[Act]:
        """Returns what was decided about the visitor's faces, the newest first."""
        about = or_(VisitorCorrectionRow.visitor_id == visitor_id, VisitorCorrectionRow.was_visitor_id == visitor_id)
        newest = func.max(VisitorCorrectionRow.at_ms)
        query = select(VisitorCorrectionRow.act_id).where(about).group_by(VisitorCorrectionRow.act_id)
        with self._database.read() as session:
            act_ids = list(session.scalars(query.order_by(newest.desc(), VisitorCorrectionRow.act_id).limit(MOST_ACTS)))
            return _acts(session, act_ids)

    def act(self, act_id: str) -> Act | None:
        """Returns what was decided, or None for an unknown one."""
        with self._database.read() as session:
            return next(iter(_acts(session, [act_id])), None)

    def note(self, by: By, kind: ActKind, visitor_id: str, about: str, act_id: str, reason: str) -> None:
        """Afterwards what somebody decided is on record; an act of another sender (`other`) is in the log alone.

        The reason stands nowhere else. Args: `about` names the swipe, the other visitor or the act that it is about.
        """
        if kind != "other":
            with self._database.session() as session:
                note_change(session, by, "visitor", kind, visitor_id, f"{act_id} {about}\n{reason}")

    def ask(self, kind: OrderKind, visitor_ids: Iterable[str], at_ms: int, kept_id: str | None = None) -> None:
        """Whoever remembers visitors will do so within seconds, or as soon as it runs again."""
        with self._database.session() as session:
            _ask(session, kind, visitor_ids, at_ms, kept_id)

    def orders(self) -> list[Order]:
        """Returns what was asked and is not done yet, in order. Raises: TransientError."""
        query = select(VisitorOrderRow).order_by(VisitorOrderRow.number)
        with self._database.read() as session:
            return [msgspec.convert(row, Order, from_attributes=True) for row in session.scalars(query)]

    def done(self, number: int) -> None:
        """Afterwards this is not to be done any more. Raises: TransientError."""
        with self._database.session() as session:
            session.execute(delete(VisitorOrderRow).where(VisitorOrderRow.number == number))

    def erase(self, person_id: str, at_ms: int) -> int:
        """Returns how many visitors were seen when the person's card was swiped; their rows are gone.

        They are asked to be forgotten by all their ids: as seen, as corrected and as joined since, which counts as one.
        Not whoever was seen not to be the card's holder. Cost: each swipe with a visitor is read once.

        Raises: TransientError; again goes on from there.
        """
        visitors: set[str] = set()
        for settlement_ids in self._settlements():
            with self._database.session() as session:
                words = swipe_words(session, settlement_ids)
                mine = [one for one, word in words.items() if word.person_id == person_id]
                own = VisitorSightingRow.settlement_id.in_(mine) & (
                    VisitorSightingRow.verdict.is_(None) | (VisitorSightingRow.verdict != "mismatch")
                )
                rows = session.scalars(select(VisitorSightingRow).where(own)).all()
                latest = _latest(session, {row.observation_id for row in rows})
                now = (_sighting(row, latest.get(_key(row))).visitor_id for row in rows)
                ids = {row.visitor_id for row in rows} | {one for one in now if one is not None}
                joined = _joined(session, ids)
                ids.update(*joined.values())
                _ask(session, "forget", ids, at_ms)
                visitors |= ids - joined.keys()
                session.execute(delete(VisitorSightingRow).where(own))
        return len(visitors)

    def remove_before(self, at_ms: int) -> None:
        """Afterwards no face that was seen before then is found."""
        with self._database.session() as session:
            session.execute(delete(VisitorSightingRow).where(VisitorSightingRow.at_ms < at_ms))

    def _settlements(self) -> Iterator[list[str]]:
        after = ""
        while True:
            query = select(VisitorSightingRow.settlement_id).where(VisitorSightingRow.settlement_id > after).distinct()
            with self._database.read() as session:
                found = session.scalars(query.order_by(VisitorSightingRow.settlement_id).limit(LOOKED_AT_ONCE))
                page = [one for one in found if one is not None]
            if not page:
                return
            yield page
            after = page[-1]


def _ask(session: Session, kind: OrderKind, visitor_ids: Iterable[str], at_ms: int, kept_id: str | None = None) -> None:
    session.add_all(
        VisitorOrderRow(kind=kind, visitor_id=one, kept_id=kept_id, asked_at_ms=at_ms)
        for one in sorted(set(visitor_ids))
    )


def _joined(session: Session, visitor_ids: Collection[str]) -> dict[str, set[str]]:
    """Returns whose ids these visitors, and those in turn, were given when somebody said that two are one.

    Also where that was undone: the ids are unknown to whoever remembers visitors then.
    """
    found: dict[str, set[str]] = {}
    wanted = set(visitor_ids)
    while wanted:
        for some in chunks(sorted(wanted)):
            query = select(VisitorCorrectionRow.was_visitor_id, VisitorCorrectionRow.visitor_id).where(
                VisitorCorrectionRow.was_visitor_id.in_(some), VisitorCorrectionRow.act == "same_person"
            )
            for gone_id, kept_id in session.execute(query.distinct()):
                if gone_id is not None and kept_id is not None:
                    found.setdefault(gone_id, set()).add(kept_id)
        wanted = {kept_id for gone_id in wanted for kept_id in found.get(gone_id, ())} - found.keys()
    return found


def _key(row: VisitorSightingRow | VisitorCorrectionRow) -> FaceKey:
    return row.observation_id, row.face_no


def _of_observations(session: Session, observation_ids: Collection[str]) -> Iterator[VisitorSightingRow]:
    for some in chunks(sorted(observation_ids)):
        yield from session.scalars(select(VisitorSightingRow).where(VisitorSightingRow.observation_id.in_(some)))


def _latest(session: Session, observation_ids: Collection[str]) -> dict[FaceKey, VisitorCorrectionRow]:
    """Returns which correction holds of each face that any was made of."""
    found: dict[FaceKey, VisitorCorrectionRow] = {}
    for some in chunks(sorted(observation_ids)):
        query = select(VisitorCorrectionRow).where(VisitorCorrectionRow.observation_id.in_(some))
        for row in session.scalars(query.order_by(VisitorCorrectionRow.at_ms, VisitorCorrectionRow.correction_id)):
            found[_key(row)] = row
    return found


def _acts(session: Session, act_ids: Sequence[str]) -> list[Act]:
    rows: dict[str, list[VisitorCorrectionRow]] = {one: [] for one in act_ids}
    for some in chunks(act_ids):
        query = select(VisitorCorrectionRow).where(VisitorCorrectionRow.act_id.in_(some))
        for row in session.scalars(query.order_by(VisitorCorrectionRow.at_ms, VisitorCorrectionRow.correction_id)):
            rows[row.act_id].append(row)
    latest = _latest(session, {row.observation_id for own in rows.values() for row in own})
    reasons = _reasons(session, rows)
    return [
        Act(
            act_id=act_id,
            kind=msgspec.convert(own[0].act, ActKind),
            by=own[0].by,
            reason=reasons.get(act_id),
            corrections=tuple(_correction(row, latest) for row in own),
        )
        for act_id, own in rows.items()
        if own
    ]


def _reasons(session: Session, acts: Mapping[str, Sequence[VisitorCorrectionRow]]) -> dict[str, str]:
    """Returns why each act was done, of those that `VisitorRecord.note` has put on record."""
    visitor_ids = {one for rows in acts.values() for row in rows for one in (row.visitor_id, row.was_visitor_id)}
    found: dict[str, str] = {}
    for some in chunks(sorted(one for one in visitor_ids if one is not None)):
        query = select(AccessChangeRow.detail).where(
            AccessChangeRow.kind == "visitor", AccessChangeRow.subject.in_(some)
        )
        for detail in session.scalars(query):
            said, _, reason = detail.partition("\n")
            found[said.partition(" ")[0]] = reason
    return found


def _sighting(row: VisitorSightingRow, correction: VisitorCorrectionRow | None) -> Sighting:
    return Sighting(
        observation_id=row.observation_id,
        face_no=row.face_no,
        visitor_id=row.visitor_id if correction is None else correction.visitor_id,
        settlement_id=row.settlement_id,
        institution_id=row.institution_id,
        till_id=row.till_id,
        at_ms=row.at_ms,
        corrected_at_ms=None if correction is None else correction.at_ms,
    )


def _correction(row: VisitorCorrectionRow, latest: dict[FaceKey, VisitorCorrectionRow]) -> Correction:
    return Correction(
        correction_id=row.correction_id,
        observation_id=row.observation_id,
        face_no=row.face_no,
        visitor_id=row.visitor_id,
        was_visitor_id=row.was_visitor_id,
        settlement_id=row.settlement_id,
        at_ms=row.at_ms,
        stands=latest[_key(row)].correction_id == row.correction_id,
    )
