"""One `web` of a cluster: takes events into Kafka, shows what the workers have written. Its composition root."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final

from app.alert_follower import AlertFollower
from app.clock import now_ms
from app.configuration import Configuration, alert_policy
from app.front import Behind, Front
from app.kept_rules import KeptRules
from app.vault import Vault
from app.visitors.region import visitors_of
from detectors.catalogue import Rulebook
from events.codec import decode_events
from events.dead_letters import InvalidEvent
from events.errors import ConfigError
from events.metrics import VISITORS_UNNAMED
from events.prepared_types import prepare_types
from storage.alerts.changes import AlertChanges
from storage.projector import Projector
from streams.cluster.input_follower import InputFollower
from streams.cluster.input_writer import LONGEST_LINE, InputAway, InputBusy, InputWriter
from streams.cluster.publishing import Decoded
from web.feed import Broadcast
from web.ports import EventResult, NotReady, Overloaded

BUSY_RETRY_S: Final = 1
AWAY_RETRY_S: Final = 3
CUTTING_THREADS: Final = 2


class KafkaIntake:
    """The web's way into the input topic: an event is durable before it is answered, and decided by a worker later."""

    def __init__(self, writer: InputWriter) -> None:
        self._writer = writer
        # Not the pool of the pages: requests that wait for brokers leave them alone.
        self._threads = ThreadPoolExecutor(CUTTING_THREADS, thread_name_prefix="intake")

    async def submit(self, sender: str, originals: Sequence[bytes], deadline_s: float) -> list[EventResult]:
        """Returns one result per event once every copy of the brokers has all of them, also those that are set aside.

        Raises: Overloaded when nothing was taken; TimeoutError and NotConfirmed when the outcome is not known.
        """
        async with asyncio.timeout(deadline_s):
            try:
                decoded, answer = await asyncio.get_running_loop().run_in_executor(
                    self._threads, self._write, sender, originals
                )
            except InputBusy as error:
                raise Overloaded(str(error), retry_after_s=BUSY_RETRY_S, busy=True) from error
            except InputAway as error:
                raise Overloaded(str(error), retry_after_s=AWAY_RETRY_S, busy=False) from error
            await asyncio.wrap_future(answer)
        return [_result(event) for event in decoded]

    def _write(self, sender: str, originals: Sequence[bytes]) -> tuple[list[Decoded], Future[None]]:
        decoded = decode_events(originals)
        return decoded, self._writer.write(sender, originals, decoded)

    def close(self) -> None:
        """Nobody asks any more."""
        self._threads.shutdown(cancel_futures=True)


class ClusterWeb:
    """The whole of `swipewatch web`, as an object that is started, run and stopped. Any number run on one database."""

    def __init__(
        self, configuration: Configuration, vault: Vault, brokers: str, *, clock_ms: Callable[[], int] = now_ms
    ) -> None:
        """Raises: ConfigError."""
        _check_body_limit(configuration)
        self.vault, self._configuration = vault, configuration
        self.feed = Broadcast()
        self.writer = InputWriter(brokers)
        self._intake = KafkaIntake(self.writer)
        kept = KeptRules(vault.database)
        newest = kept.latest_number()
        # Workers put rules into force; until the first of them has, those that this process was given say how to tell.
        rulebook = kept.rulebook() if newest else configuration.rules
        self._projector = Projector(vault.database, alert_policy(configuration, rulebook))
        self._follower = AlertFollower(AlertChanges(vault.database), self.feed.publish)
        behind = Behind(
            intake=self._intake,
            projector=self._projector,
            change_rules=self._change_rules,
            known_rules=newest,
            readiness=self._reasons_not_ready,
            hand_in=self.writer.hand_in,
        )
        self._visitors = visitors_of(configuration, None, self._count_unnamed)
        self.front = Front(configuration, vault, behind, visitors=self._visitors, feed=self.feed, clock_ms=clock_ms)
        self._inputs = InputFollower(brokers, self.front.agents.swipes_accepted)

    def start(self) -> None:
        """The brokers are looked for, alerts and rules are followed; `run` serves meanwhile."""
        prepare_types()
        self.writer.start()
        self._follower.start()
        self.front.agents.needed = self._follow_agents
        self.front.start()

    def run(self) -> None:
        """Serves until the process is told to stop, then stops every part."""
        try:
            self.front.server.run()
        finally:
            self.stop()

    def stop(self) -> None:
        """What was taken is with the brokers, or its sender has no answer; then the database is closed."""
        with ExitStack() as parts:  # the last pushed is stopped first, and each is stopped whatever befell another
            parts.callback(self.vault.close)
            parts.callback(self._visitors.stop)
            parts.callback(self.front.stop)
            parts.callback(self._follower.stop)
            parts.callback(self._inputs.stop)
            parts.callback(self._intake.close)
            parts.callback(self.writer.stop)

    def _follow_agents(self) -> None:
        """Some institution looks through cameras itself: its agent is to hear of swipes, and asks for visitors."""
        if not self._inputs.is_started:
            self._visitors.start()
            self._inputs.start()

    def _count_unnamed(self) -> None:
        self.front.measurements.count(VISITORS_UNNAMED)

    def _change_rules(self, rulebook: Rulebook) -> Future[None]:
        self._projector.change_policy(alert_policy(self._configuration, rulebook))
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def _reasons_not_ready(self) -> Sequence[NotReady]:
        problem = self.writer.problem()
        return [] if problem is None else [NotReady(part="kafka", reason=problem)]


def _check_body_limit(configuration: Configuration) -> None:
    """Raises ConfigError where a request may hold an event that no record holds."""
    effective = configuration.effective
    limit = effective.settings.web.body_limit_bytes
    if limit > LONGEST_LINE:
        key = "web.body_limit_bytes"
        raise ConfigError(
            effective.sources[key], key, limit, f"at most {LONGEST_LINE}: a record of Kafka holds no more"
        )


def _result(event: Decoded) -> EventResult:
    if isinstance(event, InvalidEvent):
        return EventResult(status="dead_letter", reason=event.reason, detail=event.detail)
    return EventResult(status="durable", event_id=event.event_id)
