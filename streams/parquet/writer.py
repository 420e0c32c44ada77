"""Events from anywhere into a Parquet file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from events.codec import decode_events
from events.dead_letters import DeadLetter, InvalidEvent
from events.errors import ConfigError
from events.types import AnyEvent, type_tag
from streams.acceptance import set_aside
from streams.parquet.layout import SCHEMA
from streams.places import Offer

ROWS_A_GROUP = 1_500_000
"""Written and read as one, so that memory stays flat however long the file is."""


def write_parquet(path: Path, offers: Iterable[Offer]) -> list[DeadLetter]:
    """Writes all offers that are events, repeats too, and returns the others; fields that no type has are lost.

    Events of one type stay in order; those of different types may change places, which changes nothing.
    Raises: ConfigError when the file cannot be written.
    """
    letters: list[DeadLetter] = []
    coming = iter(offers)
    try:
        with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
            while group := list(islice(coming, ROWS_A_GROUP)):
                for table in _tables(group, letters):
                    writer.write_table(table, row_group_size=ROWS_A_GROUP)
    except OSError as error:
        raise ConfigError("command line", "--out", str(path), f"cannot be written: {error}") from error
    return letters


def _tables(offers: Sequence[Offer], letters: list[DeadLetter]) -> Iterator[pa.Table]:
    """Yields a table of each type: a row group of one type has nothing but nulls in the columns of others."""
    events: dict[type[AnyEvent], list[AnyEvent]] = defaultdict(list)
    decoded = decode_events([original for original, _ in offers])
    for event, (original, place) in zip(decoded, offers, strict=True):
        if isinstance(event, InvalidEvent):
            letters.append(set_aside(original, place, event))
        else:
            events[type(event)].append(event)
    for kind, of_kind in events.items():
        yield pa.concat_tables([SCHEMA.empty_table(), _table_of(kind, of_kind)], promote_options="default")


def _table_of(kind: type[AnyEvent], events: Sequence[AnyEvent]) -> pa.Table:
    columns = {type_tag: pa.array([str(kind.__struct_config__.tag)] * len(events))}
    for field in msgspec.structs.fields(kind):
        values = [getattr(event, field.name) for event in events]
        written = SCHEMA.field(field.encode_name).type
        plain = msgspec.to_builtins(values) if pa.types.is_list(written) else values
        columns[field.encode_name] = pa.array(plain, written)
    return pa.table(columns)
