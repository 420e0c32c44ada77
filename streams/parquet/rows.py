"""Single rows as the JSON that they would be: for whatever whole columns cannot say."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa

JsonRow = dict[str, Any]


def rows_as_json(rows: pa.RecordBatch) -> list[bytes]:
    """Returns each row as one JSON object: null fields are left out, numbers without a fraction are written without."""
    return [msgspec.json.encode(_object(row)) for row in rows.to_pylist()]


def _object(row: JsonRow) -> JsonRow:
    return {name: _value(value) for name, value in row.items() if value is not None and value == value}  # noqa: PLR0124


def _value(value: object) -> object:
    match value:
        case dict():
            return _object(value)
        case list():
            return [_value(one) for one in value]
        case float() | Decimal():
            return int(value) if _is_whole(value) else float(value)
        case bytes():
            return value.decode("utf-8", "replace")
        case bool() | int() | str() | None:
            return value
        case date() | datetime() | time():
            return value.isoformat()
        case _:
            return str(value)


def _is_whole(value: float | Decimal) -> bool:
    return bool(value == value // 1)
