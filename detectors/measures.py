"""What a custom rule may count, add up or take the greatest of, and its value in every window of a slab."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np

from detectors.aggregates import range_distinct, range_maxima, range_sums, whole_numbers
from detectors.exact import MICRO, Units, fraction_of, in_micro_units, quantity_of, running_totals, shown
from detectors.filters.columns import Words
from detectors.filters.fields import SwipeFacts
from detectors.windows import Bools, Int32s, Int64s, Spans
from events.errors import InvariantError

Aggregate = Literal["count", "distinct", "sum", "max"]
Counted = Literal[
    "buyer",
    "person_id",
    "institution_id",
    "till_id",
    "drug_code",
    "category",
    "credential",
    "insured_region4",
    "local_date",
]
Amount = Literal["total_fen", "fund_fen", "account_fen", "items", "quantity"]
Of = Literal[Counted, Amount]

NAME_OF_DISTINCT: Final[Mapping[str, str]] = {
    "buyer": "buyers",
    "person_id": "holders",
    "institution_id": "institutions",
    "till_id": "tills",
    "drug_code": "drugs",
    "category": "categories",
    "credential": "credentials",
    "insured_region4": "regions",
    "local_date": "dates",
}
AMOUNTS: Final = ("total_fen", "fund_fen", "account_fen", "items", "quantity")
ALLOWED: Final[Mapping[Aggregate, Sequence[str]]] = {
    "count": (),
    "distinct": tuple(NAME_OF_DISTINCT),
    "sum": AMOUNTS,
    "max": AMOUNTS,
}
"""Of what each aggregate may be; a count is of nothing but swipes."""


def measure_name(aggregate: Aggregate, of: Of | None) -> str:
    """Returns how the value is called in findings and texts."""
    if of is None:
        return "count"
    if aggregate == "distinct":
        return NAME_OF_DISTINCT[of]
    return f"max_{of}" if aggregate == "max" else of


def values_in(spans: Spans, aggregate: Aggregate, of: Of | None, facts: SwipeFacts) -> Units:
    """Returns the aggregate of each span of sliding windows, a value a position of its groups.

    Quantities are in millionths; all values are exact.
    """
    rows = spans.groups.rows
    start, end = spans.start[rows], spans.end[rows]
    if of is None:
        return end - start
    if aggregate == "distinct":
        position, value = _entries(of, facts, rows)
        return range_distinct(position, value, start, end)
    amounts = _amounts(of, facts)[rows]
    return range_sums(amounts, start, end) if aggregate == "sum" else range_maxima(amounts, start, end)


def reaches(values: Units, threshold: float, of: Of | None) -> Bools:
    """Returns which values are at least the threshold, compared as it is written in decimal."""
    least = fraction_of(threshold) * (MICRO if of == "quantity" else 1)
    return np.asarray(values >= (math.ceil(least) if values.dtype == np.int64 else least), dtype=np.bool_)


def shown_value(value: Any, of: Of | None) -> int | float:  # noqa: ANN401 - a numpy integer, an int or a Fraction
    """Returns a value as a measure shows it."""
    return shown(quantity_of(value) if of == "quantity" else int(value))


def _entries(of: Of, facts: SwipeFacts, rows: Int64s) -> tuple[Int64s, Int64s]:
    """Returns what is counted as (position, code) pairs; what is unknown is left out."""
    if of == "drug_code":
        return _drug_entries(facts, rows)
    codes = _codes(of, facts)[rows]
    known = np.flatnonzero(codes >= 0)
    return known, codes[known].astype(np.int64)


def _drug_entries(facts: SwipeFacts, rows: Int64s) -> tuple[Int64s, Int64s]:
    items = facts.slab.items
    place = np.full(len(facts.slab.swipes), -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    position = place[items.swipe]
    counted = np.flatnonzero(position >= 0)
    return position[counted], items.drug[counted].astype(np.int64)


def _codes(of: Of, facts: SwipeFacts) -> Int32s | Int64s:
    if of == "buyer":
        return facts.slab.buyers_at_swipes()
    if of == "till_id":  # tills of two institutions may share their id
        return facts.slab.swipes.till
    column = facts.column(of)
    if not isinstance(column, Words):
        raise InvariantError(f"{of} is no text")
    return column.codes


def _amounts(of: Of, facts: SwipeFacts) -> Units:
    slab = facts.slab
    match of:
        case "total_fen":
            return whole_numbers(slab.swipes.total_fen)
        case "fund_fen":
            return whole_numbers(slab.swipes.fund_fen)
        case "account_fen":
            return whole_numbers(slab.swipes.account_fen)
        case "items":
            return np.bincount(slab.items.swipe, minlength=len(slab.swipes)).astype(np.int64)
        case "quantity":
            return _quantities(facts)
        case _:
            raise InvariantError(f"{of} is no amount")


def _quantities(facts: SwipeFacts) -> Units:
    """Returns the quantity of all items of each swipe, in millionths."""
    items = facts.slab.items
    totals = running_totals(in_micro_units([items.quantity])[0])
    bounds = np.searchsorted(items.swipe, np.arange(len(facts.slab.swipes) + 1))
    return np.asarray(totals[bounds[1:]] - totals[bounds[:-1]])
