"""Clips at rest: sealed, whole, one of each camera for a swipe."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from storage.errors import AlteredData, EvidenceMissing, UnknownClip, WrongKey
from storage.evidence.clips import Clip, ClipStore
from storage.sealing.crypto import KEY_BYTES, Keyring
from tests.alerts.builders import NOON_MS

WEBM_HEAD = b"\x1a\x45\xdf\xa3"


def clip(settlement: str = "S-1", camera: str = "cam-1", at_ms: int = NOON_MS, seed: int = 1) -> Clip:
    return Clip(
        settlement_id=settlement,
        camera_id=camera,
        camera_state="ok",
        swipe_at_ms=at_ms,
        first_at_ms=at_ms - 10_000,
        last_at_ms=at_ms + 9_800,
        first_raw_at_ms=at_ms - 11_200,
        clock_offset_ms=1_200,
        pictures=100,
        step_ms=200,
        webm=WEBM_HEAD + random.Random(seed).randbytes(20_000) + b"webm",
    )


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data" / "clips"


@pytest.fixture
def store(database, folder):
    return ClipStore(database, folder, Keyring(b"k" * KEY_BYTES))


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_clip_comes_back_byte_for_byte_with_its_times(store):
    kept = store.keep(clip())
    assert store.read(kept) == clip().webm
    (known,) = store.for_settlement("S-1")
    said = {name: getattr(clip(), name) for name in Clip.__struct_fields__ if name != "webm"}
    assert {name: getattr(known, name) for name in said} == said
    assert (known.clip_id, known.size_bytes, len(known.sha256)) == (kept, len(clip().webm), 64)


def test_a_swipe_has_one_clip_of_each_camera_the_first(store, folder):
    first = store.keep(clip())
    assert store.keep(clip(seed=2)) == first
    store.keep(clip(camera="cam-2"))
    assert store.read(first) == clip().webm
    assert [one.camera_id for one in store.for_settlement("S-1")] == ["cam-1", "cam-2"]
    assert len(files_in(folder)) == 2


def test_a_clip_whose_file_is_gone_is_kept_anew(store):
    kept = store.keep(clip())
    store.path_of(kept).unlink()
    assert [one.state for one in store.for_settlement("S-1")] == ["missing"]
    with pytest.raises(EvidenceMissing):
        store.read(kept)
    store.keep(clip(seed=2))
    assert store.read(kept) == clip(seed=2).webm


def test_no_plain_film_is_ever_on_the_disk(store, database, kind, tmp_path):
    for number in range(4):
        store.keep(clip(f"S-{number}", seed=number))
    database.close()
    written = [path.read_bytes() for path in files_in(tmp_path)]
    assert len(written) >= 4 + (kind == "sqlite")
    for content in written:
        assert WEBM_HEAD not in content
        assert b"webm" not in content[:64]
        for number in range(4):
            film = clip(seed=number).webm
            assert not any(film[start : start + 16] in content for start in range(0, 20_000, 997))


@pytest.mark.parametrize("position", [0, 5, 15, 10_000, -1])
def test_a_changed_byte_in_a_file_is_a_clear_error(store, position):
    path = store.path_of(store.keep(clip()))
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises((AlteredData, WrongKey)):
        store.read(path.stem)


def test_a_file_in_the_place_of_another_does_not_open(store):
    one, other = store.keep(clip("S-1")), store.keep(clip("S-2"))
    store.path_of(one).write_bytes(store.path_of(other).read_bytes())
    with pytest.raises(AlteredData):
        store.read(one)


def test_an_unknown_clip_is_said(store):
    with pytest.raises(UnknownClip):
        store.read("0" * 32)
