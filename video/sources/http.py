"""A camera that is asked by HTTP: a stream of JPEG pictures, or one picture a request."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from email.message import Message
from typing import Final

import httpx

from video.sources.address import credentials_of, host_of, without_credentials
from video.sources.mjpeg import BEGINS, LARGEST_PICTURE_BYTES, BrokenStream, PictureCutter
from video.sources.port import Clock, Packet, SourceEnded, SourceError, wall_clock_ms

WITHIN_S: Final = 3.0
EVERY_MS: Final = 500
"""How often a camera that gives single pictures is asked for one."""


class CameraAuth(httpx.Auth):
    """Name and password as the camera wants them, which it says when it refuses: basic or digest."""

    def __init__(self, name: str, password: str) -> None:
        self._name, self._password = name, password
        self._digest = httpx.DigestAuth(name, password)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Asks without, and again with whatever the answer asks for."""
        response = yield request
        if response.status_code != httpx.codes.UNAUTHORIZED:
            return
        if response.headers.get("www-authenticate", "").lower().startswith("digest"):
            yield from self._digest.auth_flow(request)
        else:
            yield from httpx.BasicAuth(self._name, self._password).auth_flow(request)


class HttpSource:
    """A camera at an http:// or https:// address; what its answer says it is decides how it is read."""

    def __init__(self, address: str, *, clock: Clock = wall_clock_ms) -> None:
        self._address, self._host, self._clock = without_credentials(address), host_of(address), clock
        credentials = credentials_of(address)
        self._auth = None if credentials is None else CameraAuth(*credentials)

    def packets(self, stop: threading.Event) -> Iterator[Packet]:
        """Yields a packet a picture, dated when it has arrived.

        Raises: SourceError when the camera is not there, refuses, hangs up, or has sent nothing for three seconds.
        """
        try:
            with httpx.Client(timeout=WITHIN_S, auth=self._auth, follow_redirects=False) as client:
                for picture in self._pictures(client, stop):
                    yield Packet(raw_at_ms=self._clock(), data=picture, is_key=True, codec="mjpeg")
        except httpx.TimeoutException as error:
            raise SourceError(f"{self._host}: no picture for {WITHIN_S:g} s") from error
        except httpx.InvalidURL as error:
            raise SourceEnded("no address that can be asked") from error
        except httpx.HTTPError as error:
            raise SourceError(f"{self._host}: {_said(error)}") from error
        except BrokenStream as error:
            raise SourceError(f"{self._host}: {error}") from error

    def _pictures(self, client: httpx.Client, stop: threading.Event) -> Iterator[bytes]:
        while not stop.is_set():
            with client.stream("GET", self._address) as answer:
                if not answer.is_success:
                    said = f"{self._host}: answers {answer.status_code} {answer.reason_phrase}"
                    raise SourceError(said) from httpx.HTTPStatusError(said, request=answer.request, response=answer)
                kind = Message()
                kind["content-type"] = answer.headers.get("content-type", "")
                if kind.get_content_maintype() == "multipart":
                    yield from self._stream(answer, kind.get_boundary("") or "", stop)
                    return
                yield _whole(answer, kind.get_content_type())
            stop.wait(EVERY_MS / 1_000)

    def _stream(self, answer: httpx.Response, boundary: str, stop: threading.Event) -> Iterator[bytes]:
        cutter = PictureCutter(boundary)
        for content in answer.iter_raw():
            yield from cutter.cut(content)
            if stop.is_set():
                return
        raise SourceError(f"{self._host}: the camera has hung up")


def _whole(answer: httpx.Response, kind: str) -> bytes:
    """Returns the picture of one answer. Raises: BrokenStream when it is none."""
    picture = b""
    for content in answer.iter_bytes():
        picture += content
        if len(picture) > LARGEST_PICTURE_BYTES:
            raise BrokenStream("the picture does not end within 8 MB")
    if not picture.startswith(BEGINS):
        raise BrokenStream(f"sends {kind}, not a JPEG picture or a stream of them")
    return picture


def _said(error: Exception) -> str:
    """Returns why, without the address."""
    return "no connection" if isinstance(error, httpx.ConnectError) else type(error).__name__
