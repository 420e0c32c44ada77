"""Swipes that are columns already: what a store of columns hands to the slab builder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import chain
from typing import Any, TypeVar

import numpy as np

from detectors.windows import FEW, Bools, Floats, Int32s, Int64s, Texts, belonging, different

_FEW_NAMES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """Texts as codes into `names`; −1 is null."""

    codes: Int64s
    names: Sequence[str]

    def renumbered(self, codes_of: Callable[[list[str]], Sequence[int]]) -> Int32s:
        """Returns the codes that `codes_of` gives to texts; null stays −1. Names that no row has are not asked for."""
        return renumbered(
            self.codes, len(self.names), lambda used: codes_of([self.names[code] for code in used.tolist()])
        )


def renumbered(codes: Int64s, size: int, codes_of: Callable[[Int64s], Sequence[int]]) -> Int32s:
    """Returns other codes for codes from 0 to before `size`; −1 stays.

    Args: `codes_of` is asked once, for the codes that occur, ascending.
    Cost: a table of that size, or where it is much longer than the codes a search for each of them.
    """
    if len(codes) <= FEW:
        listed: list[int] = codes.tolist()
        few = sorted({code for code in listed if code >= 0})
        place = dict(zip(few, codes_of(np.array(few, dtype=np.int64)), strict=True))
        return np.array([place.get(code, -1) for code in listed], dtype=np.int32)
    if size > max(len(codes), _FEW_NAMES):
        used = different(codes[codes >= 0])
        new = np.array([*codes_of(used), -1], dtype=np.int32)
        return new[np.where(codes >= 0, np.searchsorted(used, codes), -1)]
    is_used = np.zeros(size + 1, dtype=np.bool_)
    is_used[codes] = True
    used = np.flatnonzero(is_used[:-1])
    code_of = np.full(size + 1, -1, dtype=np.int32)
    code_of[used] = codes_of(used)
    return code_of[codes]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemColumns:
    """Items by swipe and line; `swipe` is a position among the swipes that come with them. No days of supply: NaN."""

    swipe: Int64s
    drug: Coded
    quantity: Floats
    days_supply: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class PackColumns:
    """Trace codes of whole packs, each once a swipe; `swipe` is a position among the swipes that come with them."""

    swipe: Int64s
    code: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeColumns:
    """Which household (or none) somebody was of from a moment on; `person` is a position among the swipes."""

    swipe: Int64s
    from_ms: Int64s
    household: Coded


@dataclass(frozen=True, slots=True, kw_only=True)
class SwipeColumns:
    """Swipes in any order, every column of shape (n,); `till` is the till's own id, regions their first four digits."""

    settlement_id: Texts
    time_ms: Int64s
    person: Coded
    institution: Coded
    till: Coded
    credential: Int64s
    agent: Coded
    category: Coded
    insured_region: Coded
    total_fen: Int64s
    fund_fen: Int64s
    account_fen: Int64s
    delivery: Bools
    items: ItemColumns
    packs: PackColumns
    homes: HomeColumns


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonColumns:
    """Versions of persons in any order: `status` a code of STATUSES, `sex` of SEXES or −1, `born` yyyymmdd or 0."""

    event_id: Texts
    person: Coded
    from_ms: Int64s
    household: Coded
    status: Int64s
    sex: Int64s
    born: Int64s


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceColumns:
    """Faces by observation and number; `observation` is a position, ascending, among the observations they come with.

    `verdict` is a code of VERDICTS or −1.
    """

    observation: Int64s
    quality: Floats
    visitor: Coded
    staff: Bools
    settlement_id: Texts
    verdict: Int64s


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationColumns:
    """Observations in any order; `till` is the till's own id."""

    event_id: Texts
    time_ms: Int64s
    institution: Coded
    till: Coded
    healthy: Bools
    people: Int64s
    faces: FaceColumns


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementColumns:
    """Stock movements in any order; `kind` is a code of MOVEMENT_KINDS, −1 for a deletion of what `refers_to` says."""

    event_id: Texts
    time_ms: Int64s
    institution: Coded
    drug: Coded
    kind: Int64s
    refers_to: Texts
    self_pay: Bools
    quantity: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectionColumns:
    """Account injections in any order."""

    event_id: Texts
    time_ms: Int64s
    person: Coded
    amount_fen: Int64s


EventColumns = SwipeColumns | PersonColumns | ObservationColumns | MovementColumns | InjectionColumns


_Columns = TypeVar("_Columns", bound=EventColumns)
_Belonging = TypeVar("_Belonging", bound=ItemColumns | PackColumns | HomeColumns | FaceColumns)


def rows_of(columns: _Columns, rows: Int64s) -> _Columns:
    """Returns these rows of the columns, in their order, with what belongs to them; names are kept as they are."""
    return type(columns)(**{column.name: _rows_of(getattr(columns, column.name), rows) for column in fields(columns)})


def _rows_of(value: Any, rows: Int64s) -> Any:  # noqa: ANN401 - of whatever kind the column is
    if isinstance(value, Coded):
        return Coded(codes=value.codes[rows], names=value.names)
    if isinstance(value, np.ndarray):
        return value[rows]
    if isinstance(value, ItemColumns | PackColumns | HomeColumns | FaceColumns):
        return _belonging_to(value, rows)
    return [value[row] for row in rows.tolist()]


def _belonging_to(given: _Belonging, owners: Int64s) -> _Belonging:
    """Returns what belongs to the owners at these places, the first column numbered as the owners are now."""
    first, *others = fields(given)
    number, rows = belonging(getattr(given, first.name), owners)
    values: dict[str, Any] = {column.name: _rows_of(getattr(given, column.name), rows) for column in others}
    values[first.name] = number
    return type(given)(**values)


def concatenated(given: Sequence[_Columns]) -> _Columns:
    """Returns the rows of several columns of one kind, at least one, one after another; every text has one code."""
    sizes = [len(getattr(columns, fields(columns)[0].name)) for columns in given]
    starts = np.cumsum([0, *sizes[:-1]])
    joined: _Columns = _concatenated(given, starts)
    return joined


def _concatenated(given: Sequence[Any], starts: Int64s) -> Any:  # noqa: ANN401 - of whatever kind the columns are
    kind = type(given[0])
    values = {
        column.name: _joined([getattr(columns, column.name) for columns in given], starts) for column in fields(kind)
    }
    return kind(**values)


def _joined(given: Sequence[Any], starts: Int64s) -> Any:  # noqa: ANN401 - as above
    first = given[0]
    if isinstance(first, Coded):
        return _in_one_numbering(given)
    if isinstance(first, np.ndarray):
        return np.concatenate(given)
    if isinstance(first, ItemColumns | PackColumns | HomeColumns | FaceColumns):
        owner = fields(first)[0].name
        return _concatenated(
            [
                replace(one, **{owner: getattr(one, owner) + start})
                for one, start in zip(given, starts.tolist(), strict=True)
            ],
            starts,
        )
    return list(chain.from_iterable(given))


def _in_one_numbering(given: Sequence[Coded]) -> Coded:
    known: dict[str, int] = {}

    def codes_of(names: list[str]) -> list[int]:
        return [known.setdefault(name, len(known)) for name in names]

    codes = [one.renumbered(codes_of) for one in given]
    return Coded(codes=np.concatenate(codes).astype(np.int64), names=list(known))


def compact(columns: _Columns) -> _Columns:
    """Returns the columns with no names but those that a row has."""
    compacted: _Columns = _compact(columns)
    return compacted


def _compact(value: Any) -> Any:  # noqa: ANN401 - as above
    if isinstance(value, Coded):
        used = different(value.codes[value.codes >= 0])
        codes = np.where(value.codes >= 0, np.searchsorted(used, value.codes), -1)
        return Coded(codes=codes, names=[value.names[code] for code in used.tolist()])
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{column.name: _compact(getattr(value, column.name)) for column in fields(value)})
    return value
