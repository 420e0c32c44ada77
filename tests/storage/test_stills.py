from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import delete, update

from events.errors import TransientError
from storage.errors import AlteredData, EvidenceMissing, UnknownStill, WrongKey
from storage.evidence.stills import EvidenceStore, Still
from storage.models import StillRow
from storage.sealing.crypto import KEY_BYTES, Keyring
from tests.alerts.builders import NOON_MS

CHECKOUT = Path(__file__).parents[2]
JPEG_HEAD = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01"


def still(observation: str = "o-1", settlement: str | None = "S-1", at_ms: int = NOON_MS, seed: int = 1) -> Still:
    jpeg = JPEG_HEAD + random.Random(seed).randbytes(20_000) + b"\xff\xd9"
    return Still(
        observation_id=observation, settlement_id=settlement, camera_id="cam-1", captured_at_ms=at_ms, jpeg=jpeg
    )


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data" / "stills"


@pytest.fixture
def store(database, folder):
    return EvidenceStore(database, folder, Keyring(b"k" * KEY_BYTES))


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_picture_comes_back_byte_for_byte(store):
    kept = store.keep(still())
    assert store.read(kept) == still().jpeg


def test_a_file_lies_under_the_first_two_letters_of_its_id_for_its_owner_alone(store, folder):
    kept = store.keep(still())
    path = folder / kept[:2] / f"{kept}.enc"
    assert files_in(folder) == [path]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_keeping_the_same_picture_again_changes_nothing(store, folder):
    first = store.keep(still())
    before = [path.read_bytes() for path in files_in(folder)]
    assert store.keep(still()) == first
    assert [path.read_bytes() for path in files_in(folder)] == before
    assert len(store.for_settlement("S-1")) == 1


def test_two_pictures_of_one_observation_are_two(store):
    assert store.keep(still(seed=1)) != store.keep(still(seed=2))


def test_the_same_picture_of_two_observations_is_two(store):
    assert store.keep(still("o-1")) != store.keep(still("o-2"))


def test_pictures_of_a_swipe_come_in_time_order_with_what_is_known_of_them(store):
    late = store.keep(still("o-2", at_ms=NOON_MS + 9, seed=2))
    early = store.keep(still("o-1"))
    store.keep(still("o-3", settlement="S-2", seed=3))
    found = store.for_settlement("S-1")
    assert [one.still_id for one in found] == [early, late]
    assert (found[0].observation_id, found[0].camera_id, found[0].captured_at_ms) == ("o-1", "cam-1", NOON_MS)
    assert found[0].size_bytes == len(still().jpeg)
    assert store.for_settlement("unknown") == []


def test_a_picture_may_belong_to_no_swipe(store):
    kept = store.keep(still(settlement=None))
    assert store.read(kept) == still().jpeg


def test_no_plain_picture_is_ever_on_the_disk(store, database, kind, tmp_path):
    pictures = [still(f"o-{number}", seed=number) for number in range(8)]
    for picture in pictures:
        store.keep(picture)
    database.close()
    written = [path.read_bytes() for path in files_in(tmp_path)]
    assert len(written) >= len(pictures) + (kind == "sqlite")
    for content in written:
        assert JPEG_HEAD not in content
        for picture in pictures:
            assert not any(picture.jpeg[start : start + 16] in content for start in range(0, 20_000, 997))


def test_the_search_for_plain_pictures_would_find_one(tmp_path):
    (tmp_path / "leak").write_bytes(b"..." + still().jpeg)
    assert JPEG_HEAD in files_in(tmp_path)[0].read_bytes()


@pytest.mark.parametrize("position", [0, 5, 15, 30, 10_000, -1])
def test_a_changed_byte_in_a_file_is_a_clear_error(store, position):
    path = store.path_of(store.keep(still()))
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises((AlteredData, WrongKey)):
        store.read(path.stem)


def test_a_file_cut_short_is_a_clear_error(store):
    path = store.path_of(store.keep(still()))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(AlteredData):
        store.read(path.stem)


def test_two_files_that_changed_places_are_a_clear_error(store):
    one, two = store.path_of(store.keep(still("o-1"))), store.path_of(store.keep(still("o-2", seed=2)))
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    for path in (one, two):
        with pytest.raises(AlteredData, match="another place"):
            store.read(path.stem)


def test_a_row_that_was_changed_is_a_clear_error(store, database):
    kept = store.keep(still())
    with database.session() as session:
        session.execute(update(StillRow).values(sha256="0" * 64))
    with pytest.raises(AlteredData, match="not what its row describes"):
        store.read(kept)


def test_another_key_is_a_clear_error(store, database, folder):
    kept = store.keep(still())
    with pytest.raises(WrongKey):
        EvidenceStore(database, folder, Keyring(b"x" * KEY_BYTES)).read(kept)


def test_a_lost_file_is_a_clear_error_and_keeping_again_heals_it(store):
    kept = store.keep(still())
    store.path_of(kept).unlink()
    with pytest.raises(EvidenceMissing, match=kept):
        store.read(kept)
    store.keep(still())
    assert store.read(kept) == still().jpeg


def test_an_unknown_picture_is_a_lookup_error(store):
    with pytest.raises(UnknownStill):
        store.read("no-such-still")


def test_a_file_that_cannot_be_written_is_a_transient_error_and_leaves_no_row(store, folder):
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file where the folder should be")
    with pytest.raises(TransientError, match="could not be written"):
        store.keep(still())
    assert store.for_settlement("S-1") == []


KILLED_BETWEEN_FILE_AND_ROW = """
import os, signal, sys
from pathlib import Path
import msgspec
from storage.sealing.crypto import Keyring
from storage.database import Database
from storage.evidence.stills import EvidenceStore, Still

class Killed(Database):
    def session(self):
        os.kill(os.getpid(), signal.SIGKILL)

data = Path(sys.argv[1])
database = Database.open(sys.argv[2])
database.__class__ = Killed
store = EvidenceStore(database, data / "stills", Keyring(b"k" * 32))
store.keep(msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Still))
"""


@pytest.mark.crash
def test_a_kill_between_file_and_row_leaves_a_file_that_the_next_keep_takes_over(store, folder, tmp_path, url):
    command = [sys.executable, "-c", KILLED_BETWEEN_FILE_AND_ROW, str(tmp_path / "data"), url]
    child = subprocess.run(command, cwd=CHECKOUT, input=msgspec.msgpack.encode(still()), timeout=60, check=False)
    assert child.returncode == -9
    (orphan,) = files_in(folder)
    left = orphan.read_bytes()
    with pytest.raises(UnknownStill):
        store.read(orphan.stem)
    assert store.keep(still()) == orphan.stem
    assert orphan.read_bytes() == left
    assert store.read(orphan.stem) == still().jpeg
    assert files_in(folder) == [orphan]


def test_a_file_that_no_row_vouches_for_and_that_does_not_open_is_written_anew(store, folder):
    kept = store.keep(still())
    other = EvidenceStore(store._database, folder.parent / "elsewhere", Keyring(b"k" * KEY_BYTES))
    path = other.path_of(kept)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"torn")
    with store._database.session() as session:
        session.execute(delete(StillRow))
    other.keep(still())
    assert other.read(kept) == still().jpeg
