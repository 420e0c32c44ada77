"""Events from anywhere into a Parquet file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from events.codec import decode_event
from events.dead_letters import DeadLetter, InvalidEvent
from events.errors import ConfigError
from streams.acceptance import set_aside
from streams.parquet.layout import SCHEMA
from streams.places import Offer

ROWS_A_GROUP = 262_144
"""Written and read as one, so that memory stays flat however long the file is."""


def write_parquet(path: Path, offers: Iterable[Offer]) -> list[DeadLetter]:
    """Writes all offers that are events, in order, repeats too; returns the others. Fields that no type has are lost.

    Raises: ConfigError when the file cannot be written.
    """
    letters: list[DeadLetter] = []
    rows = _rows(offers, letters)
    try:
        with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
            while group := list(islice(rows, ROWS_A_GROUP)):
                writer.write_batch(pa.RecordBatch.from_pylist(group, SCHEMA))
    except OSError as error:
        raise ConfigError("command line", "--out", str(path), f"cannot be written: {error}") from error
    return letters


def _rows(offers: Iterable[Offer], letters: list[DeadLetter]) -> Iterator[dict[str, object]]:
    for original, place in offers:
        event = decode_event(original)
        if isinstance(event, InvalidEvent):
            letters.append(set_aside(original, place, event))
        else:
            yield msgspec.to_builtins(event)
