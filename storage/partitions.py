"""Who holds each partition of a cluster, and how far its work has come: the one place that refuses a second worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from events.errors import ConfigError
from events.findings import Finding
from storage.database import Database
from storage.findings import decode_finding
from storage.models import AcceptedEvent, FindingRow, PartitionRow

ROWS_TOGETHER: Final = 5_000


class Fenced(Exception):
    """Another worker has taken the partition over: nothing of the transaction was kept."""


class PartitionState(msgspec.Struct, frozen=True, kw_only=True):
    """How far a partition has come, and under which epoch it is worked on.

    What follows from the flow's records before `flow_offset`, and from the log's events up to `applied_seq`, was sent
    and written. The records from there up to `flow_begun` and the events after that are one step that was begun:
    something of it may have been sent, so whoever takes over repeats it as one. `input_offset` is that of the next
    record to be read. `waiting_until_ms` is when the last of what waits is decided, or None. `told_reach` says what was
    called a meeting or a sighting when all of this was sent: whoever goes on with another reach sends those anew.
    """

    number: int
    partitions: int
    epoch: int
    worker: str
    taken_at_ms: int
    input_offset: int
    flow_offset: int
    flow_begun: int
    applied_seq: int
    waiting_until_ms: int | None
    told_reach: str


class Partitions:
    """The partitions' states. Safe to use from several threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, number: int, partitions: int, worker: str, now_ms: int) -> PartitionState:
        """Returns the state of a partition that is this worker's from now on; every other worker's epoch is past.

        Raises: ConfigError when the database was cut into another number of partitions.
        """
        with self._database.session() as session:
            known = session.scalar(select(func.max(PartitionRow.partitions)))
            if known is not None and known != partitions:
                raise ConfigError("the broker", "partitions", partitions, f"{known}, as the database was cut")
            row = session.get(PartitionRow, number)
            if row is None:
                row = PartitionRow(
                    number=number,
                    partitions=partitions,
                    epoch=0,
                    input_offset=0,
                    flow_offset=0,
                    flow_begun=0,
                    applied_seq=0,
                    told_reach="",
                )
                session.add(row)
            row.epoch += 1
            row.worker, row.taken_at_ms = worker, now_ms
            session.flush()
            return _state_of(row)

    def states(self) -> dict[int, PartitionState]:
        """Returns the state of every partition that was ever taken, by its number."""
        with self._database.read() as session:
            return {row.number: _state_of(row) for row in session.scalars(select(PartitionRow))}

    def recut(
        self,
        partitions: int,
        partition_of_event: Callable[[bytes], int],
        partition_of_finding: Callable[[Finding], int],
        progress: Callable[[int], None] = lambda _rows: None,
    ) -> None:
        """Afterwards the log and the findings are cut into so many partitions, and none of it was sent or judged yet.

        All of it or nothing. The input is gone on with where it was left. No worker may run meanwhile.
        """
        with self._database.session() as session:
            offsets = dict(session.execute(select(PartitionRow.number, PartitionRow.input_offset)).tuples().all())
            session.execute(delete(PartitionRow))
            session.add_all(
                PartitionRow(
                    number=number,
                    partitions=partitions,
                    epoch=1,
                    worker="",
                    taken_at_ms=0,
                    input_offset=offsets.get(number, 0),
                    flow_offset=0,
                    flow_begun=0,
                    applied_seq=0,
                    told_reach="",
                )
                for number in range(partitions)
            )
            session.flush()
            for rows in _pages(session, AcceptedEvent.seq, AcceptedEvent.original):
                numbers = [{"seq": seq, "partition": partition_of_event(original)} for seq, original in rows]
                session.execute(update(AcceptedEvent), numbers)
                progress(len(rows))
            for rows in _pages(session, FindingRow.finding_id, FindingRow.body):
                numbers = [
                    {"finding_id": name, "partition": partition_of_finding(decode_finding(body))} for name, body in rows
                ]
                session.execute(update(FindingRow), numbers)

    def undecided_events(self) -> int:
        """Returns how many accepted events are in the log of which not everything was sent and written."""
        query = (
            select(func.count())
            .select_from(AcceptedEvent)
            .join(PartitionRow, PartitionRow.number == AcceptedEvent.partition)
            .where(AcceptedEvent.seq > PartitionRow.applied_seq)
        )
        with self._database.read() as session:
            return session.scalar(query) or 0


def advance(session: Session, state: PartitionState) -> None:
    """Afterwards the partition's work has come so far, in the caller's transaction. Raises: Fenced."""
    statement = (
        update(PartitionRow)
        .where(PartitionRow.number == state.number, PartitionRow.epoch == state.epoch)
        .values(
            input_offset=state.input_offset,
            flow_offset=state.flow_offset,
            flow_begun=state.flow_begun,
            applied_seq=state.applied_seq,
            waiting_until_ms=state.waiting_until_ms,
            told_reach=state.told_reach,
        )
        .returning(PartitionRow.number)
        .execution_options(synchronize_session=False)
    )
    if session.scalar(statement) is None:
        raise Fenced(f"partition {state.number} was taken over after epoch {state.epoch}")


def _pages(session: Session, key: Any, value: Any) -> Iterator[Sequence[tuple[Any, Any]]]:  # noqa: ANN401 - columns
    """Yields keys and values of a table by key, many at a time."""
    query = select(key, value).order_by(key).limit(ROWS_TOGETHER)
    rows = session.execute(query).tuples().all()
    while rows:
        yield rows
        rows = session.execute(query.where(key > rows[-1][0])).tuples().all()


def _state_of(row: PartitionRow) -> PartitionState:
    return msgspec.convert(row, PartitionState, from_attributes=True)
