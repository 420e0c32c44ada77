"""A store's agent whose centre is a cluster: it hears of the topic's swipes, and what it says is in the topic."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import yaml
from sqlalchemy import select

from app.vault import Vault
from events.topics import DEFAULT_PARTITIONS
from simulator.clips import Scene, compose_clip
from storage.access.accounts import Accounts
from storage.database import Database
from storage.faces.references import Embedding
from storage.models import OriginalRow
from streams.cluster.topics import create_topics
from tests.app.in_clear import in_clear
from tests.app.line import Line
from tests.app.running import Served, run
from tests.app.test_cameras import PHOTOGRAPHS, STORE, swipe
from tests.app.test_store_agent import CAMERA, agent_at, until
from tests.kafka.broker import Broker
from tests.kafka.records import administration, read_all
from tests.kafka.webs import SENDER, Place, input_lines
from tests.postgres import Postgres
from tests.web.world import bearer, now_ms

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.video, pytest.mark.timeout(300)]
AGENT = "swa_at-store"
HOLDER = "329900-1"


@pytest.fixture
def place(clean: Broker, postgres: Postgres, tmp_path: Path) -> Iterator[Place]:
    """A cluster whose only camera is looked through at its store; the holder of 329900-1 is enrolled."""
    if not (PHOTOGRAPHS / "obama2.jpg").exists():
        pytest.skip("the demo's photographs are not there: make setup fetches them")
    compose_clip(tmp_path / "counter.avi", [Scene(None, 4), Scene(PHOTOGRAPHS / "obama2.jpg", 60)], fps=8)
    create_topics(clean.address, DEFAULT_PARTITIONS, 1)
    made = Place(tmp_path, clean.address, postgres.new_database())
    made.furnish()
    database = Database.open(made.url)
    Accounts(database).put_token("agent", "at-store", [STORE], now_ms(), token=AGENT)
    database.close()
    where = ("--data", str(tmp_path / "data"), "--database", made.url)
    done = run("enrol", HOLDER, str(PHOTOGRAPHS / "obama.jpg"), "--consent", "file 17", *where)
    assert done.returncode == 0, done.stderr
    camera = {"camera_id": CAMERA, "source": "counter.avi", "epoch_ms": int(time.time() * 1000), "loop": True}
    till = {"till_id": "1", "name_zh": "1", "name_en": "1", "cameras": [camera | {"at_store": True}]}
    store = {"institution_id": STORE, "kind": "pharmacy", "name_zh": "药房", "name_en": "Pharmacy", "tills": [till]}
    (tmp_path / "registry.yaml").write_text(yaml.safe_dump({"institutions": [store]}))
    yield made
    postgres.drop(made.url)


def test_a_store_looks_for_a_cluster_and_a_line_that_fails_loses_nothing(clean, place, tmp_path):
    token = tmp_path / "token"
    token.write_text(AGENT)
    token.chmod(0o600)
    with (
        place.web("web") as web,
        Line(int(web.address.rpartition(":")[2])) as line,
        agent_at(tmp_path / "store", line, token) as agent,
    ):
        until(lambda: looked_at(clean, None), agent.said)  # the camera works
        line.cut()
        until(lambda: not agent.is_ready(), agent.said)
        send(web, swipe(1, HOLDER, "1"))
        line.mend()
        until(lambda: "final" in looked_at(clean, "S000001"), agent.said)
        until(lambda: originals(place), agent.said)
        assert agent.level("swipewatch_agent_messages_dropped") == 0
    stages = looked_at(clean, "S000001")
    assert len(stages) == len(set(stages))
    assert "match" in verdicts(clean, "S000001")
    (tmp_path / "data" / "topics").write_bytes(topics(clean))
    logs = "".join(path.read_text() for path in [*tmp_path.glob("*.err"), *tmp_path.glob("*.out")])
    faces = embeddings(place)
    assert len(faces) == len(("sface", "dlib"))
    for folder in ("data", "store"):
        assert in_clear(tmp_path / folder, logs, faces, ["obama"]) == []


def send(web: Served, event: dict[str, object]) -> None:
    answer = httpx.post(f"{web.address}/v1/events", json=[event], headers=bearer(SENDER), timeout=40).json()
    assert [result["status"] for result in answer["results"]] == ["durable"], answer


def said_of(broker: Broker, settlement: str | None) -> list[dict[str, Any]]:
    """Returns what the camera said of a settlement; with None whatever it said."""
    said = [msgspec.json.decode(line.content) for line in input_lines(broker) if line.sender == "video"]
    return [
        one
        for one in said
        if settlement is None or any(face.get("settlement_id") == settlement for face in one["faces"])
    ]


def looked_at(broker: Broker, settlement: str | None) -> list[str]:
    return [one["stage"] for one in said_of(broker, settlement)]


def verdicts(broker: Broker, settlement: str) -> set[str]:
    return {face.get("verdict") for one in said_of(broker, settlement) for face in one["faces"]}


def topics(broker: Broker) -> bytes:
    """Returns all that the topics hold."""
    with administration(broker) as admin:
        known = [topic for topic in admin.describe_topics() if not topic["name"].startswith("__")]
    places = [(topic["name"], number) for topic in known for number in range(len(topic["partitions"]))]
    return b"".join(value for name, number in places for value in read_all(broker, name, number))


def embeddings(place: Place) -> list[Embedding]:
    """Returns what is kept of the holder's face."""
    vault = Vault(place.folder / "data", database=place.url)
    try:
        return [one for engine in vault.references.of(HOLDER).values() for one in engine]
    finally:
        vault.close()


def originals(place: Place) -> list[str]:
    """Returns the sealed originals that the cluster has of the swipe."""
    database = Database.open(place.url)
    with database.session() as session:
        found = list(session.scalars(select(OriginalRow.original_id).where(OriginalRow.settlement_id == "S000001")))
    database.close()
    return found
