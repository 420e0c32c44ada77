"""Events as columns: one pass over typed events, every id numbered within the chunk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from detectors.columns import (
    Coded,
    EventColumns,
    FaceColumns,
    HomeColumns,
    InjectionColumns,
    ItemColumns,
    MovementColumns,
    ObservationColumns,
    PackColumns,
    PersonColumns,
    SwipeColumns,
)
from detectors.slab import CREDENTIALS, MOVEMENT_KINDS, SEXES, STATUSES, VERDICTS
from detectors.windows import Bools, Floats, Int64s, Texts
from events.types import AccountInjection, AnyEvent, Face, FaceObserved, Item, Person, StockMovement, Swipe

SEX_CODE: Mapping[str | None, int] = {None: -1, **{name: code for code, name in enumerate(SEXES)}}
CREDENTIAL_CODE = {name: code for code, name in enumerate(CREDENTIALS)}
STATUS_CODE = {name: code for code, name in enumerate(STATUSES)}
VERDICT_CODE: Mapping[str | None, int] = {None: -1, **{name: code for code, name in enumerate(VERDICTS)}}
DELETION = -1
KIND_CODE = {"deletion": DELETION, **{name: code for code, name in enumerate(MOVEMENT_KINDS)}}
_NAN = float("nan")


def swipe_columns_of(swipes: Sequence[Swipe]) -> SwipeColumns:
    """Returns swipes as columns, in the order given; their homes are left out."""
    items = [item for swipe in swipes for item in swipe.items]
    item_columns = _items_of(swipes, items)
    return SwipeColumns(
        settlement_id=texts([swipe.settlement_id for swipe in swipes]),
        time_ms=int64s([swipe.occurred_at_ms for swipe in swipes]),
        person=coded([swipe.person_id for swipe in swipes]),
        institution=coded([swipe.institution_id for swipe in swipes]),
        till=coded([swipe.till_id for swipe in swipes]),
        credential=int64s([CREDENTIAL_CODE[swipe.credential] for swipe in swipes]),
        agent=coded_or_null([swipe.agent_person_id for swipe in swipes]),
        category=coded([swipe.category for swipe in swipes]),
        insured_region=coded_or_null([swipe.insured_region for swipe in swipes]),
        total_fen=int64s([swipe.total_fen for swipe in swipes]),
        fund_fen=int64s([swipe.fund_fen for swipe in swipes]),
        account_fen=int64s([swipe.account_fen for swipe in swipes]),
        delivery=_bools([swipe.delivery is True for swipe in swipes]),
        items=item_columns,
        packs=_packs_of(item_columns.swipe, items),
        homes=NO_HOMES,
    )


def person_columns_of(versions: Sequence[Person]) -> PersonColumns:
    """Returns versions of persons as columns, in the order given."""
    return PersonColumns(
        event_id=texts([version.event_id for version in versions]),
        person=coded([version.person_id for version in versions]),
        from_ms=int64s([version.effective_from_ms for version in versions]),
        household=coded_or_null([version.household_id for version in versions]),
        status=int64s([STATUS_CODE[version.status] for version in versions]),
        sex=int64s([SEX_CODE[version.sex] for version in versions]),
        born=int64s([date_number(version.birth_date) for version in versions]),
    )


def observation_columns_of(observations: Sequence[FaceObserved]) -> ObservationColumns:
    """Returns observations as columns, in the order given."""
    faces = [face for observed in observations for face in observed.faces]
    counts = int64s([len(observed.faces) for observed in observations])
    return ObservationColumns(
        event_id=texts([observed.event_id for observed in observations]),
        time_ms=int64s([observed.occurred_at_ms for observed in observations]),
        institution=coded([observed.institution_id for observed in observations]),
        till=coded([observed.till_id for observed in observations]),
        healthy=_bools([observed.healthy for observed in observations]),
        people=int64s([observed.people for observed in observations]),
        faces=_faces_of(np.repeat(np.arange(len(observations), dtype=np.int64), counts), faces),
    )


def _faces_of(observation: Int64s, faces: Sequence[Face]) -> FaceColumns:
    return FaceColumns(
        observation=observation,
        quality=_floats([face.quality for face in faces]),
        visitor=coded_or_null([face.visitor_id for face in faces]),
        staff=_bools([face.staff is True for face in faces]),
        settlement_id=texts([face.settlement_id for face in faces]),
        verdict=int64s([VERDICT_CODE[face.verdict] for face in faces]),
    )


def movement_columns_of(movements: Sequence[StockMovement]) -> MovementColumns:
    """Returns stock movements as columns, in the order given."""
    return MovementColumns(
        event_id=texts([movement.event_id for movement in movements]),
        time_ms=int64s([movement.occurred_at_ms for movement in movements]),
        institution=coded([movement.institution_id for movement in movements]),
        drug=coded([movement.drug_code for movement in movements]),
        kind=int64s([KIND_CODE[movement.kind] for movement in movements]),
        refers_to=texts([movement.refers_to for movement in movements]),
        self_pay=_bools([movement.setl_kind == "self_pay" for movement in movements]),
        quantity=_floats([movement.quantity for movement in movements]),
    )


def injection_columns_of(injections: Sequence[AccountInjection]) -> InjectionColumns:
    """Returns injections as columns, in the order given."""
    return InjectionColumns(
        event_id=texts([injection.event_id for injection in injections]),
        time_ms=int64s([injection.occurred_at_ms for injection in injections]),
        person=coded([injection.person_id for injection in injections]),
        amount_fen=int64s([injection.amount_fen for injection in injections]),
    )


COLUMNS_OF: Mapping[type[AnyEvent], Callable[[Sequence[Any]], EventColumns]] = {
    Swipe: swipe_columns_of,
    FaceObserved: observation_columns_of,
    Person: person_columns_of,
    AccountInjection: injection_columns_of,
    StockMovement: movement_columns_of,
}
"""How events of each type become columns; the types that are not here stay objects, because there are few of them."""


def coded(names: Sequence[str]) -> Coded:
    """Returns texts as codes in order of first sight."""
    known = list(dict.fromkeys(names))
    code_of = dict(zip(known, range(len(known)), strict=True))
    return Coded(codes=np.fromiter(map(code_of.__getitem__, names), dtype=np.int64, count=len(names)), names=known)


def coded_or_null(names: Sequence[str | None]) -> Coded:
    """Returns texts as codes in order of first sight; None is −1."""
    known = [name for name in dict.fromkeys(names) if name is not None]
    code_of: dict[str | None, int] = {None: -1, **dict(zip(known, range(len(known)), strict=True))}
    return Coded(codes=np.fromiter(map(code_of.__getitem__, names), dtype=np.int64, count=len(names)), names=known)


def texts(values: Sequence[str | None]) -> Texts:
    """Returns texts as a column."""
    column = np.empty(len(values), dtype=np.object_)
    column[:] = values
    return column


def int64s(values: Sequence[int]) -> Int64s:
    """Returns whole numbers as a column."""
    return np.array(values, dtype=np.int64)


def _floats(values: Sequence[float]) -> Floats:
    return np.array(values, dtype=np.float64)


def _bools(values: Sequence[bool]) -> Bools:
    return np.array(values, dtype=np.bool_)


def date_number(date: str | None) -> int:
    """Returns YYYY-MM-DD as the number yyyymmdd, or 0."""
    return 0 if date is None else int(date.replace("-", ""))


NO_ITEMS = ItemColumns(swipe=int64s([]), drug=coded([]), quantity=_floats([]), days_supply=_floats([]))
NO_PACKS = PackColumns(swipe=int64s([]), code=[])
NO_HOMES = HomeColumns(swipe=int64s([]), from_ms=int64s([]), household=coded([]))


def _items_of(swipes: Sequence[Swipe], items: Sequence[Item]) -> ItemColumns:
    """Returns the items by line number; those of one number in the order given."""
    swipe = np.repeat(np.arange(len(swipes), dtype=np.int64), int64s([len(swipe.items) for swipe in swipes]))
    line_no = int64s([item.line_no for item in items])
    order = by_line(swipe, line_no)
    drug = coded([item.drug_code for item in items])
    days_supply = [_NAN if item.days_supply is None else item.days_supply for item in items]
    return ItemColumns(
        swipe=swipe,
        drug=Coded(codes=drug.codes[order], names=drug.names),
        quantity=_floats([item.quantity for item in items])[order],
        days_supply=_floats(days_supply)[order],
    )


def by_line(swipe: Int64s, line_no: Int64s) -> Int64s | slice:
    """Returns the order by swipe, which ascends, and line number; items of one number stay in the order given."""
    is_in_order = bool(np.all((swipe[1:] > swipe[:-1]) | (line_no[1:] >= line_no[:-1])))
    return slice(None) if is_in_order else np.lexsort((line_no, swipe)).astype(np.int64)


def _packs_of(swipe_of: Int64s, items: Sequence[Item]) -> PackColumns:
    """Returns the codes of whole packs, each once a swipe."""
    whole = [number for number, item in enumerate(items) if item.trace_codes and item.split_pack is not True]
    codes = [items[number].trace_codes or () for number in whole]
    owners = np.repeat(swipe_of[whole], int64s(list(map(len, codes)))).tolist()
    each_once = dict.fromkeys(zip(owners, chain.from_iterable(codes), strict=True))
    return PackColumns(swipe=int64s([swipe for swipe, _ in each_once]), code=[code for _, code in each_once])
