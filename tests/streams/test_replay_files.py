"""Whole files read at once find what the live product finds in batches, line by line, whatever the files are."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import msgspec
import numpy as np
import pytest
import yaml

from detectors.catalogue import Rulebook, read_ruleset, rulebook_of
from detectors.examples import swipe
from detectors.rule import SCOPES
from events.dead_letters import DeadLetter, Place
from events.errors import ConfigError
from streams import arrivals
from streams.parquet.writer import write_parquet
from streams.parts import LATER_SCOPES, PERSON_SCOPES, PLACE_SCOPES
from streams.replay import ReplayResult, replay, replay_files, replay_in_parts
from streams.sources import read_offers
from tests.worlds import encode, random_rules, world

RULES = yaml.safe_load((Path(__file__).parents[2] / "config" / "rules.yaml").read_text(encoding="utf-8"))
SEEDS = range(3)


def told(seed: int) -> list[bytes]:
    """Returns a world's lines, shuffled, some of them twice, in conflict or broken."""
    chance = random.Random(f"files {seed}")
    lines = encode(world(seed, conflicts=True))
    lines += chance.choices(lines, k=len(lines) // 4)
    lines += [line.replace(b'"type"', b'"note": "told again", "type"') for line in chance.choices(lines, k=20)]
    lines += [line[:-5] for line in chance.choices(lines, k=5)]
    chance.shuffle(lines)
    return lines


def rulebook(seed: int) -> Rulebook:
    return rulebook_of(read_ruleset(random_rules(seed, RULES), "world"))


def in_batches(lines: list[bytes], seed: int) -> ReplayResult:
    offers = [(line, Place(line=number)) for number, line in enumerate(lines, start=1)]
    return replay(offers, rulebook(seed), batch=200)


def said(letters: list[DeadLetter]) -> list[tuple[int | None, bytes, str]]:
    return [(letter.place.line, letter.original, letter.reason) for letter in letters]


def without(lines: list[bytes], others: list[bytes]) -> list[bytes]:
    return [line for line in lines if line not in set(others)]


def same(one: ReplayResult, other: ReplayResult) -> bool:
    return (
        one.findings == other.findings
        and said(one.dead_letters) == said(other.dead_letters)
        and (one.lines, one.accepted, one.duplicates) == (other.lines, other.accepted, other.duplicates)
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("chunk_bytes", [2_000, 2**24])
def test_lines_of_a_file_come_to_what_batches_come_to(tmp_path, monkeypatch, seed, chunk_bytes):
    monkeypatch.setattr("streams.sources.CHUNK_BYTES", chunk_bytes)
    lines = told(seed)
    plain, packed = tmp_path / "world.jsonl", tmp_path / "world.jsonl.gz"
    plain.write_bytes(b"\n".join(lines))
    packed.write_bytes(gzip.compress(b"\r\n".join(lines) + b"\r\n"))
    expected = in_batches(lines, seed)
    assert {letter.reason for letter in expected.dead_letters} > {"not_json", "conflicting_duplicate"}
    assert expected.duplicates > 0
    assert same(replay_files([plain], rulebook(seed)), expected)
    assert same(replay_files([packed], rulebook(seed)), expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_identities_with_one_hash_are_told_apart(tmp_path, monkeypatch, seed):
    few = 7
    hashes_of = arrivals.hashes_of

    def few_hashes_of(values):
        return hashes_of(values) if isinstance(values[0], bytes) else np.array([len(one) % few for one in values])

    monkeypatch.setattr(arrivals, "hashes_of", few_hashes_of)
    lines = told(seed)[:1_500]
    path = tmp_path / "world.jsonl"
    path.write_bytes(b"\n".join(lines))
    assert same(replay_files([path], rulebook(seed)), in_batches(lines, seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("batch_rows", [97, 262_144])
def test_parquet_comes_to_what_the_same_lines_come_to(tmp_path, monkeypatch, seed, batch_rows):
    monkeypatch.setattr("streams.parquet.source.BATCH_ROWS", batch_rows)
    lines, parquet = told(seed), tmp_path / "world.parquet"
    no_events = [letter.original for letter in write_parquet(parquet, ((line, Place()) for line in lines))]
    rows, expected = replay_files([parquet], rulebook(seed)), in_batches(without(lines, no_events), seed)
    assert rows.findings == expected.findings
    assert (rows.lines, rows.accepted, rows.duplicates) == (expected.lines, expected.accepted, expected.duplicates)
    reasons = [[letter.reason for letter in result.dead_letters] for result in (rows, expected)]
    assert sorted(reasons[0]) == sorted(reasons[1])
    assert same(rows, replay([*read_offers(parquet)], rulebook(seed), batch=200))


def test_files_are_one_input(tmp_path):
    lines = told(1)
    third = len(lines) // 3
    first, second, last = tmp_path / "first.jsonl", tmp_path / "second.parquet", tmp_path / "last.jsonl.gz"
    first.write_bytes(b"\n".join(lines[:third]) + b"\n\n")
    set_aside = write_parquet(second, ((line, Place()) for line in lines[third : 2 * third]))
    last.write_bytes(gzip.compress(b"\n".join(lines[2 * third :])))
    result, expected = replay_files([first, second, last], rulebook(1)), in_batches(lines, 1)
    assert result.findings == expected.findings
    assert result.lines + len(set_aside) == expected.lines
    assert (result.accepted, result.duplicates) == (expected.accepted, expected.duplicates)
    places = [letter.place.file for letter in result.dead_letters]
    in_order = [str(first), str(second), str(last)]
    assert [in_order.index(str(place)) for place in places] == sorted(in_order.index(str(place)) for place in places)


def test_what_is_in_doubt_cannot_be_settled_when_the_file_is_gone(tmp_path, monkeypatch):
    path = tmp_path / "world.jsonl"
    path.write_bytes(b"\n".join(told(1)))
    settle = arrivals.settle

    def settle_without_file(*given):
        path.write_bytes(b"")
        return settle(*given)

    monkeypatch.setattr("streams.stage_zero.settle", settle_without_file)
    with pytest.raises(ConfigError, match="cannot be read a second time"):
        replay_files([path], rulebook(1))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("parts", [1, 2, 7])
def test_parts_come_to_what_the_whole_comes_to(tmp_path, seed, parts):
    path, scratch = tmp_path / "world.jsonl", tmp_path / "scratch"
    path.write_bytes(b"\n".join(told(seed)))
    scratch.mkdir()
    whole, parted = replay_files([path], rulebook(seed)), replay_in_parts([path], rulebook(seed), parts, scratch)
    assert len(parted.findings) == len(whole.findings) > 0
    assert list(parted.findings) == whole.findings
    assert said(parted.dead_letters) == said(whole.dead_letters)
    assert (parted.lines, parted.accepted, parted.duplicates) == (whole.lines, whole.accepted, whole.duplicates)


def test_every_scope_has_a_part():
    assert {*PERSON_SCOPES, *PLACE_SCOPES, *LATER_SCOPES} == set(SCOPES)


def test_each_pair_of_a_ring_of_many_is_found_once_in_whatever_parts(tmp_path):
    ring = [
        swipe(f"{place}-{person}", f"{place}d", f"329900-{person}", institution_id=f"P3299000000{place}")
        for place in range(3)
        for person in range(6)
    ]
    path, scratch = tmp_path / "ring.jsonl", tmp_path / "scratch"
    path.write_bytes(b"\n".join(msgspec.json.encode(event) for event in ring))
    scratch.mkdir()
    pairs = rulebook_of(read_ruleset({"card_ring": RULES["card_ring"]}, "rings"))
    whole = replay_files([path], pairs).findings
    assert len(whole) == 15
    assert list(replay_in_parts([path], pairs, 7, scratch).findings) == whole


def test_worlds_try_every_rule():
    tried = {
        found.detector
        for seed in range(6)
        for found in replay([(line, Place()) for line in told(seed)], rulebook(seed)).findings
    }
    assert tried == set(RULES)
