"""Which of the wanted cameras a process of a cluster looks through: those that it holds, and no other process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from video.settings import CameraSettings

LOST_LOOKS: Final = 3
"""A camera that is not held so many times running is let go: a lease that comes back sooner costs no pictures."""

_log = structlog.get_logger()


class HeldCameras:
    """Compares what is wanted with what is held, at each `look`. Callable from several threads at once."""

    def __init__(
        self,
        cameras: Sequence[CameraSettings],
        *,
        is_mine: Callable[[str], bool],
        change: Callable[[Sequence[CameraSettings]], None],
    ) -> None:
        """These cameras are wanted and looked through.

        Args: is_mine says of a camera's id whether it is held now; change is told what is to be looked through instead.
        """
        self._is_mine, self._change = is_mine, change
        self._wanted = self._cameras = tuple(cameras)
        self._missed: dict[str, int] = {}
        self._elsewhere: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    @property
    def camera_ids(self) -> list[str]:
        """Which cameras are looked through."""
        return [camera.camera_id for camera in self._cameras]

    def want(self, cameras: Sequence[CameraSettings]) -> None:
        """These cameras and no others are looked through as soon as they are held."""
        with self._lock:
            self._wanted = tuple(cameras)
        self.look()

    def look(self) -> None:
        """Afterwards what is held is looked through, and what is not held any more is let go; both are said."""
        with self._lock:
            self._count_missed()
            self._say_elsewhere()
            running = set(self.camera_ids)
            cameras = tuple(camera for camera in self._wanted if self._is_kept(camera.camera_id, running))
            if cameras != self._cameras:
                self._cameras = cameras
                self._change(cameras)

    def _is_kept(self, camera_id: str, running: set[str]) -> bool:
        missed = self._missed[camera_id]
        return missed == 0 or (camera_id in running and missed < LOST_LOOKS)

    def _count_missed(self) -> None:
        wanted = [camera.camera_id for camera in self._wanted]
        self._missed = {one: 0 if self._is_mine(one) else self._missed.get(one, 0) + 1 for one in wanted}

    def _say_elsewhere(self) -> None:
        before = self._elsewhere
        self._elsewhere = frozenset(one for one, missed in self._missed.items() if missed >= LOST_LOOKS)
        if lost := self._elsewhere - before:
            _log.error("cameras.held_elsewhere", cameras=sorted(lost))
        if taken := sorted(one for one in before if self._missed.get(one) == 0):
            _log.info("cameras.taken_over", cameras=taken)
