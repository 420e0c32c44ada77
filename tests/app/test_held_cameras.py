"""A camera is one process's: what a lease says is followed, in both directions, and a hiccup costs nothing."""

from __future__ import annotations

import signal
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace
from structlog.testing import capture_logs

from app import cluster_video
from app.cluster_video import ClusterVideo
from app.configuration import read_configuration
from app.held_cameras import LOST_LOOKS, HeldCameras
from app.vault import Vault
from video.settings import CameraSettings

A, B = (CameraSettings(camera_id=name, institution_id="P1", till_id="1", source="-") for name in "ab")


@dataclass
class Lease:
    """Which cameras are this process's, and what its workers were told."""

    mine: set[str] = field(default_factory=lambda: {"a", "b"})
    told: list[tuple[CameraSettings, ...]] = field(default_factory=list)

    def held(self, *cameras: CameraSettings) -> HeldCameras:
        return HeldCameras(
            cameras, is_mine=lambda one: one in self.mine, change=lambda some: self.told.append(tuple(some))
        )


def test_a_camera_that_is_lost_is_let_go_and_taken_over_once_it_is_free():
    lease = Lease()
    held = lease.held(A, B)
    lease.mine.remove("b")
    with capture_logs() as said:
        for _ in range(2 * LOST_LOOKS):
            held.look()
        assert (lease.told, held.camera_ids) == ([(A,)], ["a"])
        lease.mine.add("b")
        for _ in range(2):
            held.look()
    assert (lease.told, held.camera_ids) == ([(A,), (A, B)], ["a", "b"])
    assert [(one["event"], one["cameras"]) for one in said] == [
        ("cameras.held_elsewhere", ["b"]),
        ("cameras.taken_over", ["b"]),
    ]


def test_a_lease_that_is_back_at_once_costs_no_pictures():
    lease = Lease()
    held = lease.held(A, B)
    for lost in ({"a", "b"}, set[str](), {"b"}, set[str]()):
        lease.mine = {"a", "b"} - lost
        held.look()
    assert lease.told == []


def test_a_camera_that_is_new_to_the_list_is_looked_through_once_it_is_held_and_a_changed_one_at_once():
    lease = Lease({"a"})
    held, changed = lease.held(A), replace(A, clock_offset_ms=5)
    held.want([changed, B])
    assert lease.told == [(changed,)]
    for _ in range(LOST_LOOKS):
        held.look()
    lease.mine.add("b")
    held.look()
    held.want([B])
    assert lease.told == [(changed,), (changed, B), (B,)]


@pytest.fixture
def signals() -> Iterator[None]:
    """What the process did at a signal it does again afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class LostDuties:
    """Nothing is held; the process is told to stop once it has asked often enough to believe it."""

    def __init__(self, _database: object, _names: Collection[str]) -> None:
        self.asked = 0

    def is_mine(self, _name: str) -> bool:
        self.asked += 1
        if self.asked > LOST_LOOKS:
            signal.raise_signal(signal.SIGTERM)
        return False

    def stop(self) -> None:
        pass


@pytest.mark.usefixtures("signals")
def test_a_video_that_runs_lets_go_of_what_it_has_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_video, "Duties", LostDuties)
    monkeypatch.setattr(cluster_video, "COMPARE_EVERY_S", 0.01)
    camera = {"camera_id": "a", "source": "none.avi"}
    till = {"till_id": "1", "name_zh": "1", "name_en": "1", "cameras": [camera]}
    store = {"institution_id": "P1", "kind": "pharmacy", "name_zh": "1", "name_en": "1", "tills": [till]}
    (tmp_path / "registry.yaml").write_text(yaml.safe_dump({"institutions": [store]}))
    (tmp_path / "settings.yaml").write_text("video:\n  port: 0\n")
    configuration = read_configuration(tmp_path / "settings.yaml", registry_file=tmp_path / "registry.yaml")
    video = ClusterVideo(configuration, Vault(tmp_path / "data"), "127.0.0.1:1", None)
    assert video.camera_ids == ["a"]
    video.run()
    assert video.camera_ids == []
