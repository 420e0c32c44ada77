"""What the rows of sliding ranges add up to, exactly: one value for each position, without looking at any row twice.

A range is a half-open span [start, end) of positions; the ranges of sliding windows: the k-th holds position k, and
both ends rise from one to the next. Values may be int64 or object (int, Fraction) where 64 bits would not do.
"""

from __future__ import annotations

import numpy as np

from detectors.exact import Units, running_totals
from detectors.windows import Int64s

_ROOM = 2**61


def whole_numbers(column: Int64s) -> Units:
    """Returns the column itself, or as Python's integers where its sum might leave 64 bits."""
    return column if float(np.abs(column).sum(dtype=np.float64)) < _ROOM else column.astype(np.object_)


def range_sums(values: Units, start: Int64s, end: Int64s) -> Units:
    """Returns each range's sum."""
    totals = running_totals(values)
    return np.asarray(totals[end] - totals[start])


def range_maxima(values: Units, start: Int64s, end: Int64s) -> Units:
    """Returns each range's greatest value; no range may be empty. Any ranges do, also such as do not slide.

    Level k of the table holds the maxima of 2ᵏ positions; two entries that overlap cover any range.
    """
    maxima = np.zeros(len(start), dtype=values.dtype)
    length, table, width = end - start, values, 1
    while len(table):
        of_level = np.flatnonzero((length >= width) & (length < 2 * width))
        maxima[of_level] = np.maximum(table[start[of_level]], table[end[of_level] - width])
        table = np.maximum(table[:-width], table[width:])
        width *= 2
    return maxima


def range_distinct(position: Int64s, value: Int64s, start: Int64s, end: Int64s) -> Int64s:
    """Returns how many different values lie in each range.

    A value counts in a range by its last entry there: that entry is inside and the value's next one is not. As ranges
    slide, the ranges in which one entry is the last of its value follow one another, so each adds one to a run of them.

    Args:
        position: where each entry lies; any number of entries may share a position.
        value: what it holds.
        start: of each range, ascending; the k-th range holds position k.
        end: of each range, ascending.
    """
    order = np.lexsort((position, value))
    position, value = position[order], value[order]
    following = np.full(len(order), np.iinfo(np.int64).max, dtype=np.int64)
    same = value[1:] == value[:-1]
    following[:-1][same] = position[1:][same]
    first = np.searchsorted(end, position, side="right")
    after = np.minimum(np.searchsorted(end, following, side="right"), np.searchsorted(start, position, side="right"))
    size = len(start) + 1
    change = np.bincount(first, minlength=size) - np.bincount(after, minlength=size)
    return np.cumsum(change)[:-1].astype(np.int64)
