"""Whom faces are taken for: as the cameras said it, as people corrected it since, and what is to be forgotten."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, Literal

import msgspec
from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from storage.access_changes import By, note_change
from storage.alert_terms import swipe_words
from storage.database import Database
from storage.log import chunks
from storage.models import VisitorCorrectionRow, VisitorOrderRow, VisitorSightingRow
from storage.seen_faces import ActKind

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
    """What somebody decided about faces at one moment, as corrections."""

    act_id: str
    kind: ActKind
    by: str
    reason: str
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

    def note(self, by: By, kind: ActKind, visitor_id: str, detail: str) -> None:
        """Afterwards what somebody decided is on record; an act of another sender (`other`) is in the log alone."""
        if kind != "other":
            with self._database.session() as session:
                note_change(session, by, "visitor", kind, visitor_id, detail)

    def ask(self, kind: OrderKind, visitor_ids: Iterable[str], at_ms: int, kept_id: str | None = None) -> None:
        """Whoever remembers visitors will do so within seconds, or as soon as it runs again."""
        with self._database.session() as session:
            session.add_all(
                VisitorOrderRow(kind=kind, visitor_id=one, kept_id=kept_id, asked_at_ms=at_ms)
                for one in sorted(set(visitor_ids))
            )

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
        """Returns how many visitors were seen when the person's card was swiped; they are forgotten, their rows gone.

        Not whoever was seen not to be the card's holder. Cost: each swipe with a visitor is read once.
        """
        visitor_ids: set[str] = set()
        for settlement_ids in self._settlements():
            with self._database.session() as session:
                words = swipe_words(session, settlement_ids)
                mine = [one for one, word in words.items() if word.person_id == person_id]
                own = VisitorSightingRow.settlement_id.in_(mine) & (
                    VisitorSightingRow.verdict.is_(None) | (VisitorSightingRow.verdict != "mismatch")
                )
                visitor_ids.update(session.scalars(select(VisitorSightingRow.visitor_id).where(own)))
                session.execute(delete(VisitorSightingRow).where(own))
        self.ask("forget", visitor_ids, at_ms)
        return len(visitor_ids)

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
    return [
        Act(
            act_id=act_id,
            kind=msgspec.convert(own[0].act, ActKind),
            by=own[0].by,
            reason=own[0].reason,
            corrections=tuple(_correction(row, latest) for row in own),
        )
        for act_id, own in rows.items()
        if own
    ]


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
