"""The running product's eye on its cameras: what people change of them is seen in the database within a second."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from app.camera_list import CameraList
from app.known_staff import StaffRecord, known_staff
from events.errors import TransientError
from video.messages import StaffKnown
from video.settings import CameraSettings

LOOK_EVERY_S: Final = 1.0

_log = structlog.get_logger()


class CameraWatch:
    """A thread that asks the database every second; `look` is one such question.

    `change` is told the cameras, `know_staff` the enrolled staff of their institutions.
    """

    def __init__(
        self,
        cameras: CameraList,
        change: Callable[[Sequence[CameraSettings]], None],
        staff: StaffRecord,
        know_staff: Callable[[StaffKnown], None],
    ) -> None:
        self._cameras, self._change = cameras, change
        self._staff, self._know_staff = staff, know_staff
        self._known_revision: int | None = None
        self._known_staff: tuple[int, int] | None = None
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cameras", daemon=True)

    def start(self) -> None:
        """The thread looks from now on."""
        self._thread.start()

    def stop(self) -> None:
        """The thread has ended."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Afterwards these cameras are looked through and no others, and their staff is known.

        What does not answer is asked again next time.
        """
        try:
            revision = self._cameras.revision()
            if revision != self._known_revision:
                self._change(self._cameras.settings())
                self._known_revision = revision
            of_staff = (revision, self._staff.revision())
            if of_staff != self._known_staff:
                institution_ids = {camera.institution_id for camera in self._cameras.settings()}
                self._know_staff(known_staff(self._staff, institution_ids))
                self._known_staff = of_staff
        except TransientError as error:
            _log.warning("cameras.not_seen", error=str(error))

    def _run(self) -> None:
        while not self._ends.wait(LOOK_EVERY_S):
            self.look()
