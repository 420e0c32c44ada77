"""The camera worker's process: cameras in threads, the desk in the main one, one connection to the product."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import cv2
import structlog

from events.errors import ConfigError, InvariantError
from events.prepared_types import prepare_types
from video.camera import Camera
from video.desk import Desk, SecondOpinion
from video.dlib_engine import RESNET, open_dlib
from video.engine import FaceEngine
from video.messages import StaffKnown, Stop, SwipeSeen, WorkerFailed
from video.product_line import ProductLine
from video.settings import VideoSettings
from video.sface_engine import open_sface
from video.sources.opening import open_source
from video.sources.port import wall_clock_ms
from video.sources.thread import CameraThread

_LOG = structlog.get_logger(__name__)

IDLE_S = 0.05
JOIN_S = 3.0
CONFIG_EXIT = 2


def run(connection: Connection, settings: VideoSettings) -> None:
    """Watches the cameras until Stop comes or the product hangs up; the target of a spawned process.

    A missing or altered model is said as WorkerFailed and ends the process with exit code 2. A fault of our own is said
    too, and ends it with a traceback.
    """
    prepare_types()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the product says Stop
    _log_to_stderr()
    line = ProductLine(connection)
    try:
        _watch(line, settings)
    except ConfigError as error:
        _LOG.error("worker.failed", reason=str(error))
        _say_failure(line, str(error))
        raise SystemExit(CONFIG_EXIT) from error
    except InvariantError as error:
        _say_failure(line, str(error))
        raise
    except (EOFError, BrokenPipeError, ConnectionResetError):
        _LOG.warning("worker.product_gone")


def open_engine(name: str, directory: Path | None = None) -> FaceEngine:
    """Returns this process's engine of that name: `sface` or `dlib`.

    Raises: ModelError when its models are absent or altered, ConfigError for another name.
    """
    if name == "sface":
        return open_sface(directory)
    if name == "dlib":
        return open_dlib()
    raise ConfigError("video", "engine", name, "sface or dlib")


def _watch(line: ProductLine, settings: VideoSettings) -> None:
    cv2.setNumThreads(1)
    directory = Path(settings.models_directory) if settings.models_directory else None
    engine = open_engine(settings.engine, directory)
    second = _second_opinion(settings.second_engine, directory)
    cameras = [Camera(one, engine, settings) for one in settings.cameras]
    threads = [_thread_of(camera, settings.ring_ms) for camera in cameras]
    desk = Desk(settings, cameras, engine, line, send=line.send, second=second)
    for thread in threads:
        thread.start()
    _LOG.info("worker.started", cameras=len(cameras), engine=engine.name)
    try:
        _serve(line, desk, threads, second)
    finally:
        for thread in threads:
            thread.stop()
        for thread in threads:
            thread.join(JOIN_S)
    _LOG.info("worker.stopped", dropped_count=desk.dropped)


def _serve(line: ProductLine, desk: Desk, threads: Sequence[CameraThread], second: SecondOpinion | None) -> None:
    """Works, listens between two pieces of work, and opens the second engine in the first idle moment."""
    idle_rounds = 0
    while True:
        busy = desk.work(wall_clock_ms())
        idle_rounds = 0 if busy else idle_rounds + 1
        if idle_rounds == 1 and second is not None:
            second.open()
        message = line.take(0 if busy else IDLE_S)
        if isinstance(message, Stop):
            return
        if isinstance(message, SwipeSeen):
            desk.swipe_seen(message)
        elif isinstance(message, StaffKnown):
            desk.know_staff(message)
        for thread in threads:
            if thread.failure is not None:
                raise InvariantError(f"{thread.name} ended: {type(thread.failure).__name__}") from thread.failure
            thread.say_if_silent()


def _thread_of(camera: Camera, ring_ms: int) -> CameraThread:
    source = open_source(camera.settings, history_ms=ring_ms)
    return CameraThread(
        camera.settings.camera_id, source, camera.see, lambda detail: camera.away(detail, wall_clock_ms())
    )


def _second_opinion(name: str | None, directory: Path | None) -> SecondOpinion | None:
    """Checks the second engine's model at once; one that has no vote is loaded later, which takes seconds."""
    if name is None:
        return None
    if name == "dlib":
        RESNET.locate()
    return SecondOpinion(name=name, open=lambda: open_engine(name, directory))


def _say_failure(line: ProductLine, reason: str) -> None:
    try:
        line.send(WorkerFailed(reason))
    except (BrokenPipeError, ConnectionResetError):
        _LOG.warning("worker.product_gone")


def _log_to_stderr() -> None:
    if not structlog.is_configured():
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        )
