"""From the embedded product to a cluster by the commands that docs/embedded-to-cluster.md gives, no finding lost."""

from __future__ import annotations

import re
import shlex

import msgspec
import pytest

from tests.app.running import CHECKOUT, run, serving
from tests.kafka.workers import fleet_of, world_of_now
from tests.test_docs import fenced

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(240)]

PAGE = (CHECKOUT / "docs" / "embedded-to-cluster.md").read_text()
SEED = 7
PARTITIONS = 3


def commands(title: str) -> list[list[str]]:
    """Returns the page's commands of one step, a list of words each."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert found, title
    lines = "".join(fenced(found[1], "")).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def ours(words: list[str], places: dict[str, str]) -> list[str]:
    """Returns the arguments of a command of ours with the places of this machine."""
    assert words[0] == "swipewatch", words
    return [places.get(word, word) for word in words[1:]]


def test_a_newcomer_who_follows_the_page_finds_the_same_on_the_cluster(clean, postgres, tmp_path):
    lines = world_of_now(SEED)
    url = postgres.new_database(empty=True)
    with fleet_of(tmp_path, clean.address, url, SEED, PARTITIONS) as fleet:
        embedded = tmp_path / "embedded"
        events = tmp_path / "sent.jsonl"
        events.write_bytes(b"\n".join(lines))
        with serving(embedded, "--rules", str(fleet.rules)) as served:
            sent = run("publish", str(events), "--to", served.address, "--token", served.sender_token())
            assert sent.returncode == 0, sent.stderr
            assert run("findings", "--data", str(embedded), "--wait", timeout=150).returncode == 0
        places = {
            "/var/lib/swipewatch": str(embedded),
            "kafka-1:9092": clean.address,
            "kafka://kafka-1:9092": f"kafka://{clean.address}",
            "postgresql://swipewatch@db/swipewatch": url,
            "12": str(PARTITIONS),
            **{name: str(tmp_path / name) for name in ("all.jsonl", "before.jsonl", "after.jsonl", "kept-rules")},
        }
        for words in commands("1. Stop, and take out what it has"):
            if words[0] == "swipewatch":
                follow(words, places)
        for words in commands("2. Set the cluster up"):
            if words[:2] == ["swipewatch", "topics"]:
                follow(words, places)
        fleet.rules = tmp_path / "kept-rules"
        fleet.start("worker-1")
        for words in (*commands("3. Publish the log as history"), *commands("4. Wait, and compare")):
            if words[0] == "swipewatch":
                follow(words, places)
            else:
                assert words == ["cmp", "before.jsonl", "after.jsonl"]
        assert [worker.codes for worker in fleet.workers.values()] == [[]], fleet.said()
    before, after = ((tmp_path / name).read_bytes() for name in ("before.jsonl", "after.jsonl"))
    assert len(before.splitlines()) > 10
    assert after == before
    assert {msgspec.json.decode(line)["type"] for line in (tmp_path / "all.jsonl").read_bytes().splitlines()} >= {
        "swipe"
    }


def follow(words: list[str], places: dict[str, str]) -> None:
    done = run(*ours(words, places), timeout=150)
    assert done.returncode == 0, (words, done.stderr)


def test_every_command_of_the_page_is_one_of_ours_or_of_the_system() -> None:
    titles = re.findall(r"^## (\d\. .*)$", PAGE, flags=re.MULTILINE)
    assert [title[0] for title in titles] == ["1", "2", "3", "4", "5"]
    first = {words[0] for title in titles for words in commands(title)}
    assert first <= {"swipewatch", "systemctl", "cmp"}
