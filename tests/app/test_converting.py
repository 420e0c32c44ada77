"""Event files as Parquet: written, replayed, exported and sent, they are the same events."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from tests.app.running import run
from tests.worlds import encode, world

pytestmark = pytest.mark.slow

BROKEN = b'{"type": "swipe"'


@pytest.fixture
def lines() -> list[bytes]:
    return [*encode(world(7)), BROKEN]


def test_converted_files_are_replayed_to_the_same_findings(tmp_path, lines):
    first, second, rows = tmp_path / "first.jsonl", tmp_path / "second.jsonl", tmp_path / "world.parquet"
    first.write_bytes(b"\n".join(lines[:100]))
    second.write_bytes(b"\n".join(lines[100:]))
    bad = tmp_path / "bad.jsonl"
    done = run("convert", str(first), str(second), "--out", str(rows), "--dead-letters", str(bad))
    assert done.returncode == 0
    assert [json.loads(line)["place"]["file"] for line in bad.read_bytes().splitlines()][-1] == str(second)
    expected = run("replay", str(first), str(second)).stdout
    assert expected
    assert run("replay", str(rows)).stdout == expected


def test_dead_letter_of_a_row_names_file_and_row_and_holds_it_as_json(tmp_path, lines):
    events, rows, bad = tmp_path / "events.jsonl", tmp_path / "world.parquet", tmp_path / "bad.jsonl"
    events.write_bytes(b"\n".join(lines))
    run("convert", str(events), "--out", str(rows))
    table = pq.read_table(rows)
    swipes = [row for row, kind in enumerate(table["type"].to_pylist()) if kind == "swipe"]
    total_fen = table["total_fen"].to_pylist()
    total_fen[swipes[3]] = -1
    number = table.schema.get_field_index("total_fen")
    pq.write_table(table.set_column(number, table.schema.field(number), [total_fen]), rows)
    run("replay", str(rows), "--dead-letters", str(bad))
    letters = map(json.loads, bad.read_bytes().splitlines())
    (letter,) = [letter for letter in letters if letter["reason"] == "out_of_range"]
    assert letter["place"] == {"file": str(rows), "line": swipes[3] + 1}
    original = json.loads(letter["original"])
    assert (original["settlement_id"], original["total_fen"]) == (table["settlement_id"][swipes[3]].as_py(), -1)
