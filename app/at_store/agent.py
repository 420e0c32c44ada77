"""The store's camera agent: cameras here, everything else at the centre. The composition root of `video --to`."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
import structlog

from app.at_store.buffer import KINDS, Kind, StoreBuffer
from app.at_store.centre import Centre, CentreAway, NeverTaken, TokenRefused
from app.at_store.follower import Follower
from app.at_store.sender import Sender
from app.camera_agents import AgentOrders
from app.cameras.recent import RecentSwipes
from app.cameras.work import CameraWork
from app.clock import now_ms
from app.known_staff import NO_STAFF
from app.status_server import StatusServer
from app.vault import DirectoryLock
from app.visitors.line import VisitorLine
from app.visitors.shared import remove_former_file
from config.settings import AgentSettings
from events.errors import ConfigError
from events.metrics import (
    AGENT_DROPPED,
    AGENT_SENT,
    AGENT_WAITING,
    AGENT_WAITING_BYTES,
    CAMERAS_HELD,
    VISITORS_UNNAMED,
)
from events.prepared_types import prepare_types
from storage.cameras.agents import AgentReport
from storage.errors import AlteredData, WrongKey
from storage.faces.references import Embedding
from storage.sealing.crypto import Keyring
from storage.sealing.durable_files import replace_file
from video.messages import CameraStateChanged, FromCameras, StaffKnown, SwipeSeen
from video.settings import VideoSettings
from web.measurements import Measurements
from web.ports import NotReady

REPORT_EVERY_S: Final = 15.0
ORDERS_FILE: Final = "cameras.enc"
ORDERS_CONTEXT: Final = "cameras of this agent"
NO_CAMERAS: Final = AgentOrders(revision="", video=VideoSettings(cameras=()))

_log = structlog.get_logger()


class _Nobody:
    """The references of the centre come with each swipe; here are none."""

    def of(self, _person_id: str, /) -> Mapping[str, Sequence[Embedding]]:
        """Returns nothing."""
        return {}


class BufferIntake:
    """The cameras' way into the buffer; remembers how each of them is, to say it again to a centre that missed it."""

    def __init__(self, buffer: StoreBuffer) -> None:
        self._buffer = buffer
        self._lock = threading.Lock()
        self._states: dict[str, CameraStateChanged] = {}

    def take(self, message: FromCameras) -> None:
        """Afterwards the message waits to be sent."""
        if isinstance(message, CameraStateChanged):
            with self._lock:
                self._states[message.camera_id] = message
        self._buffer.put(message)

    def stop(self) -> None:
        """Nothing is ever waited for."""

    def say_states(self, camera_ids: Collection[str], at_ms: int) -> None:
        """How these cameras are will be said once more, as of now."""
        with self._lock:
            known = [state for camera_id, state in self._states.items() if camera_id in camera_ids]
        for state in known:
            self._buffer.put(msgspec.structs.replace(state, at_ms=at_ms, picture=None))


class StoreAgent:
    """The whole of `swipewatch video --to`, as an object that is started, run and stopped."""

    def __init__(
        self,
        settings: AgentSettings,
        directory: Path,
        address: str,
        token: Callable[[], str],
        camera_ids: Collection[str] | None = None,
        *,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        """Asks the centre which cameras; without an answer those of the last time are looked through.

        Args:
            settings: where it says how it is, and how much may wait to be sent.
            directory: what is not sent yet, and keys; one process's alone.
            address: of the centre.
            token: is asked for each request.
            camera_ids: look through these of the centre's alone; None is all.
            clock_ms: the time, UTC ms.

        Raises: ConfigError, also for a token that the centre refuses; TransientError.
        """
        self._directory, self._clock_ms, self._camera_ids = directory, clock_ms, camera_ids
        self._token, self._address = token, address
        self._lock = DirectoryLock(directory)
        keys, buffer = directory / "keys", directory / "buffer"
        self._keyring = Keyring.open(keys / "agent.key", needed=any(buffer.glob("*.enc")))
        remove_former_file(directory / "visitors")
        self.buffer = StoreBuffer(buffer, self._keyring, most_bytes=settings.buffer_bytes, clock_ms=clock_ms)
        self._intake = BufferIntake(self.buffer)
        self.measurements = Measurements()
        self.measurements.refresh = self._measure
        self._status = StatusServer(self.measurements, self.reasons_not_ready, host=settings.host, port=settings.port)
        kinds: tuple[tuple[Kind, ...], ...] = (("observation",), ("original",))
        self._senders = [Sender(self.buffer, self._centre(), some, on_sent=self._count_sent) for some in kinds]
        self._reporting, self._naming = self._centre(), self._centre()
        self._visitors = VisitorLine(self._naming.name_visitor, on_unnamed=self._count_unnamed)
        self._orders = self._first_orders()
        self._follower = Follower(self._centre(), self, revision=self._orders.revision, clock_ms=clock_ms)
        self._changing, self._ends, self._report_now = threading.Lock(), threading.Event(), threading.Event()
        self._reporter = threading.Thread(target=self._report, name="agent-report", daemon=True)
        self._recent = RecentSwipes(clock_ms)
        self._cameras = self._camera_work()
        self._staff = NO_STAFF

    @property
    def camera_ids(self) -> list[str]:
        """Which cameras are looked through."""
        return [camera.camera_id for camera in self._video().cameras]

    def reasons_not_ready(self) -> list[NotReady]:
        """Returns why the centre is not heard, or does not get what was seen."""
        problems = [self._follower.problem, *(sender.problem for sender in self._senders)]
        return [NotReady(part="centre", reason=problem) for problem in dict.fromkeys(problems) if problem is not None]

    def start(self) -> None:
        """The cameras are looked at."""
        prepare_types()
        self._cameras.start()
        for sender in self._senders:
            sender.start()
        self._follower.start()
        self._reporter.start()

    def run(self) -> None:
        """Looks until the process is told to stop, then stops every part."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._ends.set())
        self._status.start()
        try:
            self._ends.wait()
        finally:
            self._status.stop()
            self.stop()

    def stop(self) -> None:
        """Nothing is looked at any more; what was not sent waits on the disk."""
        self._ends.set()
        self._report_now.set()
        with ExitStack() as parts:  # the last pushed is stopped first, and each is stopped whatever befell another
            parts.callback(self._lock.release)
            parts.callback(self._reporting.close)
            parts.callback(self._naming.close)
            for sender in self._senders:
                parts.callback(sender.stop)
            parts.callback(self._cameras.stop)
            parts.callback(self._follower.stop)

    # ---- what the follower tells -----------------------------------------------------------------------------------

    def reached(self) -> None:
        """The centre hears at once how this agent and its cameras are."""
        self._intake.say_states(set(self.camera_ids), self._clock_ms())
        self._report_now.set()

    def ordered(self, orders: AgentOrders) -> None:
        """The cameras of the new orders are looked through, and no other."""
        with self._changing:
            if self._ends.is_set():
                return
            self._keep(orders)
            before, self._orders = self._video(), orders
            after = self._video()
            if msgspec.structs.replace(before, cameras=after.cameras) == after:
                self._cameras.change(after.cameras)
                return
            self._cameras.stop()
            self._cameras = self._camera_work()
            self._cameras.know_staff(self._staff)
            self._cameras.start()

    def look(self, seen: SwipeSeen) -> None:
        """The cameras of the swipe's till look at it."""
        self._cameras.look(seen)

    def know_staff(self, known: StaffKnown) -> None:
        """The cameras know this staff; it is kept in memory alone."""
        with self._changing:
            self._staff = known
            self._cameras.know_staff(known)

    # ---- cameras ---------------------------------------------------------------------------------------------------

    def _first_orders(self) -> AgentOrders:
        centre = self._centre()
        try:
            orders = centre.orders()
        except TokenRefused as error:
            raise ConfigError(
                "command line", "token", "…", f"a camera agent's, which the centre knows ({error})"
            ) from error
        except CentreAway as error:
            kept = self._kept()
            _log.warning("centre.away", reason=str(error), cameras=len(kept.video.cameras))
            return kept
        finally:
            centre.close()
        self._keep(orders)
        return orders

    def _keep(self, orders: AgentOrders) -> None:
        """The orders outlive the process; they hold cameras' passwords and are sealed."""
        try:
            sealed = self._keyring.seal(msgspec.json.encode(orders), ORDERS_CONTEXT)
            replace_file(self._directory / ORDERS_FILE, sealed)
        except OSError as error:
            _log.error("cameras.not_kept", error=error.strerror)

    def _kept(self) -> AgentOrders:
        try:
            plain = self._keyring.unseal((self._directory / ORDERS_FILE).read_bytes(), ORDERS_CONTEXT)
            return msgspec.json.decode(plain, type=AgentOrders)
        except FileNotFoundError:
            return NO_CAMERAS
        except (OSError, AlteredData, WrongKey, msgspec.MsgspecError) as error:
            _log.error("cameras.not_read", error=str(error))
            return NO_CAMERAS

    def _video(self) -> VideoSettings:
        """Returns what the workers are told: as ordered, for the cameras that were chosen here."""
        video, wanted = self._orders.video, self._camera_ids
        return msgspec.structs.replace(
            video,
            cameras=tuple(camera for camera in video.cameras if wanted is None or camera.camera_id in wanted),
        )

    def _camera_work(self) -> CameraWork:
        return CameraWork(
            self._video(),
            intake=self._intake,
            references=_Nobody(),
            visitors=self._visitors,
            clock_ms=self._clock_ms,
            recent=self._recent,
        )

    # ---- how it is -------------------------------------------------------------------------------------------------

    def _report(self) -> None:
        """Says how this agent is, every fifteen seconds: that is also how the centre knows that it is there."""
        while not self._ends.is_set():
            try:
                self._reporting.report(self._about())
            except (CentreAway, TokenRefused, NeverTaken) as error:
                _log.debug("report.not_taken", reason=str(error))  # the senders say what is wrong
            except Exception:  # noqa: BLE001 - the thread's boundary: without it the agent were missed for good
                if not self._ends.is_set():
                    _log.exception("report.failed")
            self._report_now.wait(REPORT_EVERY_S)
            self._report_now.clear()

    def _about(self) -> AgentReport:
        levels = self.buffer.levels()
        return AgentReport(
            version=version("swipewatch"),
            cameras=len(self.camera_ids),
            waiting=sum(level.messages for kind, level in levels.items() if kind != "still"),
            waiting_bytes=sum(level.size_bytes for level in levels.values()),
            oldest_at_ms=self.buffer.oldest_at_ms(),
            dropped={str(kind): count for kind, count in self.buffer.dropped().items() if count},
        )

    def _measure(self) -> None:
        levels, dropped = self.buffer.levels(), self.buffer.dropped()
        for kind in KINDS:
            self.measurements.set_level(AGENT_WAITING, levels[kind].messages, kind=kind)
            self.measurements.set_level(AGENT_WAITING_BYTES, levels[kind].size_bytes, kind=kind)
            self.measurements.set_level(AGENT_DROPPED, dropped[kind], kind=kind)
        self.measurements.set_level(CAMERAS_HELD, len(self.camera_ids))

    def _count_unnamed(self) -> None:
        self.measurements.count(VISITORS_UNNAMED)

    def _count_sent(self, messages: int) -> None:
        self.measurements.count(AGENT_SENT, messages)

    def _centre(self) -> Centre:
        return Centre(self._address, self._token)
