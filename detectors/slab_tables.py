"""Tables of a slab from chunks in order of arrival: joined, put in order, and freed of what does not stand."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from itertools import compress
from typing import TypeVar

import numpy as np

from detectors.slab import (
    NO_SETTLEMENT,
    OTHER_SETTLEMENT,
    Corrections,
    FaceTable,
    InjectionTable,
    ItemTable,
    MovementTable,
    Numbering,
    ObservationTable,
    SwipeTable,
    TraceTable,
)
from detectors.windows import Bools, Floats, Int32s, Int64s, Texts, belonging, order_by_time_and_id, settle_ties


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemChunk:
    """Items by swipe and line; `swipe` counts swipes in order of arrival."""

    swipe: Int64s
    drug: Int32s
    quantity: Floats
    days_supply: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeChunk:
    """Households of persons, each from a moment on."""

    person: Int32s
    from_ms: Int64s
    household: Int32s


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceChunk:
    """Faces by observation and number; `observation` counts observations in order of arrival."""

    observation: Int64s
    quality: Floats
    visitor: Int32s
    staff: Bools
    settlement_id: Texts
    verdict: Int32s


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionChunk:
    """Versions of persons in any order."""

    event_id: Texts
    person: Int32s
    from_ms: Int64s
    household: Int32s
    status: Int32s
    sex: Int32s
    born: Int32s


Table = TypeVar(
    "Table",
    SwipeTable,
    ItemChunk,
    TraceTable,
    ObservationTable,
    FaceChunk,
    HomeChunk,
    VersionChunk,
    InjectionTable,
    MovementTable,
)


def joined(kind: type[Table], chunks: list[Table]) -> Table:
    """Returns the chunks, at least one, as one table, which replaces them: joining again costs nothing."""
    if len(chunks) != 1:
        names = [column.name for column in fields(kind)]
        chunks[:] = [kind(**{name: np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in names})]
    return chunks[0]


def taken(table: Table, rows: Int64s) -> Table:
    """Returns these rows of a table, in their order."""
    return type(table)(**{column.name: getattr(table, column.name)[rows] for column in fields(table)})


def order_of_versions(entity: Int32s, from_ms: Int64s, ids: Texts) -> Int64s:
    """Returns the row order by (entity, from, id)."""
    order = np.lexsort((from_ms, entity)).astype(np.int64)
    same = (entity[order][1:] == entity[order][:-1]) & (from_ms[order][1:] == from_ms[order][:-1])
    return settle_ties(order, same, ids)


def swipes_in_order(swipes: SwipeTable, undone: Collection[str]) -> tuple[SwipeTable, SwipeTable, Int64s]:
    """Returns the standing swipes, the reversed ones, and the arrival of each standing one."""
    order = order_by_time_and_id(swipes.time_ms, swipes.settlement_id)
    arrived_undone = np.fromiter(map(undone.__contains__, swipes.settlement_id.tolist()), np.bool_, len(order))
    is_undone = arrived_undone[order]
    standing = order[~is_undone]
    return taken(swipes, standing), taken(swipes, order[is_undone]), standing


def item_table(items: ItemChunk, standing: Int64s) -> ItemTable:
    """Returns the items of the standing swipes, given by their arrivals."""
    swipe, rows = belonging(items.swipe, standing)
    return ItemTable(
        swipe=swipe, drug=items.drug[rows], quantity=items.quantity[rows], days_supply=items.days_supply[rows]
    )


def trace_table(traces: TraceTable, standing: Int64s) -> TraceTable:
    """Returns the trace codes of the standing swipes, given by their arrivals."""
    swipe, rows = belonging(traces.swipe, standing)
    return TraceTable(swipe=swipe, code=traces.code[rows], code_hash=traces.code_hash[rows])


def observations_in_order(observations: ObservationTable) -> tuple[ObservationTable, Int64s]:
    """Returns the observations in order, and the arrival of each."""
    order = order_by_time_and_id(observations.time_ms, observations.event_id)
    return taken(observations, order), order


def correct(
    faces: FaceChunk, observations: ObservationTable, corrections: Corrections, visitors: Numbering[str]
) -> None:
    """Writes the corrected visitors into the chunk's own column; both tables are in order of arrival."""
    if not corrections:
        return
    arrival_of = {name: row for row, name in enumerate(observations.event_id.tolist())}
    for (observation_id, face_no), visitor_id in corrections.items():
        row = arrival_of.get(observation_id)
        if row is not None:
            face = int(np.searchsorted(faces.observation, row)) + face_no
            if face < len(faces.observation) and faces.observation[face] == row:
                faces.visitor[face] = visitors.code_or_null(visitor_id)


def face_table(faces: FaceChunk, arrivals: Int64s, swipes: SwipeTable) -> FaceTable:
    """Returns the faces of the observations, given by their arrivals."""
    observation, rows = belonging(faces.observation, arrivals)
    named = faces.settlement_id[rows].tolist()
    row_of = {swipes.settlement_id[row]: row for row in places_of(set(named), swipes.settlement_id)}
    settlement = [NO_SETTLEMENT if name is None else row_of.get(name, OTHER_SETTLEMENT) for name in named]
    return FaceTable(
        observation=observation,
        quality=faces.quality[rows],
        visitor=faces.visitor[rows],
        staff=faces.staff[rows],
        settlement=np.array(settlement, dtype=np.int64),
        verdict=faces.verdict[rows],
    )


def places_of(names: Collection[str | None], ids: Texts) -> list[int]:
    """Returns where in a column these names stand, ascending; `names` is a set or a mapping."""
    return list(compress(range(len(ids)), map(names.__contains__, ids.tolist())))
