"""How many cameras one core carries, by RTSP: `python -m bench.cameras` prints JSON.

A server on this machine streams a composed counter, 1280×720 at 15 pictures a second, to so many cameras of one worker
process that is held to one core. At rest first, then with swipes: one a minute before each camera. Measured are the
worker's processor time and memory, how long verdicts take, and how long the cameras are away when the server is killed
and when it stands still; then, of one of the originals that were cut, what its clip costs and how long who asks for it
waits. Beside it, in the same run and on the same pictures, what looking at every picture costs with HOG and dlib's
ResNet.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import msgspec
import numpy as np
import structlog

from app.clip_making import ClipMaker
from app.clock import now_ms
from app.vault import Vault
from simulator.clips import Scene, compose_frames
from storage.evidence.originals import Original
from storage.evidence.owed_clips import OwedClips
from tests.app.running import CHECKOUT
from tests.video.films import encode_film
from tests.video.rtsp_server import MISSING, RtspServer, missing_rtsp_server
from video.clip import make_clip
from video.dlib_engine import open_dlib
from video.engine import Image
from video.enrolment import Reference, embed_photo
from video.messages import (
    CameraStateChanged,
    FromWorker,
    Observed,
    OriginalCut,
    Stop,
    SwipeSeen,
    VisitorAsked,
    VisitorNamed,
    decode_from_worker,
    encode_message,
)
from video.original import Footage, cut_original, packets_of
from video.settings import CameraSettings, VideoSettings
from video.visitors.index import VisitorIndex
from video.worker import open_engine, run

STORE = "P32990000001"
PHOTOGRAPHS = CHECKOUT / ".cache" / "demo"
SIZE, FPS, KEY_EVERY = (1280, 720), 15, 30
EMPTY_S, VISIT_S = 6.0, 18.0
SETTLE_S = 80.0
"""Until then every counter has been seen empty, and is known."""
AWAY_S = 30.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass
class Worker:
    """One worker process on one core, and what it said."""

    settings: VideoSettings
    core: int
    visitors: VisitorIndex = field(default_factory=VisitorIndex)
    heard: list[tuple[float, FromWorker]] = field(default_factory=list)
    originals: int = 0
    original: OriginalCut | None = None

    def __post_init__(self) -> None:
        """It runs. Threads that it starts are held to the same core."""
        free = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {self.core})
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=run, args=(theirs, self.settings), daemon=True)
        self.process.start()
        os.sched_setaffinity(0, free)
        theirs.close()

    def send(self, message: SwipeSeen | VisitorNamed | Stop) -> None:
        """The worker is told."""
        self.connection.send_bytes(encode_message(message))

    def listen(self, until: float, enough: Callable[[], bool] = lambda: False) -> None:
        """Listens until a moment of the monotonic clock, or until it is enough."""
        while not enough() and (left_s := until - time.monotonic()) > 0:
            if not self.connection.poll(min(left_s, 0.05)):
                continue
            message = decode_from_worker(self.connection.recv_bytes())
            if isinstance(message, VisitorAsked):
                frames = [np.array(embedding, dtype=np.float32) for embedding in message.embeddings]
                visitor_id = self.visitors.recognise(frames, message.institution_id, message.at_ms)
                self.send(VisitorNamed(number=message.number, visitor_id=visitor_id))
            elif isinstance(message, OriginalCut):
                self.originals, self.original = self.originals + 1, message
            else:
                self.heard.append((time.monotonic(), message))

    @property
    def states(self) -> dict[str, tuple[float, str]]:
        """How each camera is, and since when."""
        return {one.camera_id: (at, one.state) for at, one in self.heard if isinstance(one, CameraStateChanged)}

    def cpu_s(self) -> float:
        """Processor time of all its threads so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def memory_mb(self) -> float:
        """Its memory now."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024

    def stop(self) -> None:
        """It has ended."""
        self.send(Stop())
        self.process.join(30)
        self.process.kill()


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=30)
    parser.add_argument("--rest", type=float, default=60, help="seconds without swipes")
    parser.add_argument("--seconds", type=float, default=240, help="seconds with swipes; the memory is full after 180")
    parser.add_argument("--an-hour", type=float, default=60, help="swipes before each camera")
    parser.add_argument("--clip", type=float, default=10, help="seconds of the clip on each side of a swipe")
    parser.add_argument("--bit-rate", type=int, default=2_000_000)
    chosen = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if missing_rtsp_server():
        raise SystemExit(MISSING)
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "counter.mkv"
        length_s = SETTLE_S + chosen.rest + chosen.seconds + 6 * AWAY_S
        pictures = _film(film, length_s, chosen.bit_rate)
        summary = _measure(film, chosen)
    summary["always_on_hog_dlib"] = _always_on(pictures)
    print(json.dumps(summary))


def _measure(film: Path, chosen: argparse.Namespace) -> dict[str, object]:
    load, server = os.getloadavg()[0], RtspServer(film)
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(server.process.pid, os.sched_getaffinity(0) - {core} or {core})
    empty_mb = _memory_without_cameras(core)
    worker = Worker(_settings(server.address, chosen), core)
    try:
        worker.listen(time.monotonic() + 120, lambda: len(worker.states) == chosen.cameras)
        worker.listen(time.monotonic() + SETTLE_S)
        at_rest = _spent(worker, chosen.rest, ())
        swiped: dict[str, tuple[float, int]] = {}
        busy = _spent(worker, chosen.seconds, _swipes(chosen, swiped))
        memory_mb = (worker.memory_mb() - empty_mb) / chosen.cameras
        worker.listen(time.monotonic() + 30)
        summary: dict[str, object] = {
            "bench": "cameras",
            "load_at_start": round(load, 1),
            "cameras": chosen.cameras,
            "swipes_an_hour": chosen.an_hour,
            "swipes": len(swiped),
            "clip_s": 2 * chosen.clip,
            "film_mb_per_s": round(film.stat().st_size / 1e6 / _length_s(film), 3),
            "core_at_rest": round(at_rest, 3),
            "core_under_load": round(busy, 3),
            "cameras_a_core_at_this_rate": round(chosen.cameras / busy, 1),
            "cpu_s_per_swipe": round((busy - at_rest) * chosen.seconds / max(len(swiped), 1), 3),
            "memory_mb_per_camera": round(memory_mb, 1),
            "memory_mb_without_cameras": round(empty_mb),
            **_verdicts(worker, swiped),
        }
        server = _recovery(worker, server, film, summary)
    finally:
        worker.stop()
        server.kill()
    if worker.original is not None:
        summary["clip_on_demand"] = _on_demand(worker.original)
    return summary


def _on_demand(cut: OriginalCut) -> dict[str, object]:
    """Returns what a clip costs, and how long it takes: first with its process to be started, then without."""
    with tempfile.TemporaryDirectory() as folder:
        vault = Vault(Path(folder))
        maker = ClipMaker(vault, clock_ms=now_ms)
        maker.start()
        waits = [_until_made(vault, msgspec.structs.replace(cut, settlement_id=f"S-{turn}")) for turn in range(3)]
        (clip,) = vault.clips.for_settlement("S-0")
        maker.stop()
        vault.close()
    began_s = time.thread_time()
    make_clip(cut, open_engine("sface").detect)
    made_s = time.thread_time()
    cut_original(_footage_of(cut))
    return {
        "original_mb": round(len(cut.video) / 1e6, 2),
        "clip_mb": round(clip.size_bytes / 1e6, 2),
        "pictures": clip.pictures,
        "clip_cpu_s": round(made_s - began_s, 2),
        "cut_cpu_s": round(time.thread_time() - made_s, 3),
        "first_s": round(waits[0], 1),
        "later_s": [round(one, 1) for one in waits[1:]],
        "load": round(os.getloadavg()[0], 1),
    }


def _footage_of(cut: OriginalCut) -> Footage:
    return Footage(
        settlement_id=cut.settlement_id,
        swipe_at_ms=cut.swipe_at_ms,
        camera_id=cut.camera_id,
        camera_state="ok",
        clock_offset_ms=cut.clock_offset_ms,
        first_at_ms=cut.first_at_ms,
        last_at_ms=cut.last_at_ms,
        step_ms=cut.step_ms or 200,
        packets=tuple(packets_of(cut)),
        customer=cut.customer,
    )


def _until_made(vault: Vault, cut: OriginalCut) -> float:
    kept = vault.originals.keep(Original(**{name: getattr(cut, name) for name in Original.__struct_fields__}))
    began_s = time.monotonic()
    OwedClips(vault.database).ask([kept], now_ms())
    while not vault.clips.for_settlement(cut.settlement_id):
        time.sleep(0.02)
    return time.monotonic() - began_s


def _spent(worker: Worker, seconds: float, swipes: Sequence[tuple[float, Callable[[], SwipeSeen]]]) -> float:
    """Returns which part of a core the worker took meanwhile; swipes come when they are due."""
    began, before_s = time.monotonic(), worker.cpu_s()
    for after_s, swipe in swipes:
        worker.listen(began + after_s)
        worker.send(swipe())
    worker.listen(began + seconds)
    return (worker.cpu_s() - before_s) / (time.monotonic() - began)


def _swipes(
    chosen: argparse.Namespace, swiped: dict[str, tuple[float, int]]
) -> list[tuple[float, Callable[[], SwipeSeen]]]:
    """Returns the swipes with their times: as many each second, every camera in turn, holders as often right as not."""
    engine = open_engine("sface")
    known: list[list[float]] = []
    for name in ("obama2.jpg", "biden.jpg"):
        found = embed_photo(engine, (PHOTOGRAPHS / name).read_bytes())
        if not isinstance(found, Reference):
            raise SystemExit(found.advice)
        known.append(found.embedding.tolist())
    count = round(chosen.cameras * chosen.an_hour * chosen.seconds / 3_600)

    def swipe(number: int) -> Callable[[], SwipeSeen]:
        def now() -> SwipeSeen:
            swiped[f"S{number}"] = (time.monotonic(), number)
            return SwipeSeen(
                settlement_id=f"S{number}",
                institution_id=STORE,
                till_id=str(number % chosen.cameras),
                occurred_at_ms=now_ms(),
                references={"sface": [known[number % 2]]},
            )

        return now

    return [(chosen.seconds * number / count, swipe(number)) for number in range(count)]


def _verdicts(worker: Worker, swiped: dict[str, tuple[float, int]]) -> dict[str, object]:
    """Returns how long verdicts took: the first after the swipe, the last after the last picture that it may need."""
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    after_s = VideoSettings(cameras=()).look_after_ms / 1_000
    for at, message in worker.heard:
        if not isinstance(message, Observed) or message.settlement_id not in swiped:
            continue
        swiped_at = swiped[message.settlement_id][0]
        first.setdefault(message.settlement_id, at - swiped_at)
        if json.loads(message.original)["stage"] == "final":
            last[message.settlement_id] = max(at - swiped_at - after_s, 0)
    return {
        "swipes_decided": len(last),
        "first_word_after_swipe_s": _percentiles(list(first.values())),
        "verdict_after_last_picture_s": _percentiles(list(last.values())),
        "originals_cut": worker.originals,
    }


def _recovery(worker: Worker, server: RtspServer, film: Path, summary: dict[str, object]) -> RtspServer:
    """Measures how long cameras are away after a kill and after a standstill, and returns the server that runs then."""
    count = len(worker.states)

    def all_are(state: str) -> bool:
        return sum(now == state for _, now in worker.states.values()) == count

    def times_since(moment: float) -> dict[str, float]:
        return _percentiles([at - moment for at, _ in worker.states.values()])

    server.kill()
    killed = time.monotonic()
    worker.listen(killed + AWAY_S, lambda: all_are("offline"))
    summary["said_after_kill_s"] = times_since(killed)
    server = RtspServer(film, server.port)
    back = time.monotonic()
    worker.listen(back + AWAY_S, lambda: all_are("ok"))
    summary["back_after_kill_s"] = times_since(back)
    worker.listen(time.monotonic() + 5)
    server.signal(signal.SIGSTOP)
    frozen = time.monotonic()
    worker.listen(frozen + AWAY_S, lambda: all_are("offline"))
    summary["said_after_freeze_s"] = times_since(frozen)
    worker.listen(time.monotonic() + 5)
    server.signal(signal.SIGCONT)
    back = time.monotonic()
    worker.listen(back + AWAY_S, lambda: all_are("ok"))
    summary["back_after_freeze_s"] = times_since(back)
    summary["back_in_the_end"] = sum(state == "ok" for _, state in worker.states.values())
    return server


def _memory_without_cameras(core: int) -> float:
    worker = Worker(VideoSettings(cameras=(), second_engine=None), core)
    worker.listen(time.monotonic() + 5)
    memory_mb = worker.memory_mb()
    worker.stop()
    return memory_mb


def _settings(address: str, chosen: argparse.Namespace) -> VideoSettings:
    cameras = tuple(
        CameraSettings(camera_id=f"c-{number}", institution_id=STORE, till_id=str(number), source=address)
        for number in range(chosen.cameras)
    )
    clip_ms = round(1_000 * chosen.clip)
    settings = VideoSettings(cameras=cameras, second_engine=None)
    return msgspec.structs.replace(settings, clip_before_ms=clip_ms, clip_after_ms=clip_ms)


def _film(path: Path, seconds: float, bit_rate: int) -> list[Image]:
    """Writes a film of visits, one after the other, as long as is needed; returns some pictures of a visit."""
    scenes = [Scene(None, EMPTY_S), Scene(PHOTOGRAPHS / "obama.jpg", VISIT_S)]
    shown: list[Image] = []

    def pictures() -> Iterator[Image]:
        for number, picture in enumerate(compose_frames(scenes, size=SIZE, fps=FPS, seed=4)):
            if number > (EMPTY_S + 3) * FPS and len(shown) < 2 * FPS:
                shown.append(picture)
            yield picture

    once = path.with_name("once.mkv")
    encode_film(once, pictures(), fps=FPS, key_every=KEY_EVERY, bit_rate=bit_rate)
    _repeat(once, path, round(seconds / (EMPTY_S + VISIT_S)) + 1)
    return shown


def _repeat(once: Path, path: Path, times: int) -> None:
    with av.open(str(once), "r") as film, av.open(str(path), "w") as container:
        source = film.streams.video[0]
        stream = container.add_stream_from_template(source)
        packets = [(packet, packet.pts, packet.dts) for packet in film.demux(source) if packet.size]
        length = round((EMPTY_S + VISIT_S) / (source.time_base or 1))
        for turn in range(times):
            for packet, shown, decoded in packets:
                packet.pts, packet.dts, packet.stream = (
                    (shown or 0) + turn * length,
                    (decoded or 0) + turn * length,
                    stream,
                )
                container.mux(packet)


def _length_s(film: Path) -> float:
    with av.open(str(film), "r") as container:
        return (container.duration or 0) / av.time_base


def _always_on(pictures: Sequence[Image]) -> dict[str, object]:
    """Returns what it costs to look for faces in every picture and to compare them, on this thread alone."""
    engine = open_dlib()
    engine.detect(pictures[0])
    began_s, faces = time.thread_time(), 0
    for picture in pictures:
        for face in engine.detect(picture):
            engine.embed(picture, face)
            faces += 1
    a_picture_s = (time.thread_time() - began_s) / len(pictures)
    return {
        "pictures": len(pictures),
        "faces": faces,
        "cpu_ms_per_picture": round(1_000 * a_picture_s, 1),
        "cameras_a_core_all_pictures": round(1 / (FPS * a_picture_s), 2),
        "cameras_a_core_five_a_second": round(1 / (5 * a_picture_s), 2),
    }


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    return {
        "p50": round(float(np.percentile(values, 50)), 2),
        "p95": round(float(np.percentile(values, 95)), 2),
        "max": round(max(values), 2),
    }


if __name__ == "__main__":
    main()
