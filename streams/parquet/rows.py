"""Single rows as the JSON that they would be: for whatever whole columns cannot say."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec
import pyarrow as pa

JsonRow = dict[str, Any]

_AS_THEY_ARE: Final = frozenset({str, int, bool})


def rows_as_json(rows: pa.RecordBatch) -> list[bytes]:
    """Returns each row as one JSON object: null fields are left out, numbers without a fraction are written without."""
    encode = msgspec.json.Encoder(enc_hook=str).encode
    return [encode(_object(row)) for row in rows.to_pylist()]


def _object(row: JsonRow) -> JsonRow:
    return {
        name: value if type(value) in _AS_THEY_ARE else _value(value)
        for name, value in row.items()
        if value is not None and value == value  # noqa: PLR0124 - NaN alone differs from itself
    }


def _value(value: object) -> object:
    """Returns what JSON says of a value; times and the like become texts as it is encoded."""
    match value:
        case dict():
            return _object(value)
        case list():
            return [_value(one) for one in value]
        case float() | Decimal():
            return int(value) if value % 1 == 0 else float(value)
        case bytes():
            return value.decode("utf-8", "replace")
        case _:
            return value
