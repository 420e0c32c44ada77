"""Another key for what is sealed: nothing is lost, whenever it is killed, and the old key goes last."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import LargeBinary

from app.key_commands import rotate
from app.vault import Vault
from events.errors import ConfigError
from storage.errors import WrongKey
from storage.models import Table
from storage.sealing.crypto import Keyring, earlier_keys
from storage.sealing.key_rotation import KeyRotation
from storage.sealing.rows import SEALED_COLUMNS
from tests.alerts.builders import NOON_MS
from tests.storage.faces import GROUNDS, face_of
from tests.storage.shown import Shown

CHECKOUT = Path(__file__).parents[2]
NOT_SEALED = {
    ("accepted_event", "digest"),
    ("accepted_event", "original"),
    ("dead_letter", "original"),
    ("finding", "body"),
    ("superseded_finding", "body"),
}


@pytest.fixture
def vault(tmp_path):
    opened = Vault(tmp_path / "data")
    yield opened
    opened.close()


def furnished(vault: Vault) -> Shown:
    shown = Shown(vault.database, vault.directory, vault.keyring)
    for number in range(4):
        shown.swipe(f"S-{number}", NOON_MS)
    vault.references.enrol("p-1", face_of(np.ones(128, np.float32)), GROUNDS, NOON_MS)
    return shown


def key_file(vault: Vault) -> Path:
    return vault.directory / "keys" / "evidence.key"


def passes_until_done(rotation: KeyRotation) -> int:
    done = 0
    while (last := rotation.reseal(lambda _one: None)).done:
        assert not last.stuck
        done += last.done
    return done


def test_everything_opens_under_the_new_key_alone(vault):
    shown, old = furnished(vault), key_file(vault).read_bytes()
    stands = shown.left()
    rotation = vault.key_rotation()
    rotation.begin()
    assert key_file(vault).read_bytes() != old
    assert key_file(vault).stat().st_mode & 0o777 == 0o600
    assert shown.left() == stands
    assert passes_until_done(rotation) == rotation.count() == 13
    rotation.retire()
    assert not rotation.is_unfinished()
    fresh = Keyring(key_file(vault).read_bytes())
    assert Shown(vault.database, vault.directory, fresh).left() == stands
    assert len(vault.references.of("p-1")["sface"]) == 1
    with pytest.raises(WrongKey):
        Shown(vault.database, vault.directory, Keyring(old)).left()


def test_a_process_that_runs_seals_under_the_new_key_at_once_and_reads_both(vault):
    shown = furnished(vault)
    running = Keyring.open(key_file(vault))
    sealed_before = running.seal(b"before", "c")
    vault.key_rotation().begin()
    assert Keyring(key_file(vault).read_bytes()).unseal(running.seal(b"after", "c"), "c") == b"after"
    assert running.unseal(sealed_before, "c") == b"before"
    assert len(shown.left()) == 12


def test_a_file_that_was_sealed_while_the_key_changed_is_written_once_more(vault, monkeypatch):
    shown = furnished(vault)
    rotation, seal = vault.key_rotation(), Keyring.seal
    begun: list[bool] = []

    def sealed_then_rotated(self: Keyring, plain: bytes, context: str) -> bytes:
        sealed = seal(self, plain, context)
        if not begun:
            begun.append(True)
            rotation.begin()
        return sealed

    monkeypatch.setattr(Keyring, "seal", sealed_then_rotated)
    shown.swipe("S-meanwhile", NOON_MS)
    monkeypatch.undo()
    (clip,) = shown.clips.for_settlement("S-meanwhile")
    fresh = Shown(vault.database, vault.directory, Keyring(key_file(vault).read_bytes()))
    assert fresh.clips.read(clip.clip_id) == shown.clips.read(clip.clip_id)
    (still,) = fresh.stills.for_settlement("S-meanwhile")
    assert fresh.stills.read(still.still_id)


def test_what_does_not_open_is_named_and_everything_else_is_sealed_anew(vault):
    shown = furnished(vault)
    (clip,) = shown.clips.for_settlement("S-1")
    path = shown.clips.path_of(clip.clip_id)
    path.write_bytes(path.read_bytes()[:-1])
    rotation = vault.key_rotation()
    rotation.begin()
    done = rotation.reseal(lambda _one: None)
    assert (done.done, done.stuck) == (12, (f"clip {clip.clip_id}",))


KILLED_AFTER = """
import os, signal, sys
from pathlib import Path
from app.vault import Vault

left = int(sys.argv[2])
def look(_one):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

rotation = Vault(Path(sys.argv[1])).key_rotation()
if not rotation.is_unfinished():
    rotation.begin()
rotation.reseal(look)
"""


@pytest.mark.crash
def test_killed_in_the_middle_it_goes_on_where_it_was_and_makes_no_third_key(vault):
    shown = furnished(vault)
    stands, new_key = shown.left(), b""
    for _ in range(2):
        command = [sys.executable, "-c", KILLED_AFTER, str(vault.directory), "5"]
        child = subprocess.run(command, cwd=CHECKOUT, timeout=60, check=False)
        assert child.returncode == -9
        assert new_key in (b"", key_file(vault).read_bytes())
        new_key = key_file(vault).read_bytes()
        assert len(earlier_keys(key_file(vault))) == 1
        assert shown.left() == stands
    rotation = vault.key_rotation()
    assert rotation.is_unfinished()
    assert 13 - 5 >= passes_until_done(rotation) > 0
    rotation.retire()
    assert Shown(vault.database, vault.directory, Keyring(new_key)).left() == stands


def test_the_command_deletes_the_old_key_and_keeps_it_while_something_may_need_it(vault, capsys):
    shown = furnished(vault)
    rotate(vault.directory, None, quiet=0)
    assert "13 sealed anew; the old key is deleted" in capsys.readouterr().out
    assert earlier_keys(key_file(vault)) == []
    assert len(shown.left()) == 12
    (clip,) = shown.clips.for_settlement("S-1")
    shown.clips.path_of(clip.clip_id).write_bytes(b"torn")
    with pytest.raises(ConfigError, match=f"clip {clip.clip_id}"):
        rotate(vault.directory, None, quiet=0)
    assert len(earlier_keys(key_file(vault))) == 1


def test_every_sealed_column_of_the_database_is_known():
    binary = {
        (table.name, column.name)
        for table in Table.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    sealed = {(one.table.__tablename__, one.sealed_column) for one in SEALED_COLUMNS}
    assert binary == sealed | NOT_SEALED


def test_the_rotation_of_a_data_folder_covers_every_sealed_file(vault):
    shown = furnished(vault)
    files = sum(1 for path in vault.directory.rglob("*.enc"))
    assert files == len(shown.left()) == vault.key_rotation().count() - 1
