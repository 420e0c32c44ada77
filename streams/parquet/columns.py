"""From checked Arrow columns to the columns that a slab is built of, without an object a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import (
    Coded,
    EventColumns,
    FaceColumns,
    InjectionColumns,
    ItemColumns,
    MovementColumns,
    ObservationColumns,
    PackColumns,
    PersonColumns,
    SwipeColumns,
)
from detectors.extraction import (
    CREDENTIAL_CODE,
    KIND_CODE,
    NO_HOMES,
    SEX_CODE,
    STATUS_CODE,
    VERDICT_CODE,
    by_line,
    date_number,
    texts,
)
from detectors.windows import Bools, Floats, Int64s, Texts
from events.types import AccountInjection, AnyEvent, FaceObserved, Person, StockMovement, Swipe
from streams.parquet.checks import Array, Nested

Columns = Mapping[str, Any]


def _swipes(given: Columns) -> SwipeColumns:
    return SwipeColumns(
        settlement_id=_texts(given["settlement_id"]),
        time_ms=_whole(given["occurred_at_ms"]),
        person=_coded(given["person_id"]),
        institution=_coded(given["institution_id"]),
        till=_coded(given["till_id"]),
        credential=_choice(given["credential"], CREDENTIAL_CODE),
        agent=_coded(given["agent_person_id"]),
        category=_coded(given["category"]),
        insured_region=_coded(given["insured_region"]),
        total_fen=_whole(given["total_fen"]),
        fund_fen=_whole(given["fund_fen"]),
        account_fen=_whole(given["account_fen"]),
        delivery=_flags(given["delivery"]),
        items=_items(given["items"]),
        packs=_packs(given["items"]),
        homes=NO_HOMES,
    )


def _items(items: Nested) -> ItemColumns:
    given = items.columns
    order = by_line(items.row, _whole(given["line_no"]))
    drug = _coded(given["drug_code"])
    return ItemColumns(
        swipe=items.row,
        drug=Coded(codes=drug.codes[order], names=drug.names),
        quantity=_decimals(given["quantity"])[order],
        days_supply=_decimals(given["days_supply"])[order],
    )


def _packs(items: Nested) -> PackColumns:
    """Returns the codes of whole packs, each once a swipe."""
    codes = items.columns["trace_codes"]
    is_whole = ~_flags(items.columns["split_pack"])[codes.row]
    swipe = items.row[codes.row[is_whole]]
    code = pc.filter(codes.columns[""], pa.array(is_whole)).to_pylist()
    if np.all(swipe[1:] > swipe[:-1]):
        return PackColumns(swipe=swipe, code=code)
    each_once = dict.fromkeys(zip(swipe.tolist(), code, strict=True))
    return PackColumns(
        swipe=np.array([swipe for swipe, _ in each_once], dtype=np.int64), code=[code for _, code in each_once]
    )


def _people(given: Columns) -> PersonColumns:
    born = _coded(given["birth_date"]).renumbered(lambda dates: list(map(date_number, dates)))
    return PersonColumns(
        event_id=_texts(given["event_id"]),
        person=_coded(given["person_id"]),
        from_ms=_whole(given["effective_from_ms"]),
        household=_coded(given["household_id"]),
        status=_choice(given["status"], STATUS_CODE),
        sex=_choice(given["sex"], SEX_CODE),
        born=np.maximum(born, date_number(None)).astype(np.int64),
    )


def _observations(given: Columns) -> ObservationColumns:
    faces = given["faces"].columns
    return ObservationColumns(
        event_id=_texts(given["event_id"]),
        time_ms=_whole(given["occurred_at_ms"]),
        institution=_coded(given["institution_id"]),
        till=_coded(given["till_id"]),
        healthy=_flags(given["healthy"]),
        people=_whole(given["people"]),
        faces=FaceColumns(
            observation=given["faces"].row,
            quality=_decimals(faces["quality"]),
            visitor=_coded(faces["visitor_id"]),
            staff=_flags(faces["staff"]),
            settlement_id=_texts(faces["settlement_id"]),
            verdict=_choice(faces["verdict"], VERDICT_CODE),
        ),
    )


def _movements(given: Columns) -> MovementColumns:
    return MovementColumns(
        event_id=_texts(given["event_id"]),
        time_ms=_whole(given["occurred_at_ms"]),
        institution=_coded(given["institution_id"]),
        drug=_coded(given["drug_code"]),
        kind=_choice(given["kind"], KIND_CODE),
        refers_to=_texts(given["refers_to"]),
        self_pay=_choice(given["setl_kind"], _IS_SELF_PAY) > 0,
        quantity=_decimals(given["quantity"]),
    )


def _injections(given: Columns) -> InjectionColumns:
    return InjectionColumns(
        event_id=_texts(given["event_id"]),
        time_ms=_whole(given["occurred_at_ms"]),
        person=_coded(given["person_id"]),
        amount_fen=_whole(given["amount_fen"]),
    )


COLUMNS_OF: Mapping[type[AnyEvent], Callable[[Columns], EventColumns]] = {
    Swipe: _swipes,
    Person: _people,
    FaceObserved: _observations,
    StockMovement: _movements,
    AccountInjection: _injections,
}
"""From the columns of each type's fields, all of them sound; the other types are read row by row, there are few."""

_IS_SELF_PAY = {"insured": 0, "self_pay": 1}


def _texts(array: Array) -> Texts:
    return texts(array.to_pylist())


def _whole(array: Array) -> Int64s:
    numbers: Int64s = np.array(array.to_numpy(zero_copy_only=False), dtype=np.int64)
    return numbers


def _decimals(array: Array) -> Floats:
    """Returns the numbers; null is NaN."""
    numbers: Floats = np.array(array.to_numpy(zero_copy_only=False), dtype=np.float64)
    return numbers


def _flags(array: Array) -> Bools:
    """Returns the flags; null is false."""
    return np.array(pc.fill_null(array, fill_value=False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _coded(array: Array) -> Coded:
    coded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    codes = np.array(pc.fill_null(coded.indices, -1).to_numpy(), dtype=np.int64)
    return Coded(codes=codes, names=coded.dictionary.to_pylist())


def _choice(array: Array, code_of: Mapping[Any, int]) -> Int64s:
    """Returns the code of each text, −1 for null."""
    return _coded(array).renumbered(lambda names: [code_of[name] for name in names]).astype(np.int64)
