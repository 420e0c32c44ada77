"""A camera on this machine that gives JPEG pictures by HTTP: a stream, or one a request, with or without password."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2

from video.engine import Image

NAME, PASSWORD = "viewer", "p@ss/word"
REALM, NONCE = "camera", "0123456789abcdef"
EVERY_S = 0.1


class HttpCamera:
    """A real server: /stream is multipart, /picture one JPEG, /basic and /digest one each behind a password."""

    def __init__(self, pictures: Sequence[Image], *, port: int = 0) -> None:
        self.pictures = [cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures]
        self.stands_still = threading.Event()
        self.states_length = True
        self._ends = threading.Event()
        self.number = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler_of(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.port = self._server.server_port

    def address(self, path: str, *, named: bool = False) -> str:
        who = "viewer:p%40ss%2Fword@" if named else ""
        return f"http://{who}127.0.0.1:{self.port}{path}"

    def next_picture(self) -> bytes:
        self.number += 1
        return self.pictures[self.number % len(self.pictures)]

    def stop(self) -> None:
        """Hangs up on everybody and answers nobody any more."""
        self._ends.set()
        self._server.shutdown()
        self._server.server_close()

    def write_stream(self, write: Callable[[bytes], object]) -> None:
        while not self._ends.wait(EVERY_S):
            while self.stands_still.is_set() and not self._ends.wait(0.05):
                pass
            picture = self.next_picture()
            length = f"Content-Length: {len(picture)}\r\n" if self.states_length else ""
            write(f"--frame\r\nContent-Type: image/jpeg\r\n{length}\r\n".encode() + picture + b"\r\n")


def _handler_of(camera: HttpCamera) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path in {"/basic", "/digest"} and not self._is_known():
                return
            if self.path == "/stream":
                self._begin("multipart/x-mixed-replace; boundary=frame")
                with contextlib.suppress(OSError):
                    camera.write_stream(self.wfile.write)
                return
            while camera.stands_still.is_set():
                time.sleep(0.05)
            if self.path == "/nothing":
                self.send_error(404)
                return
            self._begin("text/html" if self.path == "/page" else "image/jpeg")
            self.wfile.write(b"<html>log in</html>" if self.path == "/page" else camera.next_picture())

        def _begin(self, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()

        def _is_known(self) -> bool:
            given = self.headers.get("Authorization", "")
            if given in _right_answers(self.path, given):
                return True
            self.send_response(401)
            how = f'Digest realm="{REALM}", nonce="{NONCE}"' if self.path == "/digest" else f'Basic realm="{REALM}"'
            self.send_header("WWW-Authenticate", how)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return False

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _right_answers(path: str, given: str) -> set[str]:
    if path == "/basic":
        return {"Basic " + base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()}
    one, two = _md5(f"{NAME}:{REALM}:{PASSWORD}"), _md5(f"GET:{path}")
    return {given} if re.search(f'response="{_md5(f"{one}:{NONCE}:{two}")}"', given) else set()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()  # noqa: S324 - what digest is made of
