"""What people, tills and senders meet, the same in `serve` and in each `web`: pages, API, terminals, their watches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from typing import Final

import msgspec

from app.agent_watch import AgentWatch
from app.calibrations import Calibrations
from app.camera_agents import CameraAgents, orders_of
from app.camera_health_watch import CameraHealthWatch
from app.camera_list import CameraList, camera_registry
from app.camera_probe import ChildProbe
from app.cameras.intake import camera_intake
from app.configuration import Configuration, institution_entries, sign_on, web_limits
from app.expiry import Expiry, free_space, keeping_times
from app.kept_rules import KeptRules
from app.photo_reading import ChildPhotoReader, engines_of
from app.rule_pages import RulePages
from app.rule_watch import RuleWatch
from app.terminal_watch import TerminalWatch
from app.vault import Vault
from app.visitors.orders import VisitorOrders
from app.visitors.shared import RegionMemory
from app.webhook import webhook_of
from detectors.catalogue import Rulebook
from storage.cameras.agents import AgentContacts
from storage.cameras.pictures import CameraPictures
from storage.duties import Duties
from storage.faces.visitors import VisitorRecord
from storage.log import AcceptedLog
from storage.projector import Projector
from storage.rule_halts import RuleHalts
from storage.sealing.crypto import keyed_mark
from storage.terminals.contacts import TerminalContacts
from web.app import create_app
from web.feed import Broadcast
from web.measurements import Measurements
from web.ports import Intake, NotReady, WebServices
from web.server import WebServer

AGENTS: Final = "camera agents"
CAMERAS: Final = "unhealthy cameras"
EXPIRY: Final = "expiry of evidence"
TERMINALS: Final = "dark terminals"
VISITORS: Final = "orders about visitors"
WEBHOOK: Final = "webhook"


class Behind(msgspec.Struct, frozen=True, kw_only=True):
    """What stands behind the pages and the API, and differs with how the product runs.

    `change_rules` makes that part obey a rulebook; `known_rules` is the number of the version that it obeys already.
    `hand_in` takes a sender's name and events as JSON and returns once they are durable; it raises TransientError.
    """

    intake: Intake
    projector: Projector
    change_rules: Callable[[Rulebook], Future[None]]
    known_rules: int
    readiness: Callable[[], Sequence[NotReady]]
    hand_in: Callable[[str, Sequence[bytes]], None]


class Front:
    """The web server, what it reads, and what watches beside it; of several processes one at a time does each duty."""

    def __init__(
        self,
        configuration: Configuration,
        vault: Vault,
        behind: Behind,
        *,
        visitors: RegionMemory,
        feed: Broadcast,
        clock_ms: Callable[[], int],
    ) -> None:
        settings = configuration.effective.settings
        database, measurements = vault.database, Measurements()
        self.measurements = measurements
        self.duties = Duties(database, (AGENTS, CAMERAS, EXPIRY, TERMINALS, VISITORS, WEBHOOK))
        self._rules = RuleWatch(
            KeptRules(database), RuleHalts(database), behind.change_rules, measurements, behind.known_rules
        )
        contacts = TerminalContacts(database)
        self._terminals = TerminalWatch(
            database,
            vault.accounts,
            contacts,
            measurements,
            clock_ms=clock_ms,
            dark_after_ms=int(settings.alerts.terminal_dark_after),
            is_mine=partial(self.duties.is_mine, TERMINALS),
        )
        self.agents = CameraAgents(
            orders_of(configuration),
            CameraList(configuration, vault),
            intake=camera_intake(vault, behind.hand_in),
            references=vault.references,
            visitors=visitors,
            staff=vault.enrolment.staff,
            log=AcceptedLog(database),
            contacts=AgentContacts(database),
            clock_ms=clock_ms,
        )
        self._agent_watch = AgentWatch(
            self.agents,
            vault.accounts,
            measurements,
            clock_ms=clock_ms,
            silent_after_ms=int(settings.agent.silent_after),
            is_mine=partial(self.duties.is_mine, AGENTS),
        )
        self._visitor_orders = VisitorOrders(
            VisitorRecord(database), visitors, is_mine=partial(self.duties.is_mine, VISITORS)
        )
        cameras = camera_registry(configuration, vault)
        self._camera_health = CameraHealthWatch(
            database,
            cameras.cameras,
            clock_ms=clock_ms,
            unhealthy_after_ms=int(settings.alerts.camera_unhealthy_after),
            is_mine=partial(self.duties.is_mine, CAMERAS),
        )
        space = partial(free_space, vault.directory, settings.evidence.least_free_bytes)
        self._expiry = Expiry(
            database,
            (vault.evidence.kept, vault.clips.kept, vault.originals.kept),
            measurements,
            times=keeping_times(settings.evidence),
            space=space,
            clock_ms=clock_ms,
            is_mine=partial(self.duties.is_mine, EXPIRY),
        )
        self._webhook = webhook_of(
            settings.webhook.url,
            vault.webhook_key,
            database,
            measurements,
            clock_ms,
            partial(self.duties.is_mine, WEBHOOK),
        )
        services = WebServices(
            database=database,
            accounts=vault.accounts,
            intake=behind.intake,
            actions=behind.projector,
            stills=vault.evidence,
            clips=vault.clips,
            originals=vault.originals,
            contacts=contacts,
            feed=feed,
            institutions=institution_entries(configuration.registry),
            cameras=cameras,
            camera_pictures=CameraPictures(database, vault.keyring),
            camera_probe=ChildProbe(),
            camera_agents=self.agents,
            calibrations=Calibrations(database),
            enrolment=vault.enrolment,
            photo_reader=ChildPhotoReader(engines_of(configuration)),
            readiness=behind.readiness,
            now_ms=clock_ms,
            measurements=measurements,
            card_mark=partial(keyed_mark, vault.card_key),
            time_zone=settings.centre.time_zone,
            rule_titles=behind.projector.rule_titles,
            rules_at=RulePages(KeptRules(database), settings.alerts.breaker).at,
            limits=web_limits(configuration),
            sign_on=sign_on(configuration),
            free_space=space,
        )
        self.server = WebServer(
            create_app(services), feed, self.agents.feed, host=settings.web.host, port=settings.web.port
        )

    def start(self) -> None:
        """Rules and terminals are looked at; `server.run` serves meanwhile."""
        self.duties.start()
        self._rules.start()
        self._terminals.start()
        self._camera_health.start()
        self._agent_watch.start()
        self._visitor_orders.start()
        self._expiry.start()
        if self._webhook is not None:
            self._webhook.start()

    def stop(self) -> None:
        """Nothing is looked at any more, and others may take the duties over."""
        with ExitStack() as parts:  # the last pushed is stopped first, and each is stopped whatever befell another
            parts.callback(self.duties.stop)
            parts.callback(self._rules.stop)
            parts.callback(self._terminals.stop)
            parts.callback(self._camera_health.stop)
            parts.callback(self._agent_watch.stop)
            parts.callback(self._visitor_orders.stop)
            parts.callback(self._expiry.stop)
            if self._webhook is not None:
                parts.callback(self._webhook.stop)
