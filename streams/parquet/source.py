"""A Parquet file as a source of events: a batch of rows at a time into columns, the next one read meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from detectors.columns import EventColumns, SwipeColumns
from detectors.windows import Bools, Int64s
from events.dead_letters import Place
from events.errors import ConfigError
from events.types import AnyEvent
from streams.arrivals import Arrivals, Chunk, chunk_of, hashes_of
from streams.parquet.checks import check_rows, fields_of, is_type
from streams.parquet.columns import COLUMNS_OF
from streams.parquet.layout import FIELD_NAMES, REPEATING
from streams.parquet.rows import rows_as_json
from streams.places import Offer, Progress

BATCH_ROWS = 1_048_576
THREADS = 2
"""Arrow works outside Python's lock, so two batches at a time keep two cores busy."""

_TAGGED = {str(kind.__struct_config__.tag): kind for kind in COLUMNS_OF}


class ParquetFile:
    """A .parquet file; its rows count."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._reading():
            schema = pq.read_schema(path)
            repeating = [field.name for field in schema if field.name in REPEATING and field.type == pa.string()]
            self._file = pq.ParquetFile(path, read_dictionary=repeating)
        self._columns = [name for name in schema.names if name in FIELD_NAMES]

    def size(self) -> int:
        """Returns how many rows there are."""
        return int(self._file.metadata.num_rows)

    def chunks(self, first: int, progress: Progress) -> Iterator[Chunk]:
        """Yields all rows. Raises: ConfigError when the file cannot be read."""
        number = first
        coming: deque[Future[Chunk]] = deque()
        with ThreadPoolExecutor(max_workers=THREADS) as workers, self._reading():
            for rows in self._batches(progress):
                coming.append(workers.submit(_chunk, rows, number))
                number += rows.num_rows
                if len(coming) > THREADS:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()

    def offers(self, progress: Progress) -> Iterator[Offer]:
        """Yields all rows as JSON. Raises: ConfigError when the file cannot be read."""
        number = 0
        with self._reading():
            for rows in self._batches(progress):
                for original in rows_as_json(rows):
                    yield original, self.place(number)
                    number += 1

    def originals(self, numbers: Sequence[int]) -> Iterator[bytes]:
        """Yields these rows as JSON; reads the row groups that they lie in."""
        ends = np.cumsum([self._file.metadata.row_group(at).num_rows for at in range(self._file.num_row_groups)])
        for group, of_group in groupby(numbers, key=lambda number: int(np.searchsorted(ends, number, side="right"))):
            start = int(ends[group - 1]) if group else 0
            with self._reading():
                table = _without_views(self._file.read_row_group(group, columns=self._columns_of(group)))
                for rows in table.take(pa.array([number - start for number in of_group])).to_batches():
                    yield from rows_as_json(rows)

    def place(self, number: int) -> Place:
        """Returns file and row, which counts from 1."""
        return Place(file=str(self._path), line=number + 1)

    def _batches(self, progress: Progress) -> Iterator[pa.RecordBatch]:
        """Yields all rows; while one batch is at work the next is read."""
        bytes_a_row = self._path.stat().st_size / max(self._file.metadata.num_rows, 1)
        batches = self._groups()
        with ThreadPoolExecutor(max_workers=1) as reader:
            coming = reader.submit(next, batches, None)
            while (rows := coming.result()) is not None:
                coming = reader.submit(next, batches, None)
                yield _without_views(rows)
                progress(round(rows.num_rows * bytes_a_row))

    def _groups(self) -> Iterator[pa.RecordBatch]:
        """Yields all rows, without the columns that are null in all of their row group."""
        for group in range(self._file.num_row_groups):
            columns = self._columns_of(group)
            yield from self._file.iter_batches(batch_size=BATCH_ROWS, row_groups=[group], columns=columns)

    def _columns_of(self, group: int) -> list[str]:
        """Returns the columns of events that say something in a row group, as far as its statistics tell."""
        chunks = self._file.metadata.row_group(group)
        spoken = {_name_of(chunk) for chunk in map(chunks.column, range(chunks.num_columns)) if not _is_null(chunk)}
        return [name for name in self._columns if name in spoken] or self._columns[:1]

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Whatever Arrow says in here is the file's fault."""
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise ConfigError(str(self._path), "FILE", str(self._path), f"cannot be read: {error}") from error


def _name_of(chunk: pq.ColumnChunkMetaData) -> str:
    return str(chunk.path_in_schema).split(".", maxsplit=1)[0]


def _is_null(chunk: pq.ColumnChunkMetaData) -> bool:
    """Returns whether a column is known to say nothing; of lists that is never known: they may be empty."""
    statistics = None if "." in chunk.path_in_schema else chunk.statistics
    return statistics is not None and statistics.has_null_count and statistics.null_count == chunk.num_values


def _without_views(rows: pa.Table | pa.RecordBatch) -> pa.Table | pa.RecordBatch:
    """Returns the rows with plain texts in place of views, with which Arrow can do little."""
    for number, field in enumerate(rows.schema):
        if pa.types.is_string_view(field.type) or pa.types.is_binary_view(field.type):
            rows = rows.set_column(number, field.name, rows.column(number).cast(pa.string()))
    return rows


def _chunk(rows: pa.RecordBatch, first: int) -> Chunk:
    """Returns what rows bring: what is sound as columns, and the rest as if its rows were lines of JSON."""
    is_left = np.ones(rows.num_rows, dtype=np.bool_)
    arrivals = []
    for tag, kind in _TAGGED.items():
        is_sound, columns = _sound(rows, tag, kind)
        if columns is not None:
            is_left &= ~is_sound
            arrivals.append(_arrivals(kind, columns, np.flatnonzero(is_sound) + first))
    left = np.flatnonzero(is_left)
    others = chunk_of(rows_as_json(_without_empty(rows.take(pa.array(left)))), 0)
    return Chunk(
        first=first,
        size=rows.num_rows,
        arrivals=[*arrivals, *(_renumbered(one, left + first) for one in others.arrivals)],
        invalid=[replace(one, number=int(left[one.number]) + first) for one in others.invalid],
    )


def _renumbered(arrivals: Arrivals, numbers: Int64s) -> Arrivals:
    """Returns arrivals with other numbers; what bytes they have is not compared."""
    return replace(arrivals, numbers=numbers[arrivals.numbers], marks=numbers[arrivals.numbers])


def _without_empty(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Returns the rows without columns that are null in all of them."""
    return rows.select([name for name in rows.schema.names if rows.column(name).null_count < rows.num_rows])


def _sound(rows: pa.RecordBatch, tag: str, kind: type[AnyEvent]) -> tuple[Bools, EventColumns | None]:
    """Returns which rows are sound events of a type, and those as columns; None where there are none."""
    is_sound = is_type(rows, tag)
    if not is_sound.any():
        return is_sound, None
    of_kind = _filtered(rows.select([name for name in rows.schema.names if name in fields_of(kind)]), is_sound)
    checked = check_rows(of_kind, kind)
    is_sound[is_sound] = checked.is_sound
    if not checked.is_sound.any():
        return is_sound, None
    if not checked.is_sound.all():
        checked = check_rows(_filtered(of_kind, checked.is_sound), kind)
    return is_sound, COLUMNS_OF[kind](checked.columns)


def _filtered(rows: pa.RecordBatch, is_wanted: Bools) -> pa.RecordBatch:
    """Returns the wanted rows, at least one. Cost: none where they follow one another."""
    first = int(np.argmax(is_wanted))
    count = int(np.count_nonzero(is_wanted))
    return rows.slice(first, count) if is_wanted[first : first + count].all() else rows.filter(pa.array(is_wanted))


def _arrivals(kind: type[AnyEvent], columns: EventColumns, numbers: Int64s) -> Arrivals:
    ids = columns.settlement_id if isinstance(columns, SwipeColumns) else columns.event_id
    return Arrivals(kind=kind, hashes=hashes_of(ids.tolist()), numbers=numbers, marks=numbers, columns=columns)
