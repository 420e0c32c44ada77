"""The accepted log and the dead letters: what came in, byte for byte, in the order it was accepted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import msgspec
from sqlalchemy import ARRAY, bindparam, delete, func, insert, select, text
from sqlalchemy.orm import Session

from events.dead_letters import DeadLetter, Place, letter_key
from events.types import AnyEvent
from storage.database import Database
from storage.faces.seen import keep_seen_faces
from storage.models import AcceptedEvent, DeadLetterRow
from storage.swipe_minutes import add_swipes
from storage.upsert import insert_new

HISTORY = "(import)"
"""The sender of events that were loaded as history: what is found about them is recorded and nobody is told."""

Within = Callable[[Session], None]
"""Work of a caller that belongs into the same transaction."""

QUERY_VALUES = 500  # bound values a query; SQLite refuses more than 32,766


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was accepted: who sent it, when it was received (UTC ms), its identity and its original bytes."""

    event: AnyEvent
    identity: str
    digest: bytes
    received_at_ms: int
    sender: str
    original: bytes


class LoggedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event as the log gives it back; `seq` grows with acceptance."""

    seq: int
    received_at_ms: int
    sender: str
    original: bytes


class KeptLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter as the log gives it back; `at_ms` is when it was first set aside."""

    letter_id: int
    at_ms: int
    letter: DeadLetter


class AcceptedLog:
    """The durable log of accepted events, and beside it what was set aside.

    Args:
        partition: of a cluster: only its events are read and added. None reads all.
    """

    def __init__(self, database: Database, partition: int | None = None) -> None:
        self._database, self._partition = database, partition

    def digests_of(self, identities: Iterable[str]) -> dict[str, bytes]:
        """Returns the content digest of each identity that was accepted; the others are absent."""
        found: dict[str, bytes] = {}
        with self._database.read() as session:
            for some in chunks(identities):
                query = select(AcceptedEvent.identity, AcceptedEvent.digest).where(AcceptedEvent.identity.in_(some))
                found.update(session.execute(query).all())
        return found

    def logged(self, identities: Iterable[str]) -> dict[str, LoggedEvent]:
        """Returns the logged event of each identity that was accepted; the others are absent."""
        found = {}
        with self._database.read() as session:
            for some in chunks(identities):
                query = select(AcceptedEvent.identity, *_LOGGED).where(AcceptedEvent.identity.in_(some))
                for identity, seq, received_at_ms, sender, original in session.execute(query):
                    found[identity] = _logged(seq, received_at_ms, sender, original)
        return found

    def digest_at(self, seq: int) -> bytes | None:
        """Returns the content digest of an event by its number, or None."""
        with self._database.read() as session:
            return session.scalar(select(AcceptedEvent.digest).where(AcceptedEvent.seq == seq))

    def append(self, session: Session, records: Sequence[Record]) -> list[int]:
        """Adds the records in their order and returns their numbers; durable once the session has ended.

        Raises: sqlalchemy.exc.IntegrityError if an identity was accepted before: `digests_of` tells beforehand.
        """
        if not records:
            return []
        add_swipes(session, (record.event for record in records))
        keep_seen_faces(session, records)
        if session.get_bind().dialect.name == "postgresql":
            return self._append_columns(session, records)
        statement = insert(AcceptedEvent).returning(AcceptedEvent.seq, sort_by_parameter_order=True)
        return list(session.scalars(statement, [_row_of(record, self._partition) for record in records]))

    def _append_columns(self, session: Session, records: Sequence[Record]) -> list[int]:
        """As `append`: one short statement with an array a column, which costs the driver a fraction of many rows."""
        rows = [_row_of(record, self._partition) for record in records]
        columns = {name: [row[name] for row in rows] for name in _ARRAYS}
        return sorted(session.scalars(_APPEND_COLUMNS, columns))

    def forget(self, session: Session, identities: Sequence[str]) -> None:
        """Afterwards these events are no longer in the log; of a cluster's, those of this partition."""
        for some in chunks(identities):
            statement = delete(AcceptedEvent).where(AcceptedEvent.identity.in_(some))
            if self._partition is not None:  # others hold rows of it too, and their times are not its own
                statement = statement.where(AcceptedEvent.partition == self._partition)
            session.execute(statement)

    def read(self, after_seq: int = 0, batch: int = 5000) -> Iterator[LoggedEvent]:
        """Yields what was accepted after `after_seq`, in order, holding `batch` events and no transaction at a time."""
        while True:
            query = select(*_LOGGED).where(AcceptedEvent.seq > after_seq).order_by(AcceptedEvent.seq).limit(batch)
            if self._partition is not None:
                query = query.where(AcceptedEvent.partition == self._partition)
            with self._database.read() as session:
                rows = session.execute(query).all()
            yield from (_logged(*row) for row in rows)
            if len(rows) < batch:
                return
            after_seq = rows[-1].seq

    def of_other_partitions(self, until_ms: int, *types: str, batch: int = 5000) -> Iterator[LoggedEvent]:
        """Yields the events of some types that other partitions received up to a time, in order, many at a time."""
        after_seq = 0
        while True:
            query = select(*_LOGGED).where(
                AcceptedEvent.type.in_(types),
                AcceptedEvent.seq > after_seq,
                AcceptedEvent.partition != self._partition,
                AcceptedEvent.received_at_ms <= until_ms,
            )
            with self._database.read() as session:
                rows = session.execute(query.order_by(AcceptedEvent.seq).limit(batch)).all()
            yield from (_logged(*row) for row in rows)
            if len(rows) < batch:
                return
            after_seq = rows[-1].seq

    def count(self) -> int:
        """Returns how many events were accepted."""
        with self._database.read() as session:
            return session.scalar(select(func.count()).select_from(AcceptedEvent)) or 0

    def set_aside(self, session: Session, letters: Sequence[DeadLetter], at_ms: int) -> None:
        """Afterwards every letter is kept once: the same bytes from the same place for the same reason are one."""
        insert_new(session, DeadLetterRow, [_letter_row(letter, at_ms) for letter in letters], "content_hash")

    def dead_letters(
        self, limit: int = 1000, after: int = 0, *, reason: str | None = None, since_ms: int = 0
    ) -> list[KeptLetter]:
        """Returns at most `limit` letters with a number greater than `after`, in the order they were set aside.

        Args: `reason` and `since_ms` leave out those for other reasons, and those set aside before.
        """
        query = select(DeadLetterRow).where(DeadLetterRow.letter_id > after, DeadLetterRow.at_ms >= since_ms)
        if reason is not None:
            query = query.where(DeadLetterRow.reason == reason)
        with self._database.read() as session:
            return [_kept(row) for row in session.scalars(query.order_by(DeadLetterRow.letter_id).limit(limit))]

    def dead_letter(self, letter_id: int) -> KeptLetter | None:
        """Returns a letter by its number, or None."""
        with self._database.read() as session:
            row = session.get(DeadLetterRow, letter_id)
            return None if row is None else _kept(row)

    def dead_letter_count(self, since_ms: int = 0) -> int:
        """Returns how many letters were set aside since a time."""
        query = select(func.count()).select_from(DeadLetterRow).where(DeadLetterRow.at_ms >= since_ms)
        with self._database.read() as session:
            return session.scalar(query) or 0


def swipes_of_history(session: Session, settlement_ids: Iterable[str]) -> set[str]:
    """Returns those of the settlements whose swipes were loaded as history."""
    found: set[str] = set()
    for some in chunks(settlement_ids):
        query = select(AcceptedEvent.settlement_id).where(
            AcceptedEvent.settlement_id.in_(some), AcceptedEvent.type == "swipe", AcceptedEvent.sender == HISTORY
        )
        found.update(name for name in session.scalars(query) if name is not None)
    return found


_ARRAYS = {
    "identity": "text",
    "digest": "bytea",
    "type": "text",
    "settlement_id": "text",
    "institution_id": "text",
    "occurred_at_ms": "bigint",
    "received_at_ms": "bigint",
    "sender": "text",
    "original": "bytea",
    "partition": "bigint",
}
_NAMES = ", ".join(_ARRAYS)
_APPEND_COLUMNS = text(
    f"INSERT INTO accepted_event ({_NAMES}) SELECT {_NAMES}"  # noqa: S608 - names of the table above
    f" FROM unnest({', '.join(f'CAST(:{name} AS {kind}[])' for name, kind in _ARRAYS.items())})"
    f" WITH ORDINALITY AS given ({_NAMES}, place) ORDER BY place RETURNING seq"
).bindparams(*(bindparam(name, type_=ARRAY(AcceptedEvent.__table__.c[name].type)) for name in _ARRAYS))
_LOGGED = (AcceptedEvent.seq, AcceptedEvent.received_at_ms, AcceptedEvent.sender, AcceptedEvent.original)


def _logged(seq: int, received_at_ms: int, sender: str, original: bytes) -> LoggedEvent:
    return LoggedEvent(seq=seq, received_at_ms=received_at_ms, sender=sender, original=original)


def chunks(values: Iterable[str], size: int = QUERY_VALUES) -> Iterator[list[str]]:
    """Yields the values in lists short enough for one query."""
    rest = iter(values)
    while some := list(islice(rest, size)):
        yield some


def _row_of(record: Record, partition: int | None) -> dict[str, object]:
    event = record.event
    return {
        "identity": record.identity,
        "digest": record.digest,
        "type": event.__struct_config__.tag,
        "settlement_id": getattr(event, "settlement_id", None),
        "institution_id": getattr(event, "institution_id", None),
        "occurred_at_ms": event.occurred_at_ms,
        "received_at_ms": record.received_at_ms,
        "sender": record.sender,
        "original": record.original,
        "partition": partition,
    }


def _letter_row(letter: DeadLetter, at_ms: int) -> dict[str, object]:
    return {
        "at_ms": at_ms,
        "place": msgspec.to_builtins(letter.place),
        "stage": letter.stage,
        "reason": letter.reason,
        "detail": letter.detail,
        "original": letter.original,
        "content_hash": letter_key(letter),
    }


def _kept(row: DeadLetterRow) -> KeptLetter:
    letter = msgspec.convert(
        {
            "original": row.original,
            "place": msgspec.convert(row.place, Place),
            "stage": row.stage,
            "reason": row.reason,
            "detail": row.detail,
        },
        DeadLetter,
    )
    return KeptLetter(letter_id=row.letter_id, at_ms=row.at_ms, letter=letter)
