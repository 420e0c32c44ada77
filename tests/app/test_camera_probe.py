"""Trying a camera's address against real servers: a picture without faces, or the true reason why there is none."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.camera_probe import ChildProbe
from simulator.clips import Scene, compose_clip
from tests.app.test_cameras import PHOTOGRAPHS
from tests.video.films import encode_film
from tests.video.rtsp_server import MISSING, RtspServer, missing_rtsp_server
from video.engine import Image
from video.probe import LookFailed, Taken, shown, take
from video.sface_engine import open_sface
from web.ports import ProbeFailed

pytestmark = pytest.mark.video
GREY = cv2.imencode(".jpg", np.full((240, 320, 3), 90, np.uint8))[1].tobytes()


class Camera(BaseHTTPRequestHandler):
    """A camera that is asked by HTTP: a snapshot with a password, a stream, and what is no camera."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/snapshot":
            right = "Basic " + base64.b64encode(b"admin:s3:cret").decode()
            self.say(200 if self.headers.get("Authorization") == right else 401, "image/jpeg", GREY)
        elif self.path == "/stream":
            self.stream()
        elif self.path == "/drops":
            self.drip()
        elif self.path == "/page":
            self.say(200, "text/html", b"<p>a router's page")
        elif self.path == "/elsewhere":
            self.say(302, "text/html", b"", Location="http://127.0.0.1:1/")
        else:
            self.say(404, "text/html", b"")

    def say(self, status: int, kind: str, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
        self.end_headers()
        self.wfile.write(content)

    def stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        try:
            for _ in range(40):
                self.wfile.write(b"--next\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(GREY), GREY))
                time.sleep(0.05)  # it is a camera of twenty pictures a second
        except OSError:
            self.close_connection = True

    def drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        try:
            for _ in range(100):
                self.wfile.write(b"-")
                time.sleep(0.5)  # never so slow that reading times out, never a picture
        except OSError:
            self.close_connection = True

    def log_message(self, *_said: object) -> None:
        return


@pytest.fixture(scope="module")
def camera() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def silent() -> Iterator[str]:
    """Something that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("admin:wrong@{}/snapshot", "refused"),
        ("{}/snapshot", "refused"),
        ("{}/nothing", "not_found"),
        ("{}/page", "no_video"),
        ("{}/elsewhere", "no_video"),
    ],
)
def test_an_address_without_pictures_says_why(camera: str, path: str, reason: str) -> None:
    assert take("http://" + path.format(camera)) == LookFailed(reason)  # type: ignore[arg-type]


def test_nobody_at_an_address_is_told_from_nothing_at_its_port(tmp_path: Path) -> None:
    assert take("rtsp://127.0.0.1:1/x") == LookFailed("closed")
    assert take("rtsp://no-such-camera.invalid/x") == LookFailed("unknown_host")
    assert take(str(tmp_path / "nothing.avi")) == LookFailed("absent")
    (tmp_path / "letter.avi").write_bytes(b"Dear diary, " * 100)
    assert take(str(tmp_path / "letter.avi")) == LookFailed("no_video")


def test_a_snapshot_and_a_stream_give_a_picture_and_how_many_come(camera: str) -> None:
    for path, least, most in (("admin:s3%3Acret@{}/snapshot", 1, 3), ("{}/stream", 8, 21)):
        taken = take("http://" + path.format(camera))
        assert isinstance(taken, Taken), taken
        assert (taken.image.shape, taken.codec) == ((240, 320, 3), "mjpeg")
        assert taken.frames_per_s is not None
        assert least <= taken.frames_per_s <= most


def test_an_rtsp_camera_gives_a_picture_and_refuses_a_path_that_it_does_not_have(tmp_path: Path) -> None:
    if missing_rtsp_server():
        pytest.skip(MISSING)
    random = np.random.default_rng(1)
    noise = (random.integers(0, 255, (120, 160, 3), dtype=np.uint8) for _ in range(150))
    encode_film(tmp_path / "film.mkv", noise, fps=15, key_every=15)
    server = RtspServer(tmp_path / "film.mkv")
    try:
        taken = take(server.address)
        assert isinstance(taken, Taken), taken
        assert (taken.image.shape, taken.codec) == ((120, 160, 3), "h264")
        assert taken.frames_per_s is not None
        assert 13 <= taken.frames_per_s <= 17
        assert take(f"rtsp://127.0.0.1:{server.port}/another") == LookFailed("not_found")
    finally:
        server.kill()


def test_a_camera_that_never_answers_is_told_from_one_that_sends_no_video(silent: str) -> None:
    assert take(f"rtsp://{silent}/x") == LookFailed("too_slow")


@pytest.mark.slow
def test_a_camera_that_never_comes_to_a_picture_is_given_up_and_its_process_ended(camera: str) -> None:
    probe = ChildProbe()
    began = time.monotonic()
    assert probe.look(f"http://{camera}/drops") == ProbeFailed(reason="too_slow")
    assert time.monotonic() - began < 20
    assert probe._context.active_children() == []


def test_what_leaves_the_process_shows_nobody(tmp_path: Path) -> None:
    if not (PHOTOGRAPHS / "obama2.jpg").exists():
        pytest.skip("the demo's photographs are not there: make setup fetches them")
    compose_clip(tmp_path / "person.avi", [Scene(PHOTOGRAPHS / "obama2.jpg", 4)], fps=5)
    film = cv2.VideoCapture(str(tmp_path / "person.avi"))
    image: Image = [np.asarray(film.read()[1], dtype=np.uint8) for _ in range(12)][-1]
    film.release()
    engine = open_sface()
    assert engine.detect(image), "the film shows a face"
    looked = shown(Taken(image=image, codec="mjpeg", frames_per_s=5.0), engine)
    seen = cv2.imdecode(np.frombuffer(looked.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert engine.detect(np.asarray(seen, dtype=np.uint8)) == []
