from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import AlteredData, KeyUnusable, WrongKey
from storage.sealing.crypto import KEY_BYTES, Keyring

RING = Keyring(b"k" * KEY_BYTES)
CHECKOUT = Path(__file__).parents[2]


@given(st.binary(max_size=200), st.text(max_size=20))
def test_what_is_sealed_opens_with_its_key_and_context(plain, context):
    assert RING.unseal(RING.seal(plain, context), context) == plain


def test_sealing_twice_gives_different_bytes():
    assert RING.seal(b"face", "c") != RING.seal(b"face", "c")


def test_nothing_of_the_plain_bytes_is_in_the_sealed_ones():
    assert b"secret face" not in RING.seal(b"secret face", "c")


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_anywhere_is_noticed(position, change):
    sealed = bytearray(RING.seal(b"embedding", "reference"))
    sealed[position % len(sealed)] ^= change
    with pytest.raises((AlteredData, WrongKey)):
        RING.unseal(bytes(sealed), "reference")


@given(st.integers(0, 47))
def test_bytes_cut_short_are_noticed(length):
    sealed = RING.seal(b"embedding", "reference")
    with pytest.raises(AlteredData):
        RING.unseal(sealed[: min(length, len(sealed) - 1)], "reference")


def test_bytes_moved_to_another_context_do_not_open():
    with pytest.raises(AlteredData, match="belong to another place"):
        RING.unseal(RING.seal(b"embedding", "person A"), "person B")


def test_another_key_is_told_from_altered_bytes():
    with pytest.raises(WrongKey, match="sealed under key"):
        Keyring(b"x" * KEY_BYTES).unseal(RING.seal(b"face", "c"), "c")


def test_a_keyring_never_prints_its_key():
    assert "kkkk" not in repr(RING)


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path):
    path = tmp_path / "keys" / "evidence.key"
    sealed = Keyring.open(path).seal(b"face", "c")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_size == KEY_BYTES
    assert list(path.parent.iterdir()) == [path]
    assert Keyring.open(path).unseal(sealed, "c") == b"face"


def test_two_products_have_two_keys(tmp_path):
    Keyring.open(tmp_path / "a" / "key")
    Keyring.open(tmp_path / "b" / "key")
    assert (tmp_path / "a" / "key").read_bytes() != (tmp_path / "b" / "key").read_bytes()


def test_a_lost_key_that_data_needs_is_a_clear_error_and_no_new_one_is_made(tmp_path):
    with pytest.raises(KeyUnusable, match=r"absent.*sealed data in the database needs it"):
        Keyring.open(tmp_path / "evidence.key", needed=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_key_of_another_size_is_a_clear_error(tmp_path, size):
    path = tmp_path / "evidence.key"
    path.write_bytes(b"k" * size)
    path.chmod(0o600)
    with pytest.raises(KeyUnusable, match="exactly 32 bytes"):
        Keyring.open(path)


def test_a_key_that_others_may_read_is_a_clear_error(tmp_path):
    path = tmp_path / "evidence.key"
    path.write_bytes(b"k" * KEY_BYTES)
    path.chmod(0o640)
    with pytest.raises(KeyUnusable, match="0600"):
        Keyring.open(path)


@pytest.mark.slow
def test_processes_that_start_together_make_one_key(tmp_path):
    code = (
        "import sys; from pathlib import Path; from storage.sealing.crypto import Keyring;"
        "sys.stdout.write(repr(Keyring.open(Path(sys.argv[1]))))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "keys" / "evidence.key")]
    openers = [subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE) for _ in range(3)]
    marks = {opener.communicate(timeout=60)[0] for opener in openers}
    assert len(marks) == 1
    assert [opener.returncode for opener in openers] == [0, 0, 0]
