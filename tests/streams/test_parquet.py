"""Whatever Arrow calls a column, its rows are judged as the JSON that they stand for."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from detectors.catalogue import Ruleset, rulebook_of
from events.types import Swipe
from streams.parquet.source import ParquetFile
from streams.places import unnoticed
from streams.replay import ReplayResult, replay_files
from streams.sources import read_offers
from tests.test_bad_input import AT, EVENTS, valid

Row = dict[str, Any]
NO_RULES = rulebook_of(Ruleset(version="no rules", entries=()))
NAN = float("nan")
LINE = pa.struct([("line_no", pa.int64())])


def table(**columns: Any) -> pa.Table:
    """Returns three sound swipes, with some columns exchanged."""
    rows = [valid("swipe", settlement_id=f"s{number}") for number in range(3)]
    given = {name: pa.array([row[name] for row in rows]) for name in rows[0]}
    return pa.table(given | columns)


def replayed(tmp_path: Path, rows: pa.Table) -> ReplayResult:
    path = tmp_path / "rows.parquet"
    pq.write_table(rows, path)
    return replay_files([path], NO_RULES)


def reasons(tmp_path: Path, rows: pa.Table) -> list[str | None]:
    """Returns the reason why each row was set aside, None for those that were not."""
    letters = {letter.place.line: letter.reason for letter in replayed(tmp_path, rows).dead_letters}
    return [letters.get(number) for number in range(1, rows.num_rows + 1)]


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("type", pa.array(["swipe"] * 3).dictionary_encode()),
        ("person_id", pa.array(["p"] * 3, pa.large_string())),
        ("person_id", pa.array(["p"] * 3, pa.string_view())),
        ("person_id", pa.array([b"p"] * 3, pa.binary())),
        ("credential", pa.array(["id_card", "id_card", "social_card"]).dictionary_encode()),
        ("total_fen", pa.array([1, 2, 3], pa.uint16())),
        ("total_fen", pa.array([1.0, 2.0, 3.0])),
        ("total_fen", pa.array([Decimal("1.00"), Decimal("2.00"), Decimal("0.00")])),
        ("balance_after_fen", pa.array([1.0, NAN, None])),
        ("delivery", pa.nulls(3)),
        ("items", pa.array([[], [], []], pa.list_(LINE))),
        ("items", pa.array([valid("swipe")["items"]] * 3, pa.large_list(pa.array(valid("swipe")["items"]).type))),
        ("unknown", pa.array([[1], None, [2, 3]])),
    ],
    ids=str,
)
def test_rows_are_events_however_their_columns_are_written(tmp_path, name, column):
    assert reasons(tmp_path, table(**{name: column})) == [None] * 3


@pytest.mark.parametrize(
    ("name", "column", "expected"),
    [
        ("total_fen", pa.array([1.5, 2.0, NAN]), ["wrong_type", None, "missing_field"]),
        ("total_fen", pa.array([2**63, 1, 2], pa.uint64()), ["out_of_range", None, None]),
        ("total_fen", pa.array([Decimal("1.5"), Decimal("2.0"), None]), ["wrong_type", None, "missing_field"]),
        ("total_fen", pa.array(["1", None, "2"]), ["wrong_type", "missing_field", "wrong_type"]),
        ("person_id", pa.array(["p", "", None]), [None, "empty_id", "missing_field"]),
        ("person_id", pa.array(["p", "", None]).dictionary_encode(), [None, "empty_id", "missing_field"]),
        ("delivery", pa.array([0, 1, None]), ["wrong_type", "wrong_type", None]),
        ("occurred_at_ms", pa.array([datetime.fromtimestamp(AT / 1000, UTC)] * 3), ["wrong_type"] * 3),
        ("occurred_at_ms", pa.array([AT, 0, AT]), [None, "time_out_of_range", None]),
        ("received_at_ms", pa.array([AT - 600_001, AT - 600_000, None]), ["future", None, None]),
        ("type", pa.array(["swipe", "Swipe", None]), [None, "unknown_type", "missing_field"]),
        ("items", pa.array([None, [None], []], pa.list_(LINE)), ["missing_field", "wrong_type", None]),
    ],
    ids=str,
)
def test_only_the_rows_that_are_no_events_are_set_aside(tmp_path, name, column, expected):
    assert reasons(tmp_path, table(**{name: column})) == expected


@pytest.mark.parametrize("quantity", [NAN, float("inf"), 0.0, -1.0])
def test_item_without_a_quantity_makes_its_swipe_bad(tmp_path, quantity):
    item = valid("swipe")["items"][0]
    items = pa.array([[item], [item, item | {"quantity": quantity}], []])
    assert [reason is None for reason in reasons(tmp_path, table(items=items))] == [True, False, True]


def test_dead_letter_is_the_row_as_json_with_its_place(tmp_path):
    rows = table(total_fen=pa.array([1.0, -2.0, 3.0]), unknown=pa.array([1, 2, 3]), operator_id=pa.nulls(3))
    (letter,) = replayed(tmp_path, rows).dead_letters
    assert (letter.place.line, letter.reason) == (2, "out_of_range")
    originals = [original for original, place in read_offers(tmp_path / "rows.parquet") if place.line == 2]
    assert originals == [letter.original]
    assert b'"total_fen":-2,' in letter.original
    assert b"unknown" not in letter.original
    assert b"operator_id" not in letter.original


def test_sound_rows_of_the_great_types_never_become_objects(tmp_path):
    path = tmp_path / "rows.parquet"
    rows = [valid(kind) for kind in EVENTS]
    names = dict.fromkeys(name for row in rows for name in row)
    pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in names}), path)
    (chunk,) = ParquetFile(path).chunks(0, unnoticed)
    as_columns = {arrivals.kind.__struct_config__.tag for arrivals in chunk.arrivals if arrivals.columns is not None}
    assert as_columns == {"swipe", "person", "account_injection", "stock_movement", "face_observed"}
    assert sum(len(arrivals.numbers) for arrivals in chunk.arrivals) == len(rows)
    swipes = next(arrivals.columns for arrivals in chunk.arrivals if arrivals.kind is Swipe)
    assert swipes is not None


def test_empty_lists_in_all_rows_are_lists(tmp_path):
    assert reasons(tmp_path, table(items=pa.array([[], [], []], pa.list_(LINE)))) == [None] * 3
    assert reasons(tmp_path, table(items=pa.array([[], None, []], pa.list_(LINE)))) == [None, "missing_field", None]
