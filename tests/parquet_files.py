"""Lines of JSON as rows of Parquet, so that a test of lines tests rows too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Row = dict[str, Any]


def write_rows(path: Path, lines: list[bytes]) -> list[bytes] | None:
    """Writes lines as rows and returns the lines that say what the rows say; None if rows cannot say it.

    A row knows no null beside an absent field, and no difference between 1.0 and 1.
    """
    try:
        rows = [json.loads(line, parse_constant=_no_number) for line in lines]
        if not all(isinstance(row, dict) for row in rows):
            return None
        names = dict.fromkeys(name for row in rows for name in row)
        table = pa.table({name: [row.get(name) for row in rows] for name in names})
        pq.write_table(table, path)
    except (ValueError, TypeError, AttributeError, OverflowError, pa.ArrowException):
        return None
    return [json.dumps(_said(row)).encode() for row in rows]


def _no_number(text: str) -> None:
    raise ValueError(text)


def _said(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _said(one) for name, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_said(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
