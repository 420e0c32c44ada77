"""Camera work without pictures: a worker that does not read holds nobody up, and no trouble ends it silently."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from app.at_store.agent import StoreAgent
from app.camera_agents import AgentOrders
from app.cameras import process
from app.cameras.intake import CameraIntake
from app.cameras.outbox import Outbox
from app.cameras.process import WorkerProcess
from app.cameras.recent import FRESH_SWIPE_MS, RecentSwipes
from app.cameras.work import CameraWork
from app.visitors.shared import SharedVisitors
from config.settings import AgentSettings, DurationMs
from storage.errors import DatabaseUnavailable
from tests.alerts.builders import NOON_MS, STORE
from tests.app.camera_targets import DECIDED, STOPPED, never_listen, repeat_swipes
from tests.storage.events import record
from video.engine import Embedding, unit
from video.messages import (
    CameraStateChanged,
    FromCameras,
    Observed,
    Stop,
    SwipeSeen,
    VisitorAsked,
    VisitorNamed,
    decode_from_worker,
    decode_to_worker,
    encode_message,
)
from video.product_line import ProductLine
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


def intake_of(broken: Broken, submit: Callable[[str, Sequence[bytes]], object]) -> CameraIntake:
    return CameraIntake(
        evidence=broken,  # type: ignore[arg-type]
        originals=broken,  # type: ignore[arg-type]
        states=broken,  # type: ignore[arg-type]
        calibrations=broken,  # type: ignore[arg-type]
        submit=submit,
    )


def work_with(broken: Broken) -> CameraWork:
    return CameraWork(
        SETTINGS,
        intake=intake_of(broken, lambda _sender, _originals: None),
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


def test_a_worker_that_does_not_read_loses_swipes_and_nothing_else():
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    outbox = Outbox(ours, most_waiting=2)
    for _ in range(2_000):
        outbox.put(SEEN)
    answer = VisitorNamed(number=1, visitor_id="v-1")
    outbox.put(answer)
    outbox.put(Stop())
    read = [decode_to_worker(theirs.recv_bytes())]
    while read[-1] != Stop():
        read.append(decode_to_worker(theirs.recv_bytes()))
    assert read[-2:] == [answer, Stop()]
    assert len(read) < 2_000
    outbox.close()
    theirs.close()
    ours.close()


def test_who_a_visitor_is_waits_for_no_answer_for_ever_and_takes_none_that_is_late():
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    line = ProductLine(theirs, answered_within_s=0.01)
    frames = [np.ones(128, np.float32)] * 5
    assert line.recognise(frames, STORE, NOON_MS) is None
    for number, visitor_id in ((1, "v-late"), (2, "v-2")):
        ours.send_bytes(encode_message(VisitorNamed(number=number, visitor_id=visitor_id)))
    assert line.recognise(frames, STORE, NOON_MS) == "v-2"
    asked = [decode_from_worker(ours.recv_bytes()) for _ in range(2)]
    assert [one.number for one in asked if isinstance(one, VisitorAsked)] == [1, 2]
    ours.close()
    theirs.close()


def test_what_a_camera_saw_is_handed_in_once_more_after_the_end_and_a_loss_is_said():
    broken, submitted = Broken(DatabaseUnavailable("away")), list[bytes]()
    message = Observed(original=b"{}", still=None, settlement_id=None, camera_id="c", captured_at_ms=1)
    intake = intake_of(broken, lambda _sender, originals: submitted.extend(originals))
    intake.stop()
    intake.take(message)
    assert submitted == [b"{}"]

    intake = intake_of(broken, broken.put)
    intake.stop()
    with capture_logs() as said:
        intake.take(message)
    assert broken.asked == 1
    assert [one["event"] for one in said] == ["observation.waits", "observation.lost"]


def test_swipes_are_remembered_while_they_are_fresh_with_the_cameras_that_have_said_their_last_word():
    now_ms = [NOON_MS]
    recent = RecentSwipes(lambda: now_ms[0], most=3)
    for number in range(4):
        recent.add(replace(SEEN, settlement_id=f"s{number}", occurred_at_ms=NOON_MS + number))
    for stage in ("provisional", "final", "final"):
        original = json.dumps({"stage": stage}).encode()
        recent.heard(Observed(original=original, still=None, settlement_id="s2", camera_id="c", captured_at_ms=1))
    assert [(one.settlement_id, one.said_by) for one in recent.at({("i", "t")})] == [
        ("s1", ()),
        ("s2", ("c",)),
        ("s3", ()),
    ]
    assert recent.at({("i", "another")}) == []
    now_ms[0] += FRESH_SWIPE_MS + 2
    assert [one.settlement_id for one in recent.at({("i", "t")})] == ["s2", "s3"]


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


@dataclass
class Repeated:
    """An intake that remembers what `repeat_swipes` said, and does something when a worker ends."""

    at_stop: Callable[[], None]
    said: list[Observed] = field(default_factory=list)

    def take(self, message: FromCameras) -> None:
        assert isinstance(message, Observed)
        if message.settlement_id == STOPPED:
            self.at_stop()
        else:
            self.said.append(message)

    def stop(self) -> None:
        self.at_stop = lambda: None

    def by_process(self) -> list[dict[str, list[str]]]:
        """Returns what each process was told, the first process first: of each swipe who had said the last word."""
        found: dict[int, dict[str, list[str]]] = {}
        for one in self.said:
            told = json.loads(one.original)
            found.setdefault(told["process"], {})[str(one.settlement_id)] = told["said_by"]
        return list(found.values())


def test_swipes_before_and_during_a_change_of_cameras_are_looked_at_by_the_next_worker(monkeypatch):
    monkeypatch.setattr(process, "run", repeat_swipes)
    first = CameraSettings(camera_id="c", institution_id="i", till_id="t", source="-")
    swipe = replace(SEEN, occurred_at_ms=NOON_MS)
    intake = Repeated(at_stop=lambda: work.look(replace(swipe, settlement_id="meanwhile")))
    settings = VideoSettings(cameras=(first,))
    work = CameraWork(settings, intake=intake, references=Heard(), visitors=visitors_in(None), clock_ms=lambda: NOON_MS)
    work.start()
    try:
        work.look(replace(swipe, settlement_id=DECIDED))
        work.look(swipe)
        wait(lambda: intake.by_process() == [{DECIDED: [], "s": []}])
        work.change([replace(first, zone=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)))])
        wait(lambda: len(intake.by_process()) == 2 and len(intake.by_process()[1]) == 3)
    finally:
        work.stop()
    assert intake.by_process()[1] == {DECIDED: ["c"], "s": [], "meanwhile": []}


def test_an_agent_looks_at_a_swipe_that_came_before_its_cameras_did(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "run", repeat_swipes)
    settings = AgentSettings(host="127.0.0.1", port=0, buffer_bytes=1 << 26, silent_after=DurationMs(60_000))
    agent = StoreAgent(settings, tmp_path, "http://127.0.0.1:1", lambda: "token", clock_ms=lambda: NOON_MS)
    try:
        agent.look(replace(SEEN, occurred_at_ms=NOON_MS))
        camera = CameraSettings(camera_id="c", institution_id="i", till_id="t", source="-")
        agent.ordered(AgentOrders(revision="1", video=VideoSettings(cameras=(camera,), processes=1)))
        wait(lambda: agent.buffer.levels()["observation"].messages > 0)
    finally:
        agent.stop()


def test_a_worker_that_does_not_listen_is_ended_by_force(monkeypatch):
    monkeypatch.setattr(process, "run", never_listen)
    monkeypatch.setattr(process, "STOP_PATIENCE_S", 0.1)
    worker = WorkerProcess(
        SETTINGS,
        intake=Heard(),
        visitors=visitors_in(None),
        recent=RecentSwipes(lambda: NOON_MS),
        clock_ms=lambda: NOON_MS,
    )
    worker.start()
    wait(lambda: bool(workers()))
    worker.end()
    worker.join()
    wait(lambda: not workers())


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
