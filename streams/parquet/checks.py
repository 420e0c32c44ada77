"""What JSON Lines are checked for, asked of whole columns: the types of events/types.py say what is right.

A row passes here only if it is an event when written as JSON. The others are few, and are read one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import inspect

from detectors.windows import Bools, Int64s
from events.codec import FUTURE_TOLERANCE_MS, is_date
from events.errors import InvariantError
from events.types import AnyEvent, Event, Person, StockMovement, type_tag

Array = Any
"""An array of pyarrow, which has no types for a type checker."""

_WHOLE_FLOATS = 2**53


@dataclass(frozen=True, slots=True)
class Nested:
    """What lies in lists: `row` is the row of each, `columns` its own fields or, of bare texts, the one named ""."""

    row: Int64s
    columns: Mapping[str, Values]


Values = Array | Nested


@dataclass(frozen=True, slots=True)
class Checked:
    """Columns as their types want them, by name, and which rows are sound."""

    columns: Mapping[str, Values]
    is_sound: Bools


def check_rows(rows: pa.RecordBatch, kind: type[AnyEvent]) -> Checked:
    """Returns the columns of a type's fields, of rows that say they are of that type."""
    given = {name: rows.column(name) for name in rows.schema.names}
    checked = _check_fields(given, fields_of(kind).values(), rows.num_rows)
    is_sound = checked.is_sound & _is_not_future(checked.columns)
    own = _OWN_CHECKS.get(kind)
    return Checked(checked.columns, is_sound if own is None else is_sound & own(checked.columns))


def is_type(rows: pa.RecordBatch, tag: str) -> Bools:
    """Returns which rows say that they are of a type."""
    given = _as_texts(rows.column(type_tag)) if type_tag in rows.schema.names else None
    if given is None:
        return np.zeros(rows.num_rows, dtype=np.bool_)
    return _mask(_for_each(given, lambda names: pc.equal(names, tag)))


@lru_cache(maxsize=16)
def fields_of(kind: type[Event]) -> Mapping[str, inspect.Field]:
    """Returns the fields of a type by the names of their columns."""
    described = inspect.type_info(kind)
    if not isinstance(described, inspect.StructType):
        raise InvariantError(f"{kind.__name__} is no struct")
    return {field.encode_name: field for field in described.fields}


def _check_fields(given: Mapping[str, Array], fields: Iterable[inspect.Field], size: int) -> Checked:
    columns: dict[str, Values] = {}
    is_sound = np.ones(size, dtype=np.bool_)
    for field in fields:
        array = given.get(field.encode_name)
        column, is_right = _check(pa.nulls(size) if array is None else array, field.type)
        columns[field.encode_name] = column
        is_sound &= is_right
    return Checked(columns, is_sound)


def _check(array: Array, wanted: inspect.Type) -> tuple[Values, Bools]:
    """Returns the column as its type wants it, and which values are right; null is where the type says None."""
    if isinstance(wanted, inspect.UnionType):
        inner = next(one for one in wanted.types if not isinstance(one, inspect.NoneType))
        column, is_right = _check(array, inner)
        return column, is_right | _mask(pc.is_null(array, nan_is_null=pa.types.is_floating(array.type)))
    check = _CHECKS.get(type(wanted))
    if check is None:
        raise InvariantError(f"no check for {wanted}")
    return check(array, wanted)


def _check_text(array: Array, wanted: Any) -> tuple[Values, Bools]:  # noqa: ANN401 - msgspec's description of a type
    texts = _as_texts(array)
    if texts is None:
        return _nothing(array, pa.string())
    is_right = pc.is_valid(texts)
    if wanted.min_length:
        is_right = pc.and_(is_right, _for_each(texts, lambda names: pc.greater(pc.binary_length(names), 0)))
    if wanted.pattern is not None:
        pattern = wanted.pattern.replace(r"\Z", r"\z")  # the end of the text, as Arrow's RE2 writes it
        is_right = pc.and_(is_right, _for_each(texts, lambda names: pc.match_substring_regex(names, pattern)))
    return texts, _mask(is_right)


def _check_choice(array: Array, wanted: Any) -> tuple[Values, Bools]:  # noqa: ANN401 - as above
    texts = _as_texts(array)
    if texts is None:
        return _nothing(array, pa.string())
    return texts, _mask(_for_each(texts, lambda names: pc.is_in(names, pa.array(wanted.values, names.type))))


def _check_whole(array: Array, wanted: Any) -> tuple[Values, Bools]:  # noqa: ANN401 - as above
    whole = array
    if pa.types.is_floating(array.type):
        is_whole = pc.and_(pc.equal(pc.floor(array), array), pc.less(pc.abs(array), _WHOLE_FLOATS))
        whole = pc.if_else(is_whole, array, None)
    numbers = _cast(whole, pa.int64()) if _is_number(array.type) else None
    return _nothing(array, pa.int64()) if numbers is None else (numbers, _mask(_in_bounds(numbers, wanted)))


def _check_decimal(array: Array, wanted: Any) -> tuple[Values, Bools]:  # noqa: ANN401 - as above
    numbers = _cast(array, pa.float64()) if _is_number(array.type) else None
    if numbers is None:
        return _nothing(array, pa.float64())
    return numbers, _mask(pc.and_(pc.is_finite(numbers), _in_bounds(numbers, wanted)))


def _check_flag(array: Array, _wanted: Any) -> tuple[Values, Bools]:  # noqa: ANN401 - as above
    flags = _cast(array, pa.bool_()) if pa.types.is_boolean(array.type) or pa.types.is_null(array.type) else None
    return _nothing(array, pa.bool_()) if flags is None else (flags, _mask(pc.is_valid(flags)))


def _check_list(array: Array, wanted: Any) -> tuple[Values, Bools]:  # noqa: ANN401 - as above
    """Returns what lies in the lists; a list is right if it is there and all that lies in it is right."""
    if not (pa.types.is_list(array.type) or pa.types.is_large_list(array.type)):
        return Nested(np.zeros(0, dtype=np.int64), _nothing_within(wanted.item_type)), np.zeros(len(array), np.bool_)
    row = pc.list_parent_indices(array).to_numpy().astype(np.int64)
    columns, is_right = _check_within(pc.list_flatten(array), wanted.item_type)
    is_right_list = _mask(pc.is_valid(array))
    is_right_list[row[~is_right]] = False
    return Nested(row, columns), is_right_list


def _check_within(array: Array, wanted: inspect.Type) -> tuple[Mapping[str, Values], Bools]:
    if not isinstance(wanted, inspect.StructType):
        column, is_right = _check(array, wanted)
        return {"": column}, is_right
    given = {}
    if pa.types.is_struct(array.type):
        given = {field.name: pc.struct_field(array, [number]) for number, field in enumerate(array.type)}
    checked = _check_fields(given, wanted.fields, len(array))
    return checked.columns, checked.is_sound & _mask(pc.is_valid(array))


def _nothing_within(wanted: inspect.Type) -> Mapping[str, Values]:
    return _check_within(pa.nulls(0), wanted)[0]


_CHECKS: Mapping[type[inspect.Type], Callable[[Array, Any], tuple[Values, Bools]]] = {
    inspect.StrType: _check_text,
    inspect.LiteralType: _check_choice,
    inspect.IntType: _check_whole,
    inspect.FloatType: _check_decimal,
    inspect.BoolType: _check_flag,
    inspect.VarTupleType: _check_list,
}


def _is_not_future(columns: Mapping[str, Array]) -> Bools:
    received_ms = columns["received_at_ms"]
    if received_ms.null_count == len(received_ms):
        return np.ones(len(received_ms), dtype=np.bool_)
    ahead_ms = pc.subtract(columns["occurred_at_ms"], received_ms)
    return _mask(pc.fill_null(pc.less_equal(ahead_ms, FUTURE_TOLERANCE_MS), fill_value=True))


def _has_right_quantity(columns: Mapping[str, Array]) -> Bools:
    """Returns whether a movement has the quantity that its kind wants: of a count 0 too, of an adjustment any."""
    kind, quantity = columns["kind"], columns["quantity"]
    is_adjust = _mask(_for_each(kind, lambda names: pc.equal(names, "adjust")))
    is_count = _mask(_for_each(kind, lambda names: pc.equal(names, "count")))
    return is_adjust | _mask(pc.greater(quantity, 0)) | (is_count & _mask(pc.equal(quantity, 0)))


def _has_right_birth_date(columns: Mapping[str, Array]) -> Bools:
    written = columns["birth_date"]
    different = written if pa.types.is_dictionary(written.type) else written.dictionary_encode()
    return _mask(_for_each(different, _are_dates)) | _mask(pc.is_null(written))


def _are_dates(names: Array) -> Array:
    return pa.array(list(map(is_date, names.to_pylist())), pa.bool_())


_OWN_CHECKS: Mapping[type[AnyEvent], Callable[[Mapping[str, Any]], Bools]] = {
    StockMovement: _has_right_quantity,
    Person: _has_right_birth_date,
}


def _for_each(texts: Array, say: Callable[[Array], Array]) -> Array:
    """Returns what is said of each text; of a dictionary it is said once a name."""
    if pa.types.is_dictionary(texts.type):
        return pc.take(say(texts.dictionary), texts.indices)
    return say(texts)


def _as_texts(array: Array) -> Array | None:
    """Returns the array as texts or a dictionary of texts; None if it holds something else."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        is_plain = _is_text(kind.value_type) and array.dictionary.null_count == 0
        return array if is_plain else _as_texts(_cast(array, kind.value_type))
    if _is_text(kind):
        return array
    return _cast(array, pa.string()) if pa.types.is_null(kind) or _may_be_text(kind) else None


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _may_be_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string_view(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)
    )


def _cast(array: Array, kind: pa.DataType) -> Array | None:
    """Returns the array as another type, or None where a value would not survive that."""
    if array.type == kind:
        return array
    try:
        return pc.cast(array, kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _in_bounds(numbers: Array, wanted: Any) -> Array:  # noqa: ANN401 - as above
    is_right = pc.is_valid(numbers)
    for bound, fits in ((wanted.ge, pc.greater_equal), (wanted.gt, pc.greater), (wanted.le, pc.less_equal)):
        if bound is not None:
            is_right = pc.and_(is_right, fits(numbers, pa.scalar(bound, numbers.type)))
    return is_right


def _nothing(array: Array, kind: pa.DataType) -> tuple[Values, Bools]:
    """Returns an empty column in place of one that is of no use: none of its values is right."""
    return pa.nulls(len(array), kind), np.zeros(len(array), dtype=np.bool_)


def _mask(flags: Array) -> Bools:
    """Returns flags as a column of its own; null is false."""
    return np.array(pc.fill_null(flags, fill_value=False).to_numpy(zero_copy_only=False), dtype=np.bool_)
