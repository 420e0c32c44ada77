"""The kernels beneath the rules, against the plainest reading of what they say."""

from __future__ import annotations

import random

import numpy as np
import pytest

from detectors.columns import Coded
from detectors.windows import (
    FEW,
    Groups,
    around,
    between,
    different,
    distinct_per_owner,
    order_by_time_and_id,
    previous_in_group,
    search,
    trailing_window,
    version_in_force,
)

TABLES = [
    [],
    [(5, 0)],
    [(5, 0), (5, 0)],
    [(5, 1), (5, 0), (6, 1), (6, 1), (7, 0)],
    *([(random.Random(seed).randrange(9), random.Random(-seed).randrange(3))] * seed for seed in (3, 4)),
    *(
        sorted((chance.randrange(12), chance.randrange(3)) for _ in range(20))
        for chance in map(random.Random, range(8))
    ),
]
every_table = pytest.mark.parametrize("table", TABLES, ids=len)


def columns(table: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    table = sorted(table, key=lambda row: row[0])
    return np.array([t for t, _ in table], dtype=np.int64), np.array([code for _, code in table], dtype=np.int32)


@every_table
@pytest.mark.parametrize("window_ms", [1, 2, 5, 100])
def test_a_trailing_window_holds_what_is_later_than_its_start_and_not_later_than_its_anchor(table, window_ms):
    times, codes = columns(table)
    spans = trailing_window(times, codes, window_ms)
    for anchor, (at_ms, code) in enumerate(zip(times, codes, strict=True)):
        inside = [r for r in range(len(times)) if codes[r] == code and at_ms - window_ms < times[r] <= at_ms]
        assert spans.rows_of(anchor).tolist() == inside
        assert spans.count[anchor] == len(inside)


@every_table
def test_what_lies_between_or_around_is_of_the_group_and_inside_the_ends(table):
    times, codes = columns(table)
    anchors, wanted = np.array([5, 0, 9, 6, 5], dtype=np.int64), np.array([0, 1, 2, 1, 0], dtype=np.int32)
    near = between(Groups.of(codes), times, wanted, anchors - 2, anchors + 1)
    about = around(anchors, wanted, times, codes, 2, 1)
    for anchor, (at_ms, code) in enumerate(zip(anchors, wanted, strict=True)):
        of_code = [row for row in range(len(times)) if codes[row] == code]
        assert near.rows_of(anchor).tolist() == [r for r in of_code if at_ms - 2 < times[r] <= at_ms + 1]
        assert about.rows_of(anchor).tolist() == [r for r in of_code if at_ms - 2 <= times[r] <= at_ms + 1]


@every_table
def test_pairs_are_all_rows_of_the_anchors_ranges(table):
    times, codes = columns(table)
    spans = trailing_window(times, codes, 3)
    chosen = np.arange(len(times), dtype=np.int64)[::2]
    owners, rows = spans.pairs(chosen)
    expected = [(anchor, row) for anchor in chosen.tolist() for row in spans.rows_of(anchor).tolist()]
    assert list(zip(owners.tolist(), rows.tolist(), strict=True)) == expected
    distinct = distinct_per_owner(owners, codes[rows], len(times))
    assert distinct.tolist() == [len({codes[r] for a, r in expected if a == owner}) for owner in range(len(times))]


def test_one_pair_is_one_value_and_none_is_none():
    one, none = np.array([1], dtype=np.int64), np.array([], dtype=np.int64)
    assert distinct_per_owner(one, one, 3).tolist() == [0, 1, 0]
    assert distinct_per_owner(none, none, 3).tolist() == [0, 0, 0]
    assert distinct_per_owner(np.array([0, 0, 2]), np.array([7, 8, 8]), 3).tolist() == [2, 0, 1]


@every_table
def test_the_one_before_is_the_last_of_the_group_among_the_rows(table):
    _, codes = columns(table)
    rows = np.arange(len(codes), dtype=np.int64)[: len(codes) - len(codes) // 3]
    found = previous_in_group(codes, rows)
    for row in range(len(codes)):
        earlier = [r for r in rows.tolist() if r < row and codes[r] == codes[row]]
        assert found[row] == (earlier[-1] if earlier and row in rows else -1)


@pytest.mark.parametrize("ids", ["", "a", "ba", "cab", "bbaac", "z10", "zyxwv"])
def test_rows_of_one_time_are_in_order_of_their_ids(ids):
    names = np.empty(len(ids), dtype=np.object_)
    names[:] = [f"{name}{number % 2}" for number, name in enumerate(ids)]
    for times in ([7] * len(ids), [number // 2 for number in range(len(ids))], [3, 1, 2, 1, 3][: len(ids)]):
        expected = sorted(range(len(ids)), key=lambda row: (times[row], names[row], row))
        assert order_by_time_and_id(np.array(times, dtype=np.int64), names).tolist() == expected


@pytest.mark.parametrize("values", [[], [4], [4, 4], [4, 1, 4, 1, 2], [9, 8, 8, 9, 7, 7, 7]])
def test_different_values_are_each_there_once(values):
    assert different(np.array(values, dtype=np.int64)).tolist() == sorted(set(values))


@pytest.mark.parametrize("size", [0, 1, FEW, FEW + 1, 500])
def test_few_codes_and_many_are_renumbered_alike(size):
    chance = random.Random(size)
    values = [chance.randrange(-1, 9) for _ in range(size)]
    assert different(np.array(values, dtype=np.int64)).tolist() == sorted(set(values))
    names = [f"name {code}" for code in range(9)]
    coded = Coded(codes=np.array(values, dtype=np.int64), names=names)
    known: list[str] = []

    def codes_of(asked: list[str]) -> list[int]:
        known.extend(asked)
        return [10 * int(name[-1]) for name in asked]

    assert coded.renumbered(codes_of).tolist() == [10 * code if code >= 0 else -1 for code in values]
    assert known == [names[code] for code in sorted({code for code in values if code >= 0})]


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_search_says_where_each_belongs(side):
    ascending, wanted = np.array([1, 3, 3, 5]), np.array([6, 3, 0, 1, 3, 5])
    assert search(ascending, wanted, side).tolist() == np.searchsorted(ascending, wanted, side=side).tolist()


def test_the_version_in_force_is_the_last_that_has_begun():
    entity, starts = np.array([0, 0, 0, 2, 2], np.int32), np.array([5, 5, 9, 1, 9], np.int64)
    wanted = [(0, 4, -1), (0, 5, 1), (0, 8, 1), (0, 9, 2), (1, 9, -1), (2, 0, -1), (2, 1, 3), (2, 99, 4), (3, 9, -1)]
    found = version_in_force(
        entity, starts, np.array([e for e, _, _ in wanted], np.int32), np.array([t for _, t, _ in wanted], np.int64)
    )
    assert found.tolist() == [row for _, _, row in wanted]
    nothing = np.array([], dtype=np.int64)
    assert version_in_force(nothing.astype(np.int32), nothing, entity, starts).tolist() == [-1] * 5
