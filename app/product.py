"""The embedded product: every part made, wired, started and stopped. The composition root of `serve` and `demo`."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import structlog

from app.cameras import CameraWork
from app.clip_sweep import ClipSweep
from app.configuration import (
    Configuration,
    alert_policy,
    camera_work,
    institution_entries,
    pipeline_limits,
    sign_on,
    web_limits,
)
from app.kept_rules import KeptRules
from app.rule_pages import RulePages
from app.rule_watch import RuleWatch
from app.terminal_watch import TerminalWatch
from app.webhook import WEBHOOK_KEY, webhook_of
from events.dead_letters import DeadLetter
from events.errors import ConfigError, TransientError
from events.types import AnyEvent
from storage.accounts import Accounts
from storage.camera_states import CameraStates
from storage.clips import ClipStore
from storage.crypto import Keyring, keyed_mark, open_key
from storage.database import Database, default_url
from storage.evidence import EvidenceStore
from storage.projector import AlertChange, Projector
from storage.references import ReferenceFaces, has_sealed_data
from storage.rule_halts import RuleHalts
from storage.terminal_contacts import TerminalContacts
from streams.acceptance import Accepted, Outcome
from streams.embedded import Pipeline, PipelineBusy, Step
from web.app import create_app
from web.feed import Broadcast
from web.measurements import Measurements
from web.ports import EventResult, NotReady, Overloaded, WebServices
from web.server import WebServer

BUSY_RETRY_S = 1
STOPPED_RETRY_S = 3
LOOK_EVERY_S = 0.2

_log = structlog.get_logger()


class ProductFailed(TransientError):
    """A part has given up; the process must end so that its supervisor starts it anew."""


def now_ms() -> int:
    """Returns the time in milliseconds UTC."""
    return time.time_ns() // 1_000_000


class DirectoryLock:
    """Held by the one product that runs on a data directory; the system lets go of it when the process ends."""

    def __init__(self, directory: Path) -> None:
        """The lock is held. Raises: ConfigError when another process holds it."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = (directory / "lock").open("w")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise ConfigError("command line", "--data", str(directory), "no other swipewatch runs on it") from error

    def release(self) -> None:
        """Another process may hold the lock."""
        self._file.close()


class Vault:
    """The database of a data directory with everything sealed in it."""

    def __init__(self, directory: Path, *, database: str | None = None, exclusive: bool = False) -> None:
        """Opened.

        Args:
            directory: where keys, pictures and snapshots are.
            database: its address instead of the directory's own.
            exclusive: for the product, of which a directory and a database bear one.

        Raises: ConfigError; DatabaseUnavailable.
        """
        self._lock = DirectoryLock(directory) if exclusive else None
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys = directory / "keys"
        self.database = Database.open(database or default_url(directory))
        if exclusive:
            self.database.claim()
        sealed = has_sealed_data(self.database)
        self.keyring = Keyring.open(keys / "evidence.key", needed=sealed)
        self.visitor_file = directory / "visitors.enc"
        self.store = directory / "store"
        self.webhook_key = open_key(keys / WEBHOOK_KEY)
        self.card_key = open_key(keys / "cards.key")
        self.visitor_key = open_key(keys / "visitors.key", needed=self.visitor_file.exists())
        self.accounts = Accounts(self.database)
        self.references = ReferenceFaces(self.database, self.keyring)
        self.evidence = EvidenceStore(self.database, directory / "stills", self.keyring)
        self.clips = ClipStore(self.database, directory / "clips", self.keyring)

    def close(self) -> None:
        """All connections are closed, and the directory is free."""
        self.database.close()
        if self._lock is not None:
            self._lock.release()


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
        projector = Projector(self.vault.database, alert_policy(configuration, rulebook))
        self.pipeline = Pipeline(
            database=self.vault.database,
            projector=projector,
            rulebook=rulebook,
            listener=self,
            clock_ms=clock_ms,
            store=vault.store,
            limits=pipeline_limits(configuration),
            on_step=on_step,
        )
        self.cameras = CameraWork(
            camera_work(configuration, self.vault.visitor_file, self.vault.visitor_key),
            references=self.vault.references,
            evidence=self.vault.evidence,
            clips=self.vault.clips,
            states=CameraStates(self.vault.database),
            submit=self.pipeline.submit,
            clock_ms=clock_ms,
        )
        measurements = Measurements()
        self.rules = RuleWatch(
            kept,
            RuleHalts(vault.database),
            lambda rules: self.pipeline.change_rules(rules, alert_policy(configuration, rules)),
            measurements,
            newest,
        )
        settings = configuration.effective.settings
        contacts = TerminalContacts(vault.database)
        self.terminals = TerminalWatch(
            vault.database,
            vault.accounts,
            contacts,
            measurements,
            clock_ms=clock_ms,
            dark_after_ms=int(settings.alerts.terminal_dark_after),
        )
        self.clip_sweep = ClipSweep(
            vault.clips,
            clock_ms=clock_ms,
            kept_ms=int(settings.video.clips_kept),
            alerted_kept_ms=int(settings.video.alert_clips_kept),
        )
        self.webhook = webhook_of(settings.webhook.url, vault.webhook_key, vault.database, measurements, clock_ms)
        services = WebServices(
            database=self.vault.database,
            accounts=self.vault.accounts,
            intake=PipelineIntake(self.pipeline),
            actions=projector,
            stills=self.vault.evidence,
            clips=self.vault.clips,
            contacts=contacts,
            feed=self.feed,
            institutions=institution_entries(configuration.registry),
            readiness=self._reasons_not_ready,
            now_ms=clock_ms,
            measurements=measurements,
            card_mark=partial(keyed_mark, vault.card_key),
            time_zone=settings.centre.time_zone,
            rule_titles=projector.rule_titles,
            rules_at=RulePages(KeptRules(vault.database), settings.alerts.breaker).at,
            limits=web_limits(configuration),
            sign_on=sign_on(configuration),
        )
        self.server = WebServer(create_app(services), self.feed, host=settings.web.host, port=settings.web.port)

    def start(self) -> None:
        """The pipeline recovers from its log, cameras, rules and terminals are looked at; `run` serves meanwhile."""
        self.pipeline.start()
        self.cameras.start()
        self.rules.start()
        self.terminals.start()
        self.clip_sweep.start()
        if self.webhook is not None:
            self.webhook.start()

    def run(self) -> None:
        """Serves until the process is told to stop or a part has failed, then stops every part.

        Raises: ProductFailed when a part has given up.
        """
        try:
            self.server.run()
        finally:
            self.stop()
        if self.failure is not None:
            raise ProductFailed(self.failure)

    def stop(self) -> None:
        """Whatever asks the pipeline first, so that it is still answered; then the pipeline; then the database."""
        with ExitStack() as parts:  # the last pushed is stopped first, and each is stopped whatever befell another
            parts.callback(self.vault.close)
            parts.callback(self.pipeline.stop)
            parts.callback(self.cameras.stop)
            parts.callback(self.rules.stop)
            parts.callback(self.terminals.stop)
            parts.callback(self.clip_sweep.stop)
            if self.webhook is not None:
                parts.callback(self.webhook.stop)

    def accepted(self, events: Sequence[AnyEvent]) -> None:
        """The cameras look at what was just swiped."""
        self.cameras.swipes_accepted(events)

    def alerts_changed(self, changes: Sequence[AlertChange]) -> None:
        """Open pages hear of it."""
        self.feed.publish(changes)

    def failed(self, reason: str) -> None:
        """The process ends."""
        self.failure = reason
        self.server.should_exit = True

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
