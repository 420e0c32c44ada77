"""One `video` of a cluster: its cameras look at fresh swipes of the input topic. Its composition root."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Final

import msgspec

from app.camera_list import CameraList
from app.camera_watch import CameraWatch
from app.cameras.intake import camera_intake
from app.cameras.work import CameraWork
from app.clip_making import ClipMaker
from app.clock import now_ms
from app.configuration import Configuration, camera_work
from app.held_cameras import HeldCameras
from app.status_server import StatusServer
from app.vault import Vault
from app.visitors.region import visitors_of
from app.visitors.shared import remove_former_file
from events.errors import ConfigError
from events.metrics import CAMERAS_HELD, OBSERVATIONS_WRITTEN, VISITORS_UNNAMED
from events.prepared_types import prepare_types
from storage.duties import Duties
from streams.cluster.input_follower import InputFollower
from streams.cluster.input_writer import InputWriter
from video.settings import CameraSettings, VideoSettings
from web.measurements import Measurements
from web.ports import NotReady

HELD_WITHIN_S: Final = 20.0
"""A process that had the cameras and is gone has lost them by then."""
LOOK_EVERY_S: Final = 0.2
COMPARE_EVERY_S: Final = 1.0


class ClusterVideo:
    """The whole of `swipewatch video`, as an object that is started, run and stopped. A camera is one process's."""

    def __init__(
        self,
        configuration: Configuration,
        vault: Vault,
        brokers: str,
        camera_ids: Sequence[str] | None,
        *,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        """Args: `camera_ids` are those of the registry that this process looks at; None is all. Raises: ConfigError."""
        camera_list = CameraList(configuration, vault)
        settings = cameras_of(
            camera_work(configuration, camera_list.settings()),
            camera_ids,
            configuration,
        )
        self.vault = vault
        self._chosen = None if camera_ids is None else frozenset(camera_ids)
        self._held = HeldCameras(settings.cameras, is_mine=self._is_mine, change=self._look_through)
        self._duties = Duties(vault.database, [_duty_of(one) for one in self.camera_ids])
        self._writer = InputWriter(brokers)
        self.measurements = Measurements()
        self._visitors = visitors_of(configuration, None, lambda: self.measurements.count(VISITORS_UNNAMED))
        remove_former_file(vault.visitors)
        self.cameras = CameraWork(
            settings,
            intake=camera_intake(vault, self._submit),
            references=vault.references,
            visitors=self._visitors,
            clock_ms=clock_ms,
        )
        self._watch = CameraWatch(camera_list, self._change_cameras, vault.enrolment.staff, self.cameras.know_staff)
        self._clips = ClipMaker(vault, clock_ms=clock_ms)
        self._follower = InputFollower(brokers, self.cameras.swipes_accepted)
        self._ends = threading.Event()
        said_at = configuration.effective.settings.video
        self._status = StatusServer(self.measurements, self._reasons_not_ready, host=said_at.host, port=said_at.port)

    @property
    def camera_ids(self) -> list[str]:
        """Which cameras are looked through."""
        return self._held.camera_ids

    def start(self) -> None:
        """The cameras are looked at. Raises: ConfigError when another process looks at one of them."""
        prepare_types()
        self._duties.start()
        self._wait_for_cameras()
        self._writer.start()
        self._visitors.start()
        self.cameras.start()
        self._watch.start()
        self._clips.start()
        self._follower.start()

    def run(self) -> None:
        """Looks through what it holds until the process is told to stop, then stops every part."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._ends.set())
        self.measurements.set_level(CAMERAS_HELD, len(self.camera_ids))
        self._status.start()
        try:
            while not self._ends.wait(COMPARE_EVERY_S):
                self._held.look()
        finally:
            self._status.stop()
            self.stop()

    def stop(self) -> None:
        """Swipes are not followed any more; then the cameras end, what they saw is written, the database is closed."""
        with ExitStack() as parts:  # the last pushed is stopped first, and each is stopped whatever befell another
            parts.callback(self.vault.close)
            parts.callback(self._duties.stop)
            parts.callback(self._clips.stop)
            parts.callback(self._writer.stop)
            parts.callback(self._visitors.stop)
            parts.callback(self.cameras.stop)
            parts.callback(self._watch.stop)
            parts.callback(self._follower.stop)

    def _submit(self, sender: str, originals: Sequence[bytes]) -> None:
        """Returns once the brokers have the observations. Raises: TransientError; again does no harm."""
        self._writer.hand_in(sender, originals)
        self.measurements.count(OBSERVATIONS_WRITTEN, len(originals))

    def _reasons_not_ready(self) -> list[NotReady]:
        problem = self._writer.problem()
        return [] if problem is None else [NotReady(part="kafka", reason=problem)]

    def _change_cameras(self, cameras: Sequence[CameraSettings]) -> None:
        """Looks through these, but for those that were not chosen here, as soon as no other process holds them."""
        wanted = [camera for camera in cameras if self._chosen is None or camera.camera_id in self._chosen]
        self._duties.take_on([_duty_of(camera.camera_id) for camera in wanted])
        self._held.want(wanted)

    def _look_through(self, cameras: Sequence[CameraSettings]) -> None:
        self.cameras.change(cameras)
        self.measurements.set_level(CAMERAS_HELD, len(cameras))

    def _is_mine(self, camera_id: str) -> bool:
        return self._duties.is_mine(_duty_of(camera_id))

    def _wait_for_cameras(self) -> None:
        """Gives a process that is gone the time to lose what it held."""
        ends_s = time.monotonic() + HELD_WITHIN_S
        while taken := [one for one in self.camera_ids if not self._is_mine(one)]:
            if time.monotonic() > ends_s:
                named = ", ".join(taken[:5])
                raise ConfigError("command line", "--cameras", named, "cameras that no other `video` looks at")
            time.sleep(LOOK_EVERY_S)


def cameras_of(
    settings: VideoSettings, camera_ids: Sequence[str] | None, configuration: Configuration
) -> VideoSettings:
    """Returns the settings for these cameras alone.

    Raises: ConfigError for a camera that the registry does not have.
    """
    if camera_ids is None:
        return settings
    known = {camera.camera_id: camera for camera in settings.cameras}
    for one in camera_ids:
        if one not in known:
            count = len(configuration.registry.institutions)
            allowed = f"a camera of the registry, which has {len(known)} cameras in {count} institutions"
            raise ConfigError("command line", "--cameras", one, allowed)
    wanted = sorted(set(camera_ids))
    return msgspec.structs.replace(settings, cameras=tuple(known[one] for one in wanted))


def _duty_of(camera_id: str) -> str:
    return f"camera {camera_id}"
