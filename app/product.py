"""The embedded product: the pipeline and the cameras behind the front. The composition root of `serve` and `demo`."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import structlog

from app.camera_list import CameraList
from app.camera_watch import CameraWatch
from app.cameras.intake import camera_intake
from app.cameras.work import CameraWork
from app.clip_making import ClipMaker
from app.clock import now_ms
from app.configuration import Configuration, alert_policy, camera_work, pipeline_limits, visitor_settings
from app.front import Behind, Front
from app.kept_rules import KeptRules
from app.vault import Vault
from app.visitors.region import visitors_of
from app.visitors.shared import SharedVisitors
from events.dead_letters import DeadLetter
from events.errors import ConfigError, TransientError
from events.metrics import VISITORS_UNNAMED
from events.prepared_types import prepare_types
from events.types import AnyEvent
from storage.projector import AlertChange, Projector
from streams.acceptance import Accepted, Outcome
from streams.embedded import Pipeline, PipelineBusy, Step
from web.feed import Broadcast
from web.ports import EventResult, NotReady, Overloaded

BUSY_RETRY_S = 1
STOPPED_RETRY_S = 3
LOOK_EVERY_S = 0.2
ON_DISK_WITHIN_S = 20.0

_log = structlog.get_logger()


class ProductFailed(TransientError):
    """A part has given up; the process must end so that its supervisor starts it anew."""


class NotOnDisk(TransientError):
    """Some of the events may be written or not; to hand them in again does no harm."""


class PipelineIntake:
    """The web's way into the pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def submit(self, sender: str, originals: Sequence[bytes], deadline_s: float) -> list[EventResult]:
        """Returns one result per event once all that was accepted or set aside is on disk.

        Raises: Overloaded when nothing was taken; TimeoutError when the outcome is not known in time.
        """
        try:
            answer = self._pipeline.submit(sender, originals)
            outcomes = await asyncio.wait_for(asyncio.wrap_future(answer), deadline_s)
        except PipelineBusy as error:
            raise Overloaded(str(error), retry_after_s=BUSY_RETRY_S, busy=True) from error
        except TransientError as error:
            raise Overloaded(str(error), retry_after_s=STOPPED_RETRY_S, busy=False) from error
        return [_result(outcome) for outcome in outcomes]


class Product:
    """The whole of `swipewatch serve`, as an object that is started, run and stopped."""

    def __init__(
        self,
        configuration: Configuration,
        vault: Vault,
        *,
        clock_ms: Callable[[], int] = now_ms,
        on_step: Callable[[Step], None] = lambda _step: None,
    ) -> None:
        self.vault = vault
        self.feed = Broadcast()
        self.failure: str | None = None
        kept = KeptRules(vault.database)
        kept.take_in(
            configuration.rule_files, configuration.rules_path, given=configuration.rules_given, now_ms=clock_ms()
        )
        newest, rulebook = kept.latest_number(), kept.rulebook()
        projector = Projector(vault.database, alert_policy(configuration, rulebook))
        self.pipeline = Pipeline(
            database=vault.database,
            projector=projector,
            rulebook=rulebook,
            listener=self,
            clock_ms=clock_ms,
            store=vault.store,
            limits=pipeline_limits(configuration),
            on_step=on_step,
        )
        camera_list = CameraList(configuration, vault)
        remembered = SharedVisitors(
            visitor_settings(configuration, vault.visitors, vault.visitor_key), clock_ms=clock_ms
        )
        self.visitors = visitors_of(configuration, remembered, self._count_unnamed)
        self.cameras = CameraWork(
            camera_work(configuration, camera_list.settings()),
            intake=camera_intake(vault, self.pipeline.submit),
            references=vault.references,
            visitors=self.visitors,
            clock_ms=clock_ms,
        )
        self._camera_watch = CameraWatch(
            camera_list, self.cameras.change, vault.enrolment.staff, self.cameras.know_staff
        )
        self._clips = ClipMaker(vault, clock_ms=clock_ms)
        behind = Behind(
            intake=PipelineIntake(self.pipeline),
            projector=projector,
            change_rules=lambda rules: self.pipeline.change_rules(rules, alert_policy(configuration, rules)),
            known_rules=newest,
            readiness=self._reasons_not_ready,
            hand_in=self._hand_in,
        )
        self.front = Front(configuration, vault, behind, visitors=self.visitors, feed=self.feed, clock_ms=clock_ms)

    def start(self) -> None:
        """The pipeline recovers from its log, cameras, rules and terminals are looked at; `run` serves meanwhile."""
        prepare_types()
        self.pipeline.start()
        self.visitors.start()
        self.cameras.start()
        self._camera_watch.start()
        self._clips.start()
        self.front.start()

    def run(self) -> None:
        """Serves until the process is told to stop or a part has failed, then stops every part.

        Raises: ProductFailed when a part has given up.
        """
        try:
            self.front.server.run()
        finally:
            self.stop()
        if self.failure is not None:
            raise ProductFailed(self.failure)

    def end(self) -> None:
        """The server ends soon, and `run` with it. Callable from any thread."""
        self.front.server.should_exit = True

    def stop(self) -> None:
        """Whatever asks the pipeline first, so that it is still answered; then the pipeline; then the database."""
        with ExitStack() as parts:  # the last pushed is stopped first, and each is stopped whatever befell another
            parts.callback(self.vault.close)
            parts.callback(self.visitors.stop)
            parts.callback(self._clips.stop)
            parts.callback(self.pipeline.stop)
            parts.callback(self.cameras.stop)
            parts.callback(self._camera_watch.stop)
            parts.callback(self.front.stop)

    def accepted(self, events: Sequence[AnyEvent]) -> None:
        """The cameras look at what was just swiped, here and at the stores."""
        self.cameras.swipes_accepted(events)
        self.front.agents.swipes_accepted(events)

    def alerts_changed(self, changes: Sequence[AlertChange]) -> None:
        """Open pages hear of it."""
        self.feed.publish(changes)

    def failed(self, reason: str) -> None:
        """The process ends."""
        self.failure = reason
        self.end()

    def _hand_in(self, sender: str, originals: Sequence[bytes]) -> None:
        """Returns once the events are on disk. Raises: TransientError; again does no harm."""
        try:
            self.pipeline.submit(sender, originals).result(ON_DISK_WITHIN_S)
        except TimeoutError as error:
            raise NotOnDisk("the pipeline has not written it in time") from error

    def _count_unnamed(self) -> None:
        self.front.measurements.count(VISITORS_UNNAMED)

    def _reasons_not_ready(self) -> Sequence[NotReady]:
        reasons = []
        if not self.pipeline.is_ready():
            reasons.append(NotReady(part="pipeline", reason=self.failure or "reading the accepted log"))
        return reasons


def free_port(host: str, port: int) -> int:
    """Returns the port if it is free, or a free one for 0. Raises: ConfigError when it is taken or none of ours."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise ConfigError("web", "port", port, f"a free port of {host} ({error})") from error
        return int(probe.getsockname()[1])


def wait_until_ready(pipeline: Pipeline, deadline_s: float) -> None:
    """Returns once the pipeline takes requests. Raises: ProductFailed when it does not in time."""
    ends = time.monotonic() + deadline_s
    while not pipeline.is_ready():
        if time.monotonic() > ends:
            raise ProductFailed(f"the pipeline is not ready after {deadline_s:g} s")
        time.sleep(LOOK_EVERY_S)


def _result(outcome: Outcome) -> EventResult:
    match outcome:
        case Accepted():
            return EventResult(status="accepted", event_id=outcome.event.event_id)
        case DeadLetter():
            return EventResult(status="dead_letter", reason=outcome.reason, detail=outcome.detail)
        case _:
            return EventResult(status="duplicate", event_id=outcome.event_id)
