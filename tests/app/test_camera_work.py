"""Camera work without pictures: a worker that does not read holds nobody up, and no trouble ends it silently."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable

import pytest

from app.cameras.intake import CameraIntake
from app.cameras.outbox import Outbox
from app.cameras.work import CameraWork
from storage.errors import DatabaseUnavailable
from tests.alerts.builders import NOON_MS, STORE
from tests.storage.events import record
from video.messages import SwipeSeen
from video.settings import CameraSettings, VideoSettings

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


def work_with(broken: Broken) -> CameraWork:
    return CameraWork(
        SETTINGS,
        intake=CameraIntake(
            evidence=broken,  # type: ignore[arg-type]
            clips=broken,  # type: ignore[arg-type]
            originals=broken,  # type: ignore[arg-type]
            states=broken,  # type: ignore[arg-type]
            submit=lambda _sender, _originals: None,
        ),
        references=broken,  # type: ignore[arg-type]
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
