"""The backup that docs/backup.md describes, made while the product works, and what is restored from it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.app.running import CHECKOUT, Served, run, serving
from tests.app.test_serve import recent_lines
from tests.test_docs import fenced
from tests.web.world import poll

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

PAGE = (CHECKOUT / "docs" / "backup.md").read_text()


def commands(title: str) -> str:
    """Returns the commands of a section of the page."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert found, title
    (block,) = fenced(found[1], "sh")
    return block


def follow(script: str, folder: Path) -> None:
    script = script.replace(".venv/bin/python", sys.executable)
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ},
    )
    assert done.returncode == 0, done.stderr


def publish(served: Served, folder: Path, name: str, lines: list[bytes], token: str) -> None:
    events = folder / name
    events.write_bytes(b"\n".join(lines))
    done = run("publish", str(events), "--to", served.address, "--token", token)
    assert done.returncode == 0, done.stderr


def exported(data: Path, folder: Path) -> set[bytes]:
    out = folder / "export.jsonl"
    assert run("export", "--data", str(data), "--out", str(out)).returncode == 0
    return set(out.read_bytes().splitlines())


def test_a_backup_made_while_events_come_in_is_restored_with_all_that_was_found(tmp_path):
    lines = recent_lines(15)
    half = len(lines) // 2
    data, picture = tmp_path / "data", tmp_path / "data" / "stills" / "ab"
    with serving(data) as served:
        token = served.sender_token()
        publish(served, tmp_path, "first.jsonl", lines[:half], token)
        for folder in (picture.parent, picture):
            folder.mkdir(mode=0o700, exist_ok=True)
        (picture / "abcd.enc").write_bytes(b"sealed")
        (picture / "abcd.enc").chmod(0o600)
        before = exported(data, tmp_path)
        goes_on = threading.Thread(target=publish, args=(served, tmp_path, "second.jsonl", lines[half:], token))
        goes_on.start()
        follow(commands("SQLite, while it runs"), tmp_path)
        goes_on.join(100)
        assert served.process.poll() is None
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "backup").rglob("*")} == {0}
    data.rename(tmp_path / "lost")
    follow(commands("Restore, SQLite"), tmp_path)
    assert (picture / "abcd.enc").read_bytes() == b"sealed"
    with serving(data) as restored:
        assert "send events with token" not in restored.first_lines
        found = run("findings", "--data", str(data), "--wait", timeout=150)
        said = data.with_suffix(".err")
        poll(lambda: "store.pruned" in said.read_text(), 60)  # what no rule asks for is taken as new afterwards
        publish(restored, tmp_path, "again.jsonl", lines[:half], token)
    assert before
    assert before <= exported(data, tmp_path)
    assert found.stdout == run("replay", str(tmp_path / "export.jsonl")).stdout != ""


def test_the_tools_of_postgresql_that_the_page_names_are_those_that_the_restore_test_runs():
    tested = (CHECKOUT / "tests" / "app" / "test_postgres_product.py").read_text()
    for tool, options in (("pg_dump", ["--format=custom"]), ("pg_restore", ["--exit-on-error", "--no-owner"])):
        for option in options:
            assert tool in PAGE
            assert option in PAGE
            assert option in tested
