"""The running product's eye on its cameras: one that cannot be believed for a while is an alert on the wall."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import structlog

from alerts.unhealthy_cameras import concerns_centre
from events.errors import TransientError
from storage.cameras.health import CameraHealthRecord, CameraIllness, CameraOutage
from storage.cameras.registry import RegisteredCamera
from storage.database import Database
from storage.opening_hours import OpeningHours

LOOK_EVERY_S = 2.0

_log = structlog.get_logger()


class CameraHealthWatch:
    """A thread that looks every two seconds; `look` is one such look.

    What a camera is comes from its worker; a camera that is switched off or gone from the registry is no alert. Of
    several processes the one whose duty it is (`is_mine`) looks, and puts it on record.
    """

    def __init__(
        self,
        database: Database,
        cameras: Callable[[], Sequence[RegisteredCamera]],
        *,
        clock_ms: Callable[[], int],
        unhealthy_after_ms: int,
        is_mine: Callable[[], bool] = lambda: True,
    ) -> None:
        self._record, self._hours = CameraHealthRecord(database), OpeningHours(database)
        self._cameras, self._clock_ms = cameras, clock_ms
        self._unhealthy_after_ms, self._is_mine = unhealthy_after_ms, is_mine
        self._alerted: frozenset[str] = frozenset()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera-health", daemon=True)

    def start(self) -> None:
        """The thread looks from now on."""
        self._thread.start()

    def stop(self) -> None:
        """The thread has ended."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Afterwards the outages on record are those of this moment; what does not answer is asked again next time."""
        if not self._is_mine():
            self._alerted = frozenset()
            return
        try:
            self._hours.read_on()
            now_ms = self._clock_ms()
            standing = self._standing(now_ms)
            self._record.put_outages(standing, now_ms)
        except TransientError as error:
            _log.warning("cameras.not_judged", error=str(error))
            return
        self._tell({outage.illness.camera_id: outage for outage in standing})

    def _run(self) -> None:
        while not self._ends.wait(LOOK_EVERY_S):
            self.look()

    def _standing(self, now_ms: int) -> list[CameraOutage]:
        ill = self._record.ill()
        if not ill:
            return []
        return [
            CameraOutage(institution_id=camera.institution_id, till_id=camera.till_id, illness=ill[camera.camera_id])
            for camera in self._cameras()
            if camera.camera_id in ill and self._concerns_centre(camera, ill[camera.camera_id], now_ms)
        ]

    def _concerns_centre(self, camera: RegisteredCamera, illness: CameraIllness, now_ms: int) -> bool:
        return concerns_centre(
            state=illness.state,
            ill_since_ms=illness.since_ms,
            now_ms=now_ms,
            after_ms=self._unhealthy_after_ms,
            hours=self._hours.of(camera.institution_id, now_ms),
        )

    def _tell(self, standing: dict[str, CameraOutage]) -> None:
        for camera_id in sorted(standing.keys() - self._alerted):
            illness = standing[camera_id].illness
            _log.warning("camera.unhealthy", camera_id=camera_id, state=illness.state, since_ms=illness.since_ms)
        for camera_id in sorted(self._alerted - standing.keys()):
            _log.info("camera.well_again", camera_id=camera_id)
        self._alerted = frozenset(standing)
