"""Cameras on the network: real servers that are killed, stand still, come back and change, and what is said of each."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import structlog
from msgspec.structs import replace

from tests.video.counter import CAMERA, SETTINGS
from tests.video.films import encode_film
from tests.video.http_camera import PASSWORD, HttpCamera
from tests.video.rtsp_server import MISSING, RtspServer, missing_rtsp_server
from video.camera import Camera
from video.decoding import decode_key
from video.engine import FaceEngine, Image
from video.messages import CameraStateChanged
from video.sources.arrival import ArrivalClock
from video.sources.http import HttpSource
from video.sources.mjpeg import BrokenStream, PictureCutter
from video.sources.opening import open_source
from video.sources.port import Packet, SourceEnded, SourceError, wall_clock_ms
from video.sources.thread import CameraThread

BACK_WITHIN_S = 5.0
SAID_WITHIN_S = 6.0


class Watched:
    """A camera that is read in its thread, and looked at when somebody asks how it is."""

    def __init__(self, engine: FaceEngine, source: str) -> None:
        settings = replace(CAMERA, source=source)
        self.camera = Camera(settings, engine, SETTINGS)
        self.thread = CameraThread(
            "c", open_source(settings), self.camera.see, lambda detail: self.camera.away(detail, wall_clock_ms())
        )
        self.said: list[CameraStateChanged] = []
        self.thread.start()

    def look(self) -> str | None:
        while self.camera.next_at_rest() is not None:
            pass
        self.thread.say_if_silent()
        self.said += [one for one in self.camera.take_changes() if isinstance(one, CameraStateChanged)]
        return self.camera.state

    def until(self, state: str, seconds: float) -> float:
        """Looks until the camera is said to be so; returns after how many seconds."""
        started = time.monotonic()
        while self.look() != state:
            gone_s = time.monotonic() - started
            assert gone_s < seconds, f"not {state} in time; said: {self.said}"
            time.sleep(0.02)
        return time.monotonic() - started

    def stop(self) -> None:
        self.thread.stop()
        self.thread.join(8)
        assert not self.thread.is_alive()
        assert self.thread.failure is None


@pytest.fixture
def watch(sface) -> Iterator[Callable[[str], Watched]]:
    watched: list[Watched] = []

    def start(source: str) -> Watched:
        watched.append(Watched(sface, source))
        return watched[-1]

    yield start
    for one in watched:
        one.thread.stop()
    for one in watched:
        one.stop()


@pytest.fixture(scope="module")
def pictures(counter_frames) -> list[Image]:
    return list(counter_frames(None)[:18])


@pytest.fixture(scope="module")
def films(pictures, tmp_path_factory) -> dict[int, Path]:
    """A minute of an empty counter, by its width."""
    if missing_rtsp_server():
        assert not os.environ.get("CI"), MISSING
        pytest.skip(MISSING)
    folder = tmp_path_factory.mktemp("films")
    films = {}
    for width, step in ((320, 2), (160, 4)):
        films[width] = folder / f"{width}.mkv"
        shown = (np.ascontiguousarray(pictures[number % 17][::step, ::step]) for number in range(900))
        encode_film(films[width], shown, fps=15, key_every=15, bit_rate=1_500_000)
    return films


@pytest.fixture
def serve(films) -> Iterator[Callable[[int, int], RtspServer]]:
    servers: list[RtspServer] = []

    def start(width: int, port: int = 0) -> RtspServer:
        servers.append(RtspServer(films[width], port))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


def test_a_camera_is_back_after_its_server_was_killed_stood_still_and_changed_its_size(watch, serve):
    server, other = serve(320, 0), serve(320, 0)
    camera, beside = watch(server.address), watch(other.address)
    camera.until("ok", BACK_WITHIN_S)
    beside.until("ok", BACK_WITHIN_S)

    server.kill()
    camera.until("offline", SAID_WITHIN_S)
    assert "hung up" in camera.said[-1].detail
    server = serve(320, server.port)
    camera.until("ok", BACK_WITHIN_S)

    server.signal(signal.SIGSTOP)
    frozen_ms = beside.camera.latest_at_ms
    camera.until("offline", SAID_WITHIN_S)
    assert "no picture for 3 s" in camera.said[-1].detail
    assert (beside.camera.latest_at_ms or 0) > (frozen_ms or 0) + 2_000, "another camera waited"
    server.signal(signal.SIGCONT)
    camera.until("ok", BACK_WITHIN_S)

    server.kill()
    camera.until("offline", SAID_WITHIN_S)
    serve(160, server.port)
    camera.until("ok", BACK_WITHIN_S)
    assert "the picture changed from 320×180 to 160×90" in {change.detail for change in camera.said}
    beside.look()
    assert [change.state for change in beside.said] == ["ok"]


def test_what_comes_by_rtsp_is_decoded_from_each_key_picture_and_dated_now(serve):
    server = serve(320, 0)
    found: list[tuple[Packet, int]] = []
    for packet in open_source(replace(CAMERA, source=server.address)).packets(threading.Event()):
        found.append((packet, wall_clock_ms()))
        if len(found) == 32:
            break
    keys = [packet for packet, _ in found if packet.is_key]
    assert found[0][0].is_key
    assert len(keys) >= 2
    assert all(decode_key(key) is not None for key in keys)
    assert all(0 <= arrived - packet.raw_at_ms < 1_000 for packet, arrived in found)
    steps = np.diff([packet.raw_at_ms for packet, _ in found])
    assert steps.max() - steps.min() <= 20, "pictures are as far apart as the camera took them"


@pytest.fixture
def http_camera(pictures) -> Iterator[HttpCamera]:
    camera = HttpCamera(pictures)
    yield camera
    camera.stop()


@pytest.mark.parametrize("path", ["/stream", "/picture"])
def test_a_camera_of_single_pictures_is_seen_missed_and_seen_again(path, http_camera, pictures, watch):
    camera = watch(http_camera.address(path))
    camera.until("ok", BACK_WITHIN_S)
    http_camera.stands_still.set()
    camera.until("offline", SAID_WITHIN_S)
    assert "no picture for 3 s" in camera.said[-1].detail
    http_camera.stands_still.clear()
    camera.until("ok", BACK_WITHIN_S)
    http_camera.stop()
    camera.until("offline", SAID_WITHIN_S)
    again = HttpCamera(pictures, port=http_camera.port)
    camera.until("ok", BACK_WITHIN_S)
    again.stop()


@pytest.mark.parametrize("path", ["/basic", "/digest"])
def test_a_password_opens_the_camera_and_is_never_said(path, http_camera):
    source = HttpSource(http_camera.address(path, named=True))
    assert next(source.packets(threading.Event())).data in http_camera.pictures
    wrong = HttpSource(http_camera.address(path, named=True).replace("word@", "werd@"))
    with structlog.testing.capture_logs() as logs, pytest.raises(SourceError, match="401") as refused:
        next(wrong.packets(threading.Event()))
    for said in (str(refused.value), repr(logs)):
        assert "werd" not in said
        assert PASSWORD not in said


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("rtsp://viewer:secret@127.0.0.1:1/camera?token=secret", "127.0.0.1:1: Connection refused"),
        ("http://viewer:secret@127.0.0.1:1/camera?token=secret", "127.0.0.1:1: no connection"),
        ("ftp://viewer:secret@127.0.0.1/camera", "its address begins with none of rtsp://"),
        ("rtsp://[viewer:secret/camera", "its address begins with none of rtsp://"),
        ("http://viewer:secret@:x/camera", "no address that can be asked"),
    ],
)
def test_a_camera_that_is_not_there_is_said_without_its_secrets(address, said):
    with pytest.raises(SourceError) as away:
        next(iter(open_source(replace(CAMERA, source=address)).packets(threading.Event())))
    assert str(away.value).startswith(said)
    assert "secret" not in str(away.value)


def test_an_address_that_nobody_reads_is_not_tried_again():
    with pytest.raises(SourceEnded):
        open_source(replace(CAMERA, source="ftp://127.0.0.1/camera")).packets(threading.Event())


@pytest.mark.parametrize(("path", "said"), [("/page", "text/html"), ("/nothing", "404")])
def test_what_is_no_picture_is_said(path, said, http_camera):
    with pytest.raises(SourceError, match=said):
        next(HttpSource(http_camera.address(path)).packets(threading.Event()))


@pytest.mark.parametrize("states_length", [True, False])
@pytest.mark.parametrize("bytes_at_once", [1, 7, 4096])
def test_a_stream_is_cut_into_its_pictures_however_it_arrives(states_length, bytes_at_once):
    pictures = [b"\xff\xd8\xff" + bytes([number]) * 40 + b"\r\n\r\n--frame-not\xff\xd9" for number in range(5)]
    stream = b"".join(
        b"--frame\r\nContent-Type: image/jpeg\r\n"
        + (b"content-length: %d\r\n" % len(picture) if states_length else b"")
        + b"\r\n"
        + picture
        + b"\r\n"
        for picture in pictures
    )
    if not states_length:
        pictures = [picture.replace(b"--frame-not", b"--other-not") for picture in pictures]
        stream = stream.replace(b"--frame-not", b"--other-not")
    cutter = PictureCutter('"frame"')
    found = []
    for begin in range(0, len(stream), bytes_at_once):
        found += list(cutter.cut(stream[begin : begin + bytes_at_once]))
    assert found == (pictures if states_length else pictures[:-1])


def test_a_stream_that_never_ends_a_picture_fills_no_memory():
    cutter = PictureCutter("frame")
    for _ in range(8):
        assert list(cutter.cut(bytes(1 << 20))) == []
    with pytest.raises(BrokenStream):
        list(cutter.cut(b"more"))


def test_pictures_are_dated_as_far_apart_as_they_were_taken_whatever_the_line_does():
    delays = np.random.default_rng(3).exponential(60, 3_000)
    delays[::500] = 0
    clock, drift = ArrivalClock(), 100e-6
    dated = []
    for number, delay in enumerate(delays):
        taken_ms = 1_000_000 + 40 * number
        dated.append(clock.time_of(round(40 * number * (1 + drift)), round(taken_ms + 30 + delay)) - taken_ms)
    settled = np.array(dated[500:])
    assert settled.max() - settled.min() <= 30
    assert abs(np.diff(settled)).max() <= 20


def test_a_camera_that_counts_anew_is_dated_now():
    clock = ArrivalClock()
    assert clock.time_of(5_000_000, 1_000) == 1_000
    assert clock.time_of(40, 2_000) == 2_000
