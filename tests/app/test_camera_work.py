"""Camera work without pictures: a worker that does not read holds nobody up, and no trouble ends it silently."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from app.cameras.intake import CameraIntake
from app.cameras.outbox import Outbox
from app.cameras.work import CameraWork
from app.visitors.shared import SharedVisitors
from storage.errors import DatabaseUnavailable
from tests.alerts.builders import NOON_MS, STORE
from tests.storage.events import record
from video.engine import Embedding, unit
from video.messages import CameraStateChanged, FromCameras, SwipeSeen, VisitorAsked, VisitorNamed
from video.settings import CameraSettings, SecretBytes, VideoSettings, VisitorSettings

DEADLINE_S = 60.0
SETTINGS = VideoSettings(
    cameras=(CameraSettings(camera_id="c", institution_id=STORE, till_id="1", source="/nowhere/at-all.avi"),),
)
SEEN = SwipeSeen(
    settlement_id="s",
    institution_id="i",
    till_id="t",
    occurred_at_ms=1,
    references={"sface": [[0.123456789] * 128] * 3},
)


def wait(is_true: Callable[[], bool]) -> None:
    ends = time.monotonic() + DEADLINE_S
    while not is_true():
        assert time.monotonic() < ends
        time.sleep(0.05)


class Broken:
    """A table of camera states and of references that cannot be reached in one way or the other."""

    def __init__(self, error: Exception) -> None:
        self.error, self.asked = error, 0

    def put(self, *_state: object) -> None:
        self.asked += 1
        raise self.error

    of = put


def visitors_in(folder: Path | None) -> SharedVisitors:
    settings = VisitorSettings(folder=None if folder is None else str(folder), key=SecretBytes(b"k" * 32))
    return SharedVisitors(settings, clock_ms=lambda: NOON_MS)


def work_with(broken: Broken) -> CameraWork:
    return CameraWork(
        SETTINGS,
        intake=CameraIntake(
            evidence=broken,  # type: ignore[arg-type]
            originals=broken,  # type: ignore[arg-type]
            states=broken,  # type: ignore[arg-type]
            calibrations=broken,  # type: ignore[arg-type]
            submit=lambda _sender, _originals: None,
        ),
        references=broken,  # type: ignore[arg-type]
        visitors=visitors_in(None),
        clock_ms=lambda: NOON_MS,
    )


def test_worker_that_does_not_read_holds_nobody_up_and_ends_the_outbox_when_it_dies():
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    outbox = Outbox(ours, most_waiting=200)
    started = time.monotonic()
    for _ in range(2_000):
        outbox.put(SEEN)
    assert time.monotonic() - started < DEADLINE_S / 2
    theirs.close()
    outbox.close()
    ours.close()


@dataclass
class Heard:
    """An intake that remembers which cameras were said to be away, in order."""

    away: list[str] = field(default_factory=list)

    def take(self, message: FromCameras) -> None:
        if isinstance(message, CameraStateChanged) and message.state == "offline":
            self.away.append(message.camera_id)

    def stop(self) -> None:
        pass

    def of(self, _person_id: str, /) -> dict[str, list[Embedding]]:
        return {}


def camera(camera_id: str, institution_id: str) -> CameraSettings:
    return CameraSettings(camera_id=camera_id, institution_id=institution_id, till_id="1", source="/nowhere/at-all.avi")


def workers() -> set[int]:
    return {child.pid or 0 for child in multiprocessing.active_children() if child.name == "camera-worker"}


@pytest.mark.slow
@pytest.mark.video
def test_a_killed_worker_a_changed_camera_and_visitors_that_cannot_be_read_disturb_no_other_process(tmp_path):
    (tmp_path / "visitors").write_bytes(b"in the folder's place")
    visitors = visitors_in(tmp_path / "visitors")
    heard, cameras = Heard(), (camera("a", "P1"), camera("b", "P2"))
    settings = VideoSettings(cameras=cameras, processes=2, second_engine=None)
    work = CameraWork(settings, intake=heard, references=heard, visitors=visitors, clock_ms=lambda: NOON_MS)
    work.start()
    try:
        wait(lambda: sorted(heard.away) == ["a", "b"])
        first = workers()
        assert len(first) == 2

        os.kill(min(first), signal.SIGKILL)
        wait(lambda: len(heard.away) == 3)
        assert len(workers() & first) == 1

        second = workers()
        work.change((*cameras, camera("c", "P2")))
        wait(lambda: len(heard.away) == 5)
        assert sorted(heard.away[3:]) == ["b", "c"]
        assert len(workers() & second) == 1

        work.change(cameras[:1])
        wait(lambda: len(workers()) == 1)
        assert workers() < second | workers()
    finally:
        work.stop()
    assert workers() == set()


@pytest.mark.video
def test_visitors_under_another_key_are_said_of_every_camera(tmp_path):
    (tmp_path / "visitors").mkdir()
    (tmp_path / "visitors" / "00000001.enc").write_bytes(b"\0\0\0\x40" + b"sealed under a key that is gone" * 4)
    heard = Heard()
    visitors = visitors_in(tmp_path / "visitors")
    settings = VideoSettings(cameras=(camera("a", "P1"),))
    work = CameraWork(settings, intake=heard, references=heard, visitors=visitors, clock_ms=lambda: NOON_MS)
    work.start()
    try:
        wait(lambda: bool(heard.away))
        assert "restore the key" in (work.failure or "")
        assert workers() == set()
    finally:
        work.stop()


def test_all_workers_share_one_memory_of_visitors(tmp_path):
    random = np.random.default_rng(1)
    faces = [unit(random.normal(size=128)) for _ in range(2)]
    visitors = visitors_in(tmp_path / "visitors")

    def asked(frames: list[list[float]]) -> VisitorAsked:
        return VisitorAsked(number=1, institution_id=STORE, embeddings=frames, at_ms=NOON_MS)

    def ask(face: Embedding) -> str | None:
        frames = [unit(face + random.normal(0, 0.02, 128)).tolist() for _ in range(3)]
        return visitors.answer(asked(frames)).visitor_id

    with ThreadPoolExecutor(4) as processes:
        named = list(processes.map(ask, [faces[0]] * 8 + [faces[1]] * 8))
    assert len(set(named[:8])) == len(set(named[8:])) == 1
    assert named[0] != named[8]
    visitors.stop()
    again = visitors_in(tmp_path / "visitors")
    assert again.answer(asked([faces[0].tolist()] * 2)) == VisitorNamed(number=1, visitor_id=named[0])
    again.stop()


@pytest.mark.slow
def test_trouble_of_our_own_is_said_and_the_next_worker_is_started():
    broken = Broken(RuntimeError("no such table"))
    work = work_with(broken)
    work.start()
    try:
        wait(lambda: broken.asked >= 2)  # the second time by a second worker
        assert work.failure == "RuntimeError: no such table"
    finally:
        work.stop()


def test_references_that_cannot_be_read_now_do_not_end_the_pipeline():
    broken = Broken(DatabaseUnavailable("database: disk I/O error"))
    work_with(broken).swipes_accepted([record("S1").event])
    assert broken.asked == 1
