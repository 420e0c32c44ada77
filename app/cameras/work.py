"""All cameras of this machine: spread over worker processes, told of swipes, and changed while they run."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Sequence

import msgspec
import structlog

from app.cameras.process import Intake, WorkerProcess
from app.cameras.recent import RecentSwipes
from app.cameras.seen import References, swipe_seen
from app.cameras.spreading import Share, spread
from app.known_staff import NO_STAFF
from app.visitors.shared import VisitorNaming
from events.types import AnyEvent, Swipe
from video.messages import StaffKnown, SwipeSeen
from video.settings import CameraSettings, VideoSettings

_log = structlog.get_logger()


class CameraWork:
    """Keeps the camera workers running. All but `start` and `stop` may be called from any thread and never waits."""

    def __init__(
        self,
        settings: VideoSettings,
        *,
        intake: Intake,
        references: References,
        visitors: VisitorNaming,
        clock_ms: Callable[[], int],
        recent: RecentSwipes | None = None,
    ) -> None:
        """Nothing runs yet. Args: recent has the swipes of a work that went before; None is a new memory of them."""
        self._settings, self._intake, self._references, self._clock_ms = settings, intake, references, clock_ms
        self._visitors, self._recent = visitors, recent or RecentSwipes(clock_ms)
        self._most = settings.processes or len(os.sched_getaffinity(0))
        self._tills = _tills_of(settings.cameras)
        self._staff = NO_STAFF
        self._shares: list[Share] = []
        self._processes: dict[int, WorkerProcess] = {}
        self._wanted: queue.SimpleQueue[tuple[CameraSettings, ...] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._keep, name="camera-work", daemon=True)

    @property
    def failure(self) -> str | None:
        """Why a worker cannot work, None while all do."""
        return next((one.failure for one in self._running() if one.failure is not None), None)

    def start(self) -> None:
        """The workers are started soon, one for each share of the cameras."""
        self._thread.start()
        self.change(self._settings.cameras)

    def stop(self) -> None:
        """Every worker has ended."""
        self._intake.stop()
        self._wanted.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def change(self, cameras: Sequence[CameraSettings]) -> None:
        """These cameras are looked through soon; only workers whose cameras are others now are started anew."""
        self._tills = _tills_of(cameras)
        self._wanted.put(tuple(cameras))

    def swipes_accepted(self, events: Sequence[AnyEvent]) -> None:
        """The cameras look at the tills of these swipes, if they are fresh."""
        for event in events:
            if not isinstance(event, Swipe) or (event.institution_id, event.till_id) not in self._tills:
                continue
            if self._recent.is_fresh(event.occurred_at_ms):
                self.look(swipe_seen(event, self._references))

    def look(self, seen: SwipeSeen) -> None:
        """The cameras of the swipe's till look at it, also where their worker dies or is changed meanwhile."""
        self._recent.add(seen)
        for process in self._running():
            if process.has_till(seen.institution_id, seen.till_id):
                process.look(seen)

    def know_staff(self, known: StaffKnown) -> None:
        """The cameras know these members of staff, and no others, each camera those of its institution."""
        self._staff = known
        for process in self._running():
            process.know_staff(known)

    def _running(self) -> list[WorkerProcess]:
        return list(self._processes.values())

    def _keep(self) -> None:
        """Changes the workers as is wanted, until the end."""
        while (cameras := self._wanted.get()) is not None:
            self._change_to(cameras)
        self._end(list(self._processes))

    def _change_to(self, cameras: Sequence[CameraSettings]) -> None:
        before, self._shares = self._shares, spread(cameras, self._most, self._shares)
        were = [*before, *[()] * len(self._shares)]
        changed = [number for number, share in enumerate(self._shares) if share != were[number]]
        self._end([number for number in changed if number in self._processes])
        for number in changed:
            if self._shares[number]:
                process = self._processes[number] = self._process_for(self._shares[number])
                process.know_staff(self._staff)
                process.start()
        if changed and before:
            _log.info("cameras.changed", cameras=len(cameras), restarted=len(changed))

    def _end(self, numbers: Sequence[int]) -> None:
        ending = [self._processes.pop(number) for number in numbers]
        for process in ending:
            process.end()
        for process in ending:
            process.join()

    def _process_for(self, share: Share) -> WorkerProcess:
        return WorkerProcess(
            msgspec.structs.replace(self._settings, cameras=share),
            intake=self._intake,
            visitors=self._visitors,
            recent=self._recent,
            clock_ms=self._clock_ms,
        )


def _tills_of(cameras: Sequence[CameraSettings]) -> set[tuple[str, str]]:
    return {(camera.institution_id, camera.till_id) for camera in cameras}
