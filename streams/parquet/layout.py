"""The columns of an event file in Parquet: a row an event of any type, a column a field of any type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, get_args

import pyarrow as pa
from msgspec import inspect

from events.errors import InvariantError
from events.types import AnyEvent, type_tag


def _fields() -> Iterator[pa.Field]:
    """Yields every field of every type once; no two types have fields of one name and different kinds."""
    kinds: dict[str, pa.DataType] = {type_tag: pa.string()}
    for kind in get_args(AnyEvent):
        described = inspect.type_info(kind)
        if isinstance(described, inspect.StructType):
            for field in described.fields:
                column = _column_type(field.type)
                if kinds.setdefault(field.encode_name, column) != column:
                    raise InvariantError(f"{field.encode_name} is of two kinds")
    yield from (pa.field(name, kind) for name, kind in kinds.items())


def _column_type(wanted: inspect.Type) -> pa.DataType:
    match wanted:
        case inspect.UnionType():
            return _column_type(next(one for one in wanted.types if not isinstance(one, inspect.NoneType)))
        case inspect.StrType() | inspect.LiteralType():
            return pa.string()
        case inspect.IntType():
            return pa.int64()
        case inspect.FloatType():
            return pa.float64()
        case inspect.BoolType():
            return pa.bool_()
        case inspect.VarTupleType():
            return pa.list_(_column_type(wanted.item_type))
        case inspect.StructType():
            return pa.struct([pa.field(field.encode_name, _column_type(field.type)) for field in wanted.fields])
        case _:
            raise InvariantError(f"no column for {wanted}")


SCHEMA: Final = pa.schema(list(_fields()))
FIELD_NAMES: Final = frozenset(SCHEMA.names)
REPEATING: Final = frozenset(
    {
        "type",
        "person_id",
        "institution_id",
        "till_id",
        "operator_id",
        "credential",
        "insurance",
        "category",
        "insured_region",
        "agent_person_id",
        "sex",
        "birth_date",
        "region",
        "household_id",
        "employment",
        "status",
        "drug_code",
        "kind",
        "setl_kind",
        "camera_id",
    }
)
"""Texts that stand in many rows: read as numbers into a list of what is different."""
