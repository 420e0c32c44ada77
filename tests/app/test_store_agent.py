"""A store with its own agent and a centre, each in processes of its own, and a line between them that fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from app.at_store.buffer import StoreBuffer
from app.commands import video
from events.errors import ConfigError
from simulator.clips import Scene, compose_clip
from storage.access.changes import By
from storage.cameras.registry import CameraChange, CameraRegistry, RegisteredCamera
from storage.cameras.sources import SecretText
from storage.database import Database, default_url
from storage.sealing.crypto import Keyring
from tests.app.line import Line
from tests.app.running import Served, free_port, run, serving, started, wait_until_ready
from tests.app.test_cameras import PHOTOGRAPHS, STORE, observations, rows, send, swipe, verdicts

CAMERA = "camera-at-store"
WITHIN_S = 60.0


@dataclass
class Agent:
    """A running `swipewatch video --to`."""

    address: str
    process: subprocess.Popen[str]
    errors: Path

    def level(self, metric: str) -> float:
        """Returns the sum of a metric over its labels, as the agent tells it."""
        told = httpx.get(f"{self.address}/metrics", timeout=5).text
        return sum(float(line.split()[-1]) for line in told.splitlines() if line.startswith(metric))

    def said(self) -> str:
        """Returns what it has logged."""
        return self.errors.read_text()

    def is_ready(self) -> bool:
        """Returns whether it hears the centre."""
        return httpx.get(f"{self.address}/readyz", timeout=5).is_success


@contextmanager
def agent_at(data: Path, line: Line, token: Path) -> Iterator[Agent]:
    """Gives an agent that answers; it is told to stop at the end, unless it was killed."""
    port = free_port()
    options = ["--to", line.address, "--data", str(data), "--token-file", str(token), "--port", str(port)]
    address = f"http://127.0.0.1:{port}"
    with started([sys.executable, "-m", "app", "video", *options], data) as process:
        wait_until_ready(address, process, data.with_suffix(".err"), "/healthz")
        yield Agent(address, process, data.with_suffix(".err"))


def until(is_true: Callable[[], object], what: Callable[[], object] = str) -> None:
    ends = time.monotonic() + WITHIN_S
    while not is_true():
        assert time.monotonic() < ends, what()
        time.sleep(0.05)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the store's camera shows, again and again: an empty counter, then a person."""
    if not (PHOTOGRAPHS / "obama2.jpg").exists():
        pytest.skip("the demo's photographs are not there: make setup fetches them")
    path = tmp_path_factory.mktemp("film") / "counter.avi"
    compose_clip(path, [Scene(None, 4), Scene(PHOTOGRAPHS / "obama2.jpg", 60)], fps=8)
    return path


@pytest.fixture
def centre(tmp_path: Path, film: Path) -> Iterator[Served]:
    """A centre whose only camera is looked through at its store; the holder of 329900-1 is enrolled."""
    camera = {"camera_id": CAMERA, "source": film.name, "epoch_ms": int(time.time() * 1000), "at_store": True}
    till = {"till_id": "1", "name_zh": "1", "name_en": "1", "cameras": [camera]}
    store = {"institution_id": STORE, "kind": "pharmacy", "name_zh": "药房", "name_en": "Pharmacy", "tills": [till]}
    registry = film.with_name("registry.yaml")
    registry.write_text(yaml.safe_dump({"institutions": [store]}))
    data = tmp_path / "centre"
    photograph = str(PHOTOGRAPHS / "obama.jpg")
    done = run("enrol", "329900-1", photograph, "--consent", "test", "--data", str(data))
    assert done.returncode == 0, done.stderr
    with serving(data, "--registry", str(registry)) as product:
        yield product


@pytest.fixture
def token(tmp_path: Path, centre: Served) -> Path:
    options = ("--kind", "agent", "--institution", STORE, "--data", str(centre.data))
    done = run("tokens", "add", "at-store", *options)
    assert done.stdout.startswith("swa_"), done.stderr
    file = tmp_path / "token"
    file.write_text(done.stdout)
    file.chmod(0o600)
    return file


@pytest.fixture
def line(centre: Served) -> Iterator[Line]:
    with Line(int(centre.address.rpartition(":")[2])) as made:
        yield made


def evidence(data: Path, settlement: str) -> set[str]:
    """Returns which kinds of evidence the centre has of a swipe."""
    return {
        kind
        for kind in ("still", "clip", "original")
        if rows(data, f"SELECT 1 FROM {kind} WHERE settlement_id = '{settlement}'")  # noqa: S608 - names of ours
    }


@pytest.mark.video
@pytest.mark.crash
@pytest.mark.timeout(400)
def test_a_store_looks_by_itself_and_a_line_that_fails_and_an_agent_that_is_killed_lose_nothing(
    tmp_path: Path, centre: Served, token: Path, line: Line
) -> None:
    store = tmp_path / "store"
    with agent_at(store, line, token) as agent:
        until(lambda: ("ok",) in rows(centre.data, "SELECT state FROM camera_state"), agent.said)
        assert "worker.started" not in centre.data.with_suffix(".err").read_text()  # the centre leaves it alone
        send(centre, [swipe(1, "329900-1", "1")])
        until(lambda: verdicts(centre.data).get("S000001") == "match", lambda: list(observations(centre.data)))
        line.cut()
        send(centre, [swipe(2, "329900-1", "1")])
        until(lambda: not agent.is_ready())
        line.mend()
        until(lambda: verdicts(centre.data).get("S000002") == "match", lambda: list(observations(centre.data)))
        until(
            lambda: {"still", "original"} <= evidence(centre.data, "S000001"), lambda: evidence(centre.data, "S000001")
        )
        send(centre, [swipe(3, "329900-1", "1")])
        until(lambda: "S000003" in verdicts(centre.data))  # its film is still to come
        line.cut()
        until(lambda: agent.level("swipewatch_agent_messages_waiting") > 0)
        os.killpg(agent.process.pid, signal.SIGKILL)
        agent.process.wait()
    kept = StoreBuffer(
        store / "buffer", Keyring.open(store / "keys" / "agent.key"), most_bytes=2**40, clock_ms=lambda: 1
    )
    assert sum(level.messages for level in kept.levels().values()) > 0
    with agent_at(store, line, token) as agent:
        assert agent.level("swipewatch_cameras_held") == 1
        assert not agent.is_ready()
        line.mend()
        until(lambda: agent.is_ready() and agent.level("swipewatch_agent_messages_waiting") == 0)
        named = [face.get("visitor_id") for seen in observations(centre.data) for face in seen["faces"]]
        assert len(set(named) - {None}) == 1  # one person, whom the centre remembers and the store does not
        assert (centre.data / "visitors").exists()
        assert not (store / "visitors").exists()
        event_ids = [seen["event_id"] for seen in observations(centre.data)]
        assert len(event_ids) == len(set(event_ids))
        assert agent.level("swipewatch_agent_messages_dropped") == 0
        _give_to_the_centre(centre)
        until(lambda: agent.level("swipewatch_cameras_held") == 0)
    assert not any(path.read_bytes().count(b"swa_") for path in tmp_path.glob("*.err"))


def _give_to_the_centre(centre: Served) -> None:
    """Somebody changes the camera on the page."""
    database = Database.open(default_url(centre.data))
    known = RegisteredCamera(
        camera_id=CAMERA, institution_id=STORE, till_id="1", source=SecretText("counter.avi"), at_store=True
    )
    keyring = Keyring.open(centre.data / "keys" / "evidence.key")
    CameraRegistry(database, keyring, [known]).change(By("ada", 1), CAMERA, CameraChange(at_store=False))
    database.close()


@pytest.mark.parametrize("option", ["brokers", "database", "registry"])
def test_an_agent_has_no_brokers_no_database_and_no_registry(tmp_path: Path, option: str) -> None:
    with pytest.raises(ConfigError, match=f"--{option}"):
        video(to="https://centre.example", data=tmp_path, **{option: "postgresql://ada:s3cret@db/x"})  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_token_that_the_centre_does_not_know_ends_the_agent(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("swa_unknown")
    token.chmod(0o600)
    with serving(tmp_path / "centre") as product:
        done = run("video", "--to", product.address, "--token-file", str(token), "--data", str(tmp_path / "store"))
    assert done.returncode == 2
    assert "token" in done.stderr
    assert "swa_unknown" not in done.stderr
