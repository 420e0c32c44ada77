"""`swipewatch video`: a swipe of the topic is looked at by its till's camera, and what was seen is in the topic."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app import cluster_video
from app.cluster_video import ClusterVideo
from app.configuration import read_configuration
from app.vault import Vault
from app.visitors.service import VisitorService
from events.errors import ConfigError
from events.topics import DEFAULT_PARTITIONS, INPUT
from simulator.clips import Scene, compose_clip
from storage.database import Database
from storage.evidence.owed_clips import OwedClips
from storage.queries.alerts import AlertQueries
from streams.cluster.publishing import partition_of
from streams.cluster.topics import create_topics
from tests.app.running import free_port, run, started
from tests.app.test_cameras import PHOTOGRAPHS, black_out, registry_of, swipe
from tests.app.test_clip_making import clips, kept
from tests.kafka.broker import Broker
from tests.kafka.records import write
from tests.kafka.webs import input_lines
from tests.postgres import Postgres
from tests.web.world import poll

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.video, pytest.mark.timeout(300)]

SEEN_WITHIN_S = 90.0
CAMERA = "camera-person"


@dataclass(frozen=True)
class Site:
    """A store with cameras, and where its processes meet."""

    registry: Path
    data: Path
    broker: Broker
    url: str
    visitors: str

    def options(self) -> list[str]:
        settings = self.registry.with_name("settings.yaml")
        settings.write_text(
            f"video:\n  port: 0\nvisitors:\n  url: {self.visitors}\n  port: {self.visitors.rpartition(':')[2]}\n"
            f"  secret_file: {settings.with_name('secret')}\n"
        )
        settings.with_name("secret").write_text("0123456789abcdef" * 2)
        settings.with_name("secret").chmod(0o600)
        where = ["--brokers", self.broker.address, "--database", self.url, "--config", str(settings)]
        return [*where, "--data", str(self.data), "--registry", str(self.registry)]


@pytest.fixture
def site(clean: Broker, postgres: Postgres, tmp_path: Path) -> Iterator[Site]:
    if not (PHOTOGRAPHS / "obama2.jpg").exists():
        pytest.skip("the demo's photographs are not there: make setup fetches them")
    compose_clip(tmp_path / "person.avi", [Scene(PHOTOGRAPHS / "obama2.jpg", 60)], fps=8)
    compose_clip(tmp_path / "empty.avi", [Scene(None, 5)], fps=8)
    black_out(tmp_path / "dark.avi")
    create_topics(clean.address, DEFAULT_PARTITIONS, 1)
    url = postgres.new_database()
    yield Site(registry_of(tmp_path), tmp_path / "data", clean, url, f"http://127.0.0.1:{free_port()}")
    postgres.drop(url)


def observations(site: Site) -> list[dict[str, Any]]:
    """Returns what the cameras have handed in."""
    return [msgspec.json.decode(line.content) for line in input_lines(site.broker) if line.sender == "video"]


def owe_a_clip(site: Site, settlement: str) -> None:
    """Somebody has asked for the clip of a swipe whose original is kept."""
    vault = Vault(site.data, database=site.url, held="beside")
    OwedClips(vault.database).ask([kept(vault, settlement)], 1)
    vault.close()


def test_a_swipe_of_the_topic_is_looked_at_and_what_was_seen_is_written_there_and_owed_clips_are_made(site):
    said = site.data.with_suffix(".err")
    owe_a_clip(site, "S-owed")
    options = site.options()
    with (
        remembering(site),
        started([sys.executable, "-m", "app", "video", "--port", "0", "--cameras", CAMERA, *options], site.data),
    ):
        poll(lambda: observations(site), SEEN_WITHIN_S)  # somebody stands there: the camera works
        poll(lambda: "input.followed" in said.read_text(), SEEN_WITHIN_S)
        line = msgspec.json.encode(swipe(1, "329900-1", "1"))
        write(site.broker, INPUT.name, [line], partition_of(line, DEFAULT_PARTITIONS))
        (seen, *_) = poll(lambda: looked_at(site, "S000001"), SEEN_WITHIN_S)
        vault = Vault(site.data, database=site.url, held="beside")
        poll(lambda: clips(vault, "S-owed"), SEEN_WITHIN_S)
        vault.close()
    assert seen["camera_id"] == CAMERA
    assert seen["people"] == 1
    assert {one["camera_id"] for one in observations(site)} == {CAMERA}
    database = Database.open(site.url)
    (still, *_) = AlertQueries(database).stills(["S000001"])
    database.close()
    assert still.camera_id == CAMERA
    assert list(site.data.glob(f"stills/*/{still.still_id}.enc"))
    ids = {face.get("visitor_id") for one in looked_at(site, "S000001") for face in one["faces"]}
    assert {str(one)[:2] for one in ids} == {"v-"}
    assert not (site.data / "visitors").exists()


@contextmanager
def remembering(site: Site) -> Iterator[None]:
    """`swipewatch visitors` runs, with a folder of its own."""
    service = VisitorService(read_configuration(site.registry.with_name("settings.yaml")), site.data / "of-visitors")
    service.start()
    try:
        yield
    finally:
        service.stop()


def looked_at(site: Site, settlement: str) -> list[dict[str, Any]]:
    return [one for one in observations(site) if any(f.get("settlement_id") == settlement for f in one["faces"])]


def test_a_camera_is_one_processs_and_one_that_nobody_knows_is_named(site, monkeypatch):
    monkeypatch.setattr(cluster_video, "HELD_WITHIN_S", 0.5)
    configuration = read_configuration(registry_file=site.registry)
    first, second = (Vault(site.data, database=site.url, held="beside") for _ in range(2))
    one = ClusterVideo(configuration, first, site.broker.address, ["camera-empty", "camera-dark"])
    two = ClusterVideo(configuration, second, site.broker.address, ["camera-dark", "camera-person"])
    one.start()
    try:
        with pytest.raises(ConfigError, match="camera-dark"):
            two.start()
    finally:
        one.stop()
        two.stop()
    done = run("video", "--cameras", "camera-nowhere", *site.options())
    assert (done.returncode, "camera-nowhere" in done.stderr) == (2, True), done.stderr
