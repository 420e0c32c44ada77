"""Kernels over rows sorted by time: groups, windows and versions in force. All exact, all on whole arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]


def search(ascending: Int64s, wanted: Int64s, side: Literal["left", "right"]) -> Int64s:
    """Returns what np.searchsorted does. Cost: sorted first, they are found ten times as fast."""
    order = np.argsort(wanted)
    found = np.empty(len(wanted), dtype=np.int64)
    found[order] = np.searchsorted(ascending, wanted[order], side=side)
    return found


FEW = 64
"""So many values are put in order faster by Python than by numpy."""


def different(values: npt.NDArray[np.signedinteger]) -> Int64s:
    """Returns the different values, ascending. Cost: a sort, a tenth of what numpy takes for many values."""
    if len(values) <= FEW:
        return np.array(sorted(set(values.tolist())), dtype=np.int64)
    ascending = np.sort(values)
    is_new = np.ones(len(ascending), dtype=np.bool_)
    is_new[1:] = ascending[1:] != ascending[:-1]
    return ascending[is_new].astype(np.int64)


def order_by_time_and_id(time_ms: Int64s, ids: Texts) -> Int64s:
    """Returns the row order by (time, id); ids compare as strings. Cost: one stable sort plus the ties."""
    order = np.argsort(time_ms, kind="stable").astype(np.int64)
    times = time_ms[order]
    return settle_ties(order, times[1:] == times[:-1], ids)


def settle_ties(order: Int64s, is_tied: Bools, ids: Texts) -> Int64s:
    """Returns the order with runs of ties put by id, in the array that was given.

    Args: `is_tied`, one less than `order`: whether a place and the next are tied.
    """
    tied = np.flatnonzero(is_tied)
    if len(tied) == 0:
        return order
    run_starts = tied[np.flatnonzero(np.diff(tied, prepend=-2) != 1)]
    run_ends = tied[np.flatnonzero(np.diff(tied, append=len(order) + 1) != 1)] + 2
    for start, end in zip(run_starts.tolist(), run_ends.tolist(), strict=True):
        order[start:end] = sorted(order[start:end].tolist(), key=ids.__getitem__)
    return order


def belonging(owner: Int64s, owners: Int64s) -> tuple[Int64s, Int64s]:
    """Returns (number of the owner, row) of all rows that belong to the owners, owner by owner, in order of the rows.

    Args: `owner` of each row, ascending; `owners`, each once, in any order.
    """
    size = max(int(owner.max(initial=-1)), int(owners.max(initial=-1))) + 1
    count_of = np.bincount(owner, minlength=size)
    first_of = np.cumsum(count_of) - count_of
    counts = count_of[owners]
    number = np.repeat(np.arange(len(owners), dtype=np.int64), counts)
    offset = np.arange(len(number), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
    return number, first_of[owners][number] + offset


@dataclass(frozen=True)
class Groups:
    """Rows of a time-sorted table, gathered by group and kept in order within each.

    `rows[position]` is a row of the table; positions of one group are contiguous. A row number stands for its time,
    so a search never mixes groups and never overflows.
    """

    rows: Int64s
    table_size: int
    _composite: Int64s

    @classmethod
    def of(cls, codes: npt.NDArray[np.signedinteger], rows: Int64s | None = None) -> Groups:
        """Gathers `rows` (default: all; ascending) by `codes` (int ≥ 0, one a row of the table)."""
        table_size = len(codes)
        members = np.arange(table_size, dtype=np.int64) if rows is None else rows
        composite = np.sort(codes[members].astype(np.int64) * (table_size + 1) + members)
        return cls(composite % (table_size + 1), table_size, composite)

    def positions(self, codes: npt.NDArray[np.signedinteger], first_rows: Int64s) -> Int64s:
        """Returns, for each pair, the first position in the code's group whose row is ≥ the given row number."""
        return search(self._composite, codes.astype(np.int64) * (self.table_size + 1) + first_rows, "left")

    def windows(self, time_ms: Int64s, window_ms: int, least: int) -> Spans:
        """Returns for every row the positions of its group with t − window < t' ≤ t, where these are `least` or more.

        The ranges of all other rows are empty.
        """
        at_ms = time_ms[self.rows]
        after = self._after_ties(at_ms)
        exists = after >= least
        farthest = np.where(exists, after - least, 0)
        is_inside = (self._group[farthest] == self._group) & (at_ms[farthest] > at_ms - window_ms)
        reaching = np.flatnonzero(exists & is_inside)
        rows = self.rows[reaching]
        start, end = np.zeros((2, self.table_size), dtype=np.int64)
        in_order = np.sort(rows)  # what is searched for in its own order is found ten times as fast
        start[in_order] = np.searchsorted(time_ms, time_ms[in_order] - window_ms, side="right")
        start[rows] = np.searchsorted(self._composite, self._group[reaching] + start[rows])
        end[rows] = after[reaching]
        return Spans(self, start, end)

    def _after_ties(self, at_ms: Int64s) -> Int64s:
        """Returns at each position the next in its group that is of a later time, or the group's end."""
        is_last = np.ones(len(at_ms), dtype=np.bool_)
        is_last[:-1] = (at_ms[1:] != at_ms[:-1]) | (self._group[1:] != self._group[:-1])
        after = np.flatnonzero(is_last) + 1
        return np.repeat(after, np.diff(after, prepend=0))

    @cached_property
    def _group(self) -> Int64s:
        """What `_composite` would be at each position, were it of the table's first row: one number a group."""
        return self._composite - self.rows


@dataclass(frozen=True, slots=True)
class Spans:
    """For each anchor a half-open range of positions [start, end) in `groups`."""

    groups: Groups
    start: Int64s
    end: Int64s

    @property
    def count(self) -> Int64s:
        """Returns how many rows each anchor's range holds."""
        return self.end - self.start

    def rows_of(self, anchor: int) -> Int64s:
        """Returns the table rows of one anchor's range, in table order."""
        return self.groups.rows[self.start[anchor] : self.end[anchor]]

    def pairs(self, anchors: Int64s) -> tuple[Int64s, Int64s]:
        """Returns (anchor, table row) for every row in the ranges of the given anchors, in that order."""
        counts = self.count[anchors]
        owners = np.repeat(anchors, counts)
        offsets = np.arange(len(owners), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
        return owners, self.groups.rows[np.repeat(self.start[anchors], counts) + offsets]


def trailing_window(
    time_ms: Int64s,
    codes: npt.NDArray[np.signedinteger],
    window_ms: int,
    groups: Groups | None = None,
    least: int = 1,
) -> Spans:
    """Returns for every row the rows of its group with t − window < t' ≤ t; ties at t are inside whatever their order.

    Args:
        time_ms: ascending, int64, shape (n,).
        codes: group of each row, shape (n,).
        window_ms: length; the start is open, the end closed.
        groups: `Groups.of(codes, …)` if already made, perhaps of some of the rows only: the others' ranges are empty.
        least: ranges of fewer rows are empty too, because nobody asks what is in them.
    Cost: a sort and a few passes; a search only for ranges that are not empty.
    Source: docs/rules.md, Windows.
    """
    gathered = Groups.of(codes) if groups is None else groups
    return gathered.windows(time_ms, window_ms, least)


def between(
    groups: Groups,
    time_ms: Int64s,
    codes: npt.NDArray[np.signedinteger],
    after_ms: Int64s,
    until_ms: Int64s,
) -> Spans:
    """Returns for every anchor the rows of its group with after < t' ≤ until.

    Args:
        groups: the rows to search, of a table with `time_ms`.
        time_ms: ascending, of the whole table.
        codes: group of each anchor; anchors in any order.
        after_ms: open start of each anchor's range.
        until_ms: closed end of it.
    """
    first = search(time_ms, after_ms, "right")
    after = search(time_ms, until_ms, "right")
    return Spans(groups, groups.positions(codes, first), groups.positions(codes, after))


def around(
    anchor_ms: Int64s,
    anchor_codes: npt.NDArray[np.signedinteger],
    time_ms: Int64s,
    codes: npt.NDArray[np.signedinteger],
    before_ms: int,
    after_ms: int,
) -> Spans:
    """Returns for every anchor the rows of another table in its group with t − before ≤ t' ≤ t + after, ends inside.

    Args: `time_ms` ascending; anchors in any order; codes of both tables share one numbering.
    """
    groups = Groups.of(codes)
    start, end = np.zeros((2, len(anchor_ms)), dtype=np.int64)
    known = np.flatnonzero(np.isin(anchor_codes, codes))
    first = search(time_ms, anchor_ms[known] - before_ms, "left")
    after = search(time_ms, anchor_ms[known] + after_ms, "right")
    start[known] = groups.positions(anchor_codes[known], first)
    end[known] = groups.positions(anchor_codes[known], after)
    return Spans(groups, start, end)


def previous_in_group(codes: npt.NDArray[np.signedinteger], rows: Int64s) -> Int64s:
    """Returns for every row of the table the row before it in its group among `rows` (ascending), or −1.

    Rows that are not among `rows` get −1.
    """
    previous = np.full(len(codes), -1, dtype=np.int64)
    groups = Groups.of(codes, rows)
    same = codes[groups.rows[1:]] == codes[groups.rows[:-1]]
    previous[groups.rows[1:][same]] = groups.rows[:-1][same]
    return previous


def distinct_per_owner(owners: Int64s, values: npt.NDArray[np.signedinteger], owner_count: int) -> Int64s:
    """Returns, per owner 0 … owner_count − 1, how many different values its pairs hold."""
    if len(owners) == 0:
        return np.zeros(owner_count, dtype=np.int64)
    order = np.lexsort((values, owners))
    sorted_owners, sorted_values = owners[order], values[order]
    is_new = np.ones(len(order), dtype=np.bool_)
    is_new[1:] = (sorted_owners[1:] != sorted_owners[:-1]) | (sorted_values[1:] != sorted_values[:-1])
    return np.bincount(sorted_owners[is_new], minlength=owner_count).astype(np.int64)


def version_in_force(entity: Int32s, effective_from_ms: Int64s, wanted_entity: Int32s, wanted_ms: Int64s) -> Int64s:
    """Returns for every wanted (entity, time) the row of the version in force, or −1 where there is none.

    Args: the versions' `entity` and `effective_from_ms`, sorted by (entity, effective_from_ms, event_id): of equal ones
    the last row holds, so the greater event_id wins.
    """
    if len(entity) == 0:
        return np.full(len(wanted_entity), -1, dtype=np.int64)
    instants = different(effective_from_ms)
    size = len(instants) + 1
    known = entity.astype(np.int64) * size + search(instants, effective_from_ms, "right")
    wanted = wanted_entity.astype(np.int64) * size + search(instants, wanted_ms, "right")
    row = search(known, wanted, "right") - 1
    found = (row >= 0) & (entity[np.maximum(row, 0)] == wanted_entity)
    return np.where(found, row, -1)
