"""The worker as the product runs it: a real child process, a real connection, clips that play in real time."""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from msgspec.structs import replace

from simulator.clips import Scene, compose_clip
from video.messages import (
    CameraStateChanged,
    FromWorker,
    Observed,
    OriginalCut,
    Stop,
    SwipeSeen,
    ToWorker,
    VisitorAsked,
    VisitorNamed,
    WorkerFailed,
    decode_from_worker,
    decode_to_worker,
    encode_message,
)
from video.settings import CameraSettings, SecretBytes, VideoSettings, VisitorSettings
from video.sface_engine import YUNET
from video.sources.port import wall_clock_ms
from video.visitors.index import VisitorIndex
from video.worker import open_engine, run

INSTITUTION = "P32990000001"
SPAWN = multiprocessing.get_context("spawn")


class Worker:
    """One running worker and what it said."""

    def __init__(self, settings: VideoSettings, visitors: VisitorIndex) -> None:
        self.visitors = visitors
        self.connection, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=run, args=(theirs, settings), daemon=True)
        self.process.start()
        theirs.close()
        self.said: list[FromWorker] = []

    def send(self, message: ToWorker) -> None:
        self.connection.send_bytes(encode_message(message))

    def until(self, condition: Callable[[Worker], object], seconds: float = 40.0) -> None:
        """Listens until the condition holds, or fails."""
        deadline = time.monotonic() + seconds
        while not condition(self):
            assert time.monotonic() < deadline, f"not in time; said: {self.said}"
            if self.connection.poll(0.05):
                self.hear(decode_from_worker(self.connection.recv_bytes()))

    def hear(self, message: FromWorker) -> None:
        """Answers as the product does, and remembers the rest."""
        if isinstance(message, VisitorAsked):
            frames = [np.array(embedding, dtype=np.float32) for embedding in message.embeddings]
            visitor_id = self.visitors.recognise(frames, message.institution_id, message.at_ms)
            self.send(VisitorNamed(number=message.number, visitor_id=visitor_id))
        else:
            self.said.append(message)

    def events(self, settlement_id: str) -> list[dict[str, Any]]:
        found = [one for one in self.said if isinstance(one, Observed) and one.settlement_id == settlement_id]
        return [json.loads(one.original) for one in found]

    def states(self, camera_id: str) -> list[str]:
        return [one.state for one in self.said if isinstance(one, CameraStateChanged) and one.camera_id == camera_id]

    @property
    def originals(self) -> list[OriginalCut]:
        return [one for one in self.said if isinstance(one, OriginalCut)]

    def has_final(self, settlement_id: str) -> bool:
        return any(event["stage"] == "final" for event in self.events(settlement_id))

    def stop(self) -> int | None:
        """Listens until the worker has ended: one that still has much to say waits for whoever listens."""
        self.send(Stop())
        deadline = time.monotonic() + 15
        with suppress(EOFError):
            while time.monotonic() < deadline:
                if self.connection.poll(0.05):
                    self.hear(decode_from_worker(self.connection.recv_bytes()))
        self.process.join(15)
        return self.process.exitcode

    def kill(self) -> None:
        self.process.kill()
        self.process.join(15)


@pytest.fixture
def start():
    workers: list[Worker] = []
    visitors = VisitorIndex()

    def start_worker(settings: VideoSettings) -> Worker:
        workers.append(Worker(settings, visitors))
        return workers[-1]

    yield start_worker
    for worker in workers:
        worker.kill()
        worker.connection.close()


@pytest.fixture(scope="module")
def clip(tmp_path_factory, photographs):
    path = tmp_path_factory.mktemp("clips") / "visit.avi"
    scenes = [Scene(None, 4.0), Scene(photographs / "obama.jpg", 12.0), Scene(None, 24.0)]
    compose_clip(path, scenes, fps=5, seed=5)
    return path


def _settings(clip: Path, folder: Path, epoch_ms: int, second_engine: str | None = None) -> VideoSettings:
    visit = CameraSettings(
        camera_id="visit", institution_id=INSTITUTION, till_id="1", source=str(clip), epoch_ms=epoch_ms
    )
    gone = CameraSettings(camera_id="gone", institution_id=INSTITUTION, till_id="2", source=str(folder / "none.avi"))
    return VideoSettings(
        cameras=(gone, visit),
        second_engine=second_engine,
        ring_ms=120_000,
    )


def _swipe(settlement_id: str, at_ms: int, references: dict[str, list[list[float]]], till_id: str = "1") -> SwipeSeen:
    return SwipeSeen(
        settlement_id=settlement_id,
        institution_id=INSTITUTION,
        till_id=till_id,
        occurred_at_ms=at_ms,
        references=references,
    )


def test_a_killed_worker_looks_again_and_sends_the_same_events(start, clip, tmp_path, reference_of, capfd):
    sface, dlib = open_engine("sface"), open_engine("dlib")
    epoch_ms = wall_clock_ms() - 10_000
    settings = _settings(clip, tmp_path, epoch_ms, second_engine="dlib")
    references = {
        engine.name: [face.tolist() for face in reference_of(engine, "obama2.jpg")] for engine in (sface, dlib)
    }
    swipe = _swipe("S-SECRET-1", epoch_ms + 9_000, references)
    first = start(settings)
    first.until(lambda worker: worker.states("visit") and worker.states("gone"))
    first.send(swipe)
    first.send(_swipe("S-SECRET-2", epoch_ms + 9_000, {}, till_id="2"))
    first.until(lambda worker: worker.has_final("S-SECRET-1") and worker.has_final("S-SECRET-2"))
    assert first.states("gone") == ["offline"]
    assert first.states("visit") == ["ok"]
    assert [event["healthy"] for event in first.events("S-SECRET-2")] == [False]
    first.kill()

    second = start(settings)
    second.until(lambda worker: worker.states("visit"))
    second.send(swipe)
    second.until(lambda worker: worker.has_final("S-SECRET-1"))
    assert second.events("S-SECRET-1") == first.events("S-SECRET-1")
    final = second.events("S-SECRET-1")[-1]
    assert final["faces"][0]["verdict"] == "match"
    assert final["faces"][0]["second_similarity"] >= dlib.thresholds.match
    assert final["faces"][0]["second_verdict"] == "match"
    assert final["faces"][0]["visitor_id"].startswith("v-")
    assert second.stop() == 0

    said = "".join(capfd.readouterr())
    assert "worker.started" in said
    assert "S-SECRET" not in said
    assert final["faces"][0]["visitor_id"] not in said


def test_a_worker_killed_before_an_original_was_cut_leaves_none_and_the_next_cuts_it(start, clip, tmp_path):
    epoch_ms = wall_clock_ms() - 14_000
    settings = replace(_settings(clip, tmp_path, epoch_ms), ring_ms=60_000, clip_before_ms=1_000, clip_after_ms=5_000)
    swipe = _swipe("S1", epoch_ms + 13_000, {})
    first = start(settings)
    first.until(lambda worker: worker.states("visit"))
    first.send(swipe)
    first.until(lambda worker: worker.events("S1"))
    first.kill()
    assert first.originals == []
    second = start(settings)
    second.send(swipe)
    second.until(lambda worker: worker.originals, seconds=120.0)
    (original,) = second.originals
    assert second.stop() == 0
    assert (original.settlement_id, original.camera_id, original.camera_state) == ("S1", "visit", "ok")
    span = (swipe.occurred_at_ms - 1_000, swipe.occurred_at_ms + 5_000)
    assert (original.clip_first_at_ms, original.clip_last_at_ms) == span
    assert original.first_at_ms <= span[0]
    assert span[1] - 400 <= original.last_at_ms <= span[1]
    assert original.sha256 == hashlib.sha256(original.video).hexdigest()
    packets = packets_in(io.BytesIO(original.video))
    assert set(packets) <= set(packets_in(str(clip))), "the camera's own bytes"
    assert len(packets) >= 6 * 5


def packets_in(film: str | io.BytesIO) -> list[bytes]:
    with av.open(film, "r") as container:
        return [bytes(packet) for packet in container.demux(container.streams.video[0]) if packet.size]


def test_a_worker_whose_product_has_gone_ends_by_itself(start, clip, tmp_path):
    worker = start(_settings(clip, tmp_path, wall_clock_ms()))
    worker.until(lambda worker: worker.states("visit"))
    worker.connection.close()
    worker.process.join(15)
    assert worker.process.exitcode == 0


def test_a_missing_model_is_said_and_ends_the_worker(start, clip, tmp_path):
    worker = start(replace(_settings(clip, tmp_path, wall_clock_ms()), models_directory=str(tmp_path)))
    worker.until(lambda worker: worker.said)
    (failed,) = worker.said
    assert isinstance(failed, WorkerFailed)
    assert YUNET.sha256 in failed.reason
    assert str(tmp_path) in failed.reason
    worker.process.join(15)
    assert worker.process.exitcode == 2


def test_messages_survive_the_journey():
    swipe = _swipe("S1", 1_780_000_000_000, {"sface": [[0.25, -0.5]]})
    assert decode_to_worker(encode_message(swipe)) == swipe
    assert decode_to_worker(encode_message(Stop())) == Stop()
    asked = VisitorAsked(number=3, institution_id=INSTITUTION, embeddings=[[float(np.float32(0.1))]], at_ms=5)
    assert decode_from_worker(encode_message(asked)) == asked
    seen = Observed(original=b"{}", still=b"\xff", settlement_id=None, camera_id="c", captured_at_ms=1)
    assert decode_from_worker(encode_message(seen)) == seen
    assert decode_from_worker(encode_message(WorkerFailed("why"))) == WorkerFailed("why")


def test_the_key_does_not_show():
    key = SecretBytes(b"0123456789abcdef0123456789abcdef")
    assert "0123" not in repr(VisitorSettings(key=key))
