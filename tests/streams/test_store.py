"""What the live store is made of, against plain lists and dictionaries: before and after a snapshot."""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from detectors.windows import FEW
from streams.rows import ItemRow, SwipeRow
from streams.store.columns import Column, numbered
from streams.store.files import Files
from streams.store.key_index import NEWEST_ROWS, KeyIndex
from streams.store.swipes import STANDS, SwipeStore


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, -1, 127, -128], "i1"),
        ([1, 128], "i2"),
        ([1, -(2**15) - 1], "i4"),
        ([0, 2**31, -5], "i8"),
        ([0.5, 3.0, float("nan")], "f4"),
        ([0.5, 0.1], "f8"),
        ([1.0, 2.0**24 + 1], "f8"),
    ],
)
def test_a_column_is_as_narrow_as_its_values_allow(tmp_path, values, dtype):
    for path in (None, tmp_path / "column"):
        column = Column("f4" if isinstance(values[0], float) else "i1", path)
        for value in values:
            column.extend([value])
        np.testing.assert_array_equal(column.values, np.array(values))
        assert column.values.dtype == np.dtype(dtype)


def test_a_column_of_a_file_is_as_it_was_frozen_whatever_came_after(tmp_path):
    column, chance = Column("i1", tmp_path / "column"), random.Random(1)
    values = [chance.randrange(-(10 ** chance.randrange(1, 18)), 10**17) for _ in range(5000)]
    for first in range(0, 5000, 700):
        column.extend(values[first : first + 700])
        state = column.freeze()
        column.extend([2**62] * 2000)
        column = Column("i1", tmp_path / "column", state)
        assert column.values.tolist() == values[: first + 700]


@pytest.mark.parametrize("seed", range(5))
def test_an_index_finds_every_row_of_a_hash_as_a_dictionary_does(tmp_path, seed):
    chance = random.Random(seed)
    index, known = KeyIndex(tmp_path / "index"), defaultdict[int, list[int]](list)
    row = 0
    for _ in range(30):
        hashes = [chance.randrange(500) * 7_158_278 for _ in range(chance.choice([0, 1, 50, NEWEST_ROWS + 3]))]
        index.add(hashes, row)
        for number, one in enumerate(hashes, start=row):
            known[one].append(number)
        row += len(hashes)
        asked = [chance.randrange(600) * 7_158_278 for _ in range(20)]
        owner, rows = index.find(asked)
        found = sorted(zip(owner.tolist(), rows.tolist(), strict=True))
        assert found == sorted((number, at) for number, one in enumerate(asked) for at in known.get(one, ()))
        if chance.random() < 0.3:
            index = KeyIndex(tmp_path / "index", index.freeze())


def test_an_index_takes_over_the_rows_that_have_a_new_place():
    index, other = KeyIndex(), KeyIndex()
    other.add([7, 8, 7, 9] * 2000, 0)
    place_of = np.array([at // 2 if at % 2 == 0 else -1 for at in range(8000)], dtype=np.int64)
    index.extend_from(other, place_of)
    _, rows = index.find([7])
    assert sorted(rows.tolist()) == list(range(4000))
    assert len(index.find([8, 9])[1]) == 0


def row_of(chance: random.Random, number: int) -> SwipeRow:
    """Returns a row whose texts are few, odd and easily mixed up."""
    texts = ["a", "", "ä", "a\x00b", "b", "持卡人", "x" * 300]
    homes = tuple((number * 10 + at, chance.choice([None, *texts])) for at in range(chance.randrange(3)))
    return SwipeRow(
        settlement_id=f"s{number}",
        occurred_at_ms=number * 10,
        person_id=chance.choice(texts),
        institution_id=chance.choice(texts),
        till_id=chance.choice(texts),
        credential=chance.choice(("social_card", "id_card", "e_credential")),
        agent_person_id=chance.choice([None, *texts]),
        category=chance.choice(texts),
        insured_region=chance.choice([None, "3299", ""]),
        total_fen=chance.choice([0, 5, 2**40]),
        fund_fen=chance.choice([0, 2**63 - 1]),
        account_fen=chance.randrange(100),
        delivery=chance.random() < 0.5,
        items=tuple(
            ItemRow(chance.choice(texts), chance.choice([1.0, 0.1]), chance.choice([None, 0.0, 7.5]))
            for _ in range(chance.randrange(4))
        ),
        codes=tuple(dict.fromkeys(chance.choice(texts) for _ in range(chance.randrange(3)))),
        reversals=1 if number % 5 == 0 else 0,
        reversed_at_ms=number * 10 + 3 if number % 5 == 0 else None,
        versions=len(homes),
        homes=homes,
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_swipes_come_out_as_they_went_in_and_are_found_by_every_key(tmp_path, seed):
    chance = random.Random(seed)
    given = [row_of(chance, number) for number in range(400)]
    files = Files(tmp_path)
    store = SwipeStore(files)
    for first in range(0, 400, 60):
        store.put(given[first : first + 60])
        store.put(given[: first + 30])
        files = Files(tmp_path, files.freeze())
        store = SwipeStore(files)
    assert store.rows(np.arange(400)) == given
    assert store.find(["s3", "nothing", "s399"]).tolist() == [3, -1, 399]
    for person in {row.person_id for row in given}:
        _, rows = store.of_persons([person])
        assert sorted(rows.tolist()) == [at for at, row in enumerate(given) if row.person_id == person]
    stocks = sorted({(row.institution_id, item.drug_code) for row in given for item in row.items})
    owner, rows = store.of_stocks(stocks)
    assert sorted(zip(owner.tolist(), rows.tolist(), strict=True)) == sorted(
        (number, at)
        for number, (institution, drug) in enumerate(stocks)
        for at, row in enumerate(given)
        if row.institution_id == institution and any(item.drug_code == drug for item in row.items)
    )
    undone = store.reversed_at_ms(np.arange(400)).tolist()
    assert undone == [STANDS if row.reversed_at_ms is None else row.reversed_at_ms for row in given]


def test_of_what_is_said_again_the_one_who_knows_most_holds():
    chance = random.Random(3)
    store, row = SwipeStore(Files()), row_of(chance, 1)
    known = {(n, m): changed(row, n, m) for n in range(4) for m in range(4)}
    said = [*known.values(), *known.values()]
    chance.shuffle(said)
    for one in said:
        store.put([one])
    assert store.rows(np.array([0])) == [known[3, 3]]


def changed(row: SwipeRow, reversals: int, versions: int) -> SwipeRow:
    fields = {name: getattr(row, name) for name in row.__struct_fields__}
    fields |= {
        "reversals": reversals,
        "reversed_at_ms": 100 - reversals if reversals else None,
        "versions": versions,
        "homes": ((row.occurred_at_ms, f"h{versions}"),) if versions else (),
    }
    return SwipeRow(**fields)


@pytest.mark.slow
def test_files_that_no_snapshot_needs_are_swept(tmp_path: Path) -> None:
    files = Files(tmp_path)
    store = SwipeStore(files)
    store.put([row_of(random.Random(1), number) for number in range(NEWEST_ROWS + 1)])
    files.sweep(files.freeze())
    store.put([row_of(random.Random(2), number) for number in range(NEWEST_ROWS * 6)])
    state = files.freeze()
    files.sweep(state)
    assert {file.stat().st_mode & 0o077 for file in tmp_path.iterdir()} == {0}
    assert len(SwipeStore(Files(tmp_path, state))) == NEWEST_ROWS * 6
    (tmp_path / "foreign").touch()
    files.sweep(state)
    assert not (tmp_path / "foreign").exists()


@pytest.mark.parametrize("dtype", [np.int8, np.int64])
@pytest.mark.parametrize("size", [0, 1, FEW, FEW + 1, 500])
def test_few_values_and_many_are_numbered_alike(size, dtype):
    chance = random.Random(size)
    values = [chance.randrange(-1, 9) for _ in range(size)]
    used, number = numbered(np.array(values, dtype=dtype))
    assert used.tolist() == sorted(set(values))
    assert [used[place] for place in number.tolist()] == values
    assert used.dtype == number.dtype == np.int64
