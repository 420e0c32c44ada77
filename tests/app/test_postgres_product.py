"""`swipewatch serve` on PostgreSQL: from a swipe to its reminder, while the server goes away, and from a dump."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from storage.database import shown_url
from tests.app.running import Served, run, serving
from tests.app.test_serve import recent_lines
from tests.postgres import PASSWORD, binaries
from tests.web import test_terminal_product as till
from tests.web.world import bearer, now_ms, poll, swipe_event

pytestmark = [pytest.mark.postgres, pytest.mark.crash, pytest.mark.timeout(240)]


def product(folder: Path, url: str, name: str = "data") -> Any:
    registry = folder / "registry.yaml"
    registry.write_text(yaml.safe_dump(till.REGISTRY))
    return serving(folder / name, "--registry", str(registry), "--database", url)


def found(url: str, *options: str) -> str:
    done = run("findings", "--database", url, *options, timeout=150)
    assert done.returncode == 0, done.stderr
    return done.stdout


def replayed(folder: Path, url: str) -> str:
    exported = folder / "export.jsonl"
    assert run("export", "--database", url, "--out", str(exported)).returncode == 0
    return run("replay", str(exported)).stdout


def test_a_swipe_becomes_a_reminder_and_no_password_is_written_anywhere(postgres, tmp_path):
    url = postgres.new_database(empty=True)
    with product(tmp_path, url) as served:
        till.swipe_with_another_face(served, "SETL-000001")
        poll(lambda: till.notices(served), 15)
        (notice,) = till.notices(served)
        taken = run("serve", "--data", str(tmp_path / "second"), "--database", url, "--port", "0")
        assert (taken.returncode, "no other swipewatch serves from it" in taken.stderr) == (2, True), taken.stderr
        checked = subprocess.run(
            [sys.executable, "-m", "app", "check-config"],
            env={**os.environ, "SWIPEWATCH__DATABASE_URL": url},
            capture_output=True,
            text=True,
            check=True,
        )
    assert notice["alert_id"]
    assert found(url) == replayed(tmp_path, url) != ""
    assert f"database_url = {shown_url(url)}" in checked.stdout
    said = [taken.stderr, checked.stdout, *(path.read_text() for path in tmp_path.glob("*.*"))]
    assert not [text for text in said if PASSWORD in text or url in text]
    assert not (tmp_path / "data" / "swipewatch.db").exists()


def publish_all(served: Served, lines: list[bytes], folder: Path) -> None:
    events = folder / "events.jsonl"
    events.write_bytes(b"\n".join(lines))
    done = run("publish", str(events), "--to", served.address, "--token", served.sender_token(), timeout=100)
    assert done.returncode == 0, done.stderr


def test_while_the_server_is_away_nobody_is_told_200_for_what_is_lost(own_postgres, tmp_path):
    own_postgres.start()
    url = own_postgres.new_database(empty=True)
    lines = recent_lines(13)
    answers: list[httpx.Response] = []

    def send_one(served: Served) -> None:
        body, headers = [swipe_event("SETL-AWAY", at_ms=now_ms())], bearer(served.sender_token())
        answers.append(httpx.post(f"{served.address}/v1/events", json=body, headers=headers, timeout=60))

    with product(tmp_path, url) as served:
        publish_all(served, lines[: len(lines) // 2], tmp_path)
        sends = threading.Thread(target=send_one, args=(served,))
        own_postgres.kill()
        sends.start()
        own_postgres.start()
        publish_all(served, lines, tmp_path)
        sends.join(60)
        assert served.process.poll() is None
        assert found(url, "--wait") == replayed(tmp_path, url) != ""
    (answer,) = answers
    assert answer.status_code in {200, 503}, answer.text
    if answer.status_code == 200:
        assert b"SETL-AWAY" in (tmp_path / "export.jsonl").read_bytes()


def test_away_for_longer_the_product_ends_with_3_and_starts_again_where_it_was(own_postgres, tmp_path):
    own_postgres.start()
    url = own_postgres.new_database(empty=True)
    lines = recent_lines(14)
    with product(tmp_path, url) as served:
        publish_all(served, lines, tmp_path)
        own_postgres.stop()
        assert served.process.wait(60) == 3
        again = run("serve", "--data", str(tmp_path / "data"), "--database", url, "--port", "0")
        assert again.returncode == 3, again.stderr
    own_postgres.start()
    with product(tmp_path, url):
        assert found(url, "--wait") == replayed(tmp_path, url) != ""


def test_a_dump_is_restored_into_another_database_with_all_that_was_found(postgres, tmp_path):
    url, other = postgres.new_database(empty=True), postgres.new_database(empty=True)
    with product(tmp_path, url) as served:
        till.swipe_with_another_face(served, "SETL-000001")
        poll(lambda: till.notices(served), 15)
        dump, folder = tmp_path / "swipewatch.dump", binaries()
        assert folder is not None
        subprocess.run([folder / "pg_dump", "--format=custom", f"--file={dump}", url], check=True, timeout=60)
    subprocess.run([folder / "pg_restore", "--exit-on-error", "--no-owner", f"--dbname={other}", dump], check=True)
    assert found(other) == found(url) != ""
    with product(tmp_path, other, "elsewhere") as restored:
        assert "send events with token" not in restored.first_lines
