"""Reads faces out of photographs, for every engine that is configured: here, or in a process of its own."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Final

import msgspec
import numpy as np
import structlog

from app.configuration import Configuration
from storage.faces.references import Face
from video.engine import similarity
from video.enrolment import PhotoRefused, embed_photo
from video.worker import open_engine
from web.ports import PhotosUnread, ReadPhoto

READ_WITHIN_S: Final = 60.0
ANOTHER_PERSON: Final = "another_person"

_log = structlog.get_logger()


class _Face(msgspec.Struct, frozen=True):
    """A face as it passes from the process that has read it."""

    engine: str
    engine_version: str
    embedding: list[float]
    quality: float


class _Photo(msgspec.Struct, frozen=True):
    problems: tuple[str, ...]
    faces: tuple[_Face, ...]


_PHOTOS = msgspec.msgpack.Decoder(list[_Photo])


def engines_of(configuration: Configuration) -> tuple[str, ...]:
    """Returns the names of the engines that references are made for, the one that finds faces first."""
    video = configuration.effective.settings.video
    return tuple(dict.fromkeys(one for one in (video.engine, video.second_engine) if one is not None))


def read_photos(engines: Sequence[str], photos: Sequence[bytes]) -> list[ReadPhoto]:
    """Returns for each photograph its faces, one an engine, or what is wrong with it.

    Photographs that are good by themselves but show another person than the first good one are wrong, too.

    Args: engines are names; the first one's detector finds the faces.
    """
    opened = [open_engine(name) for name in engines]
    read = []
    first: Face | None = None
    for photo in photos:
        faces = []
        problems: tuple[str, ...] = ()
        for engine in opened:
            found = embed_photo(engine, photo, finder=opened[0])
            if isinstance(found, PhotoRefused):
                problems = found.reasons
                break
            faces.append(
                Face(
                    engine=found.engine,
                    engine_version=found.engine_version,
                    embedding=found.embedding,
                    quality=found.quality,
                )
            )
        if not problems:
            first = first or faces[0]
            alike = similarity(faces[0].embedding, [first.embedding])
            problems = (ANOTHER_PERSON,) if alike is None or alike <= opened[0].thresholds.mismatch else ()
        read.append(ReadPhoto(problems=problems, faces=() if problems else tuple(faces)))
    return read


class ChildPhotoReader:
    """The web's `PhotoReader`: each time a process that holds the engines only for so long. Callable from threads."""

    def __init__(self, engines: Sequence[str]) -> None:
        self._engines = tuple(engines)
        self._context = multiprocessing.get_context("spawn")
        self._place = threading.BoundedSemaphore(1)

    def read(self, photos: Sequence[bytes]) -> list[ReadPhoto]:
        """Returns what was read. Raises: PhotosUnread when others are being read, or the process gives no answer."""
        if not self._place.acquire(blocking=False):
            raise PhotosUnread("busy")
        try:
            return self._in_child(photos)
        finally:
            self._place.release()

    def _in_child(self, photos: Sequence[bytes]) -> list[ReadPhoto]:
        ours, theirs = self._context.Pipe()
        child = self._context.Process(target=_run, args=(theirs, self._engines), name="photo-reader", daemon=True)
        child.start()
        theirs.close()
        try:
            ours.send_bytes(msgspec.msgpack.encode(list(photos)))
            answer = ours.recv_bytes() if ours.poll(READ_WITHIN_S) else None
        except (EOFError, OSError):
            answer = None
        finally:
            child.kill()
            child.join()
            ours.close()
        if answer is None:
            _log.error("photo_reader.died")
            raise PhotosUnread("failed")
        return [_photo(one) for one in _PHOTOS.decode(answer)]


def _run(connection: Connection, engines: Sequence[str]) -> None:
    """The child: one request, one answer."""
    photos = msgspec.msgpack.decode(connection.recv_bytes(), type=list[bytes])
    answer = [
        _Photo(
            one.problems,
            tuple(_Face(face.engine, face.engine_version, face.embedding.tolist(), face.quality) for face in one.faces),
        )
        for one in read_photos(engines, photos)
    ]
    connection.send_bytes(msgspec.msgpack.encode(answer))


def _photo(photo: _Photo) -> ReadPhoto:
    faces = tuple(
        Face(
            engine=one.engine,
            engine_version=one.engine_version,
            embedding=np.array(one.embedding, dtype=np.float32),
            quality=one.quality,
        )
        for one in photo.faces
    )
    return ReadPhoto(problems=photo.problems, faces=faces)
