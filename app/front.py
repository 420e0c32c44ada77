"""What people, tills and senders meet, the same in `serve` and in each `web`: pages, API, terminals, their watches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from typing import Final

import msgspec

from app.clip_sweep import ClipSweep
from app.configuration import Configuration, institution_entries, sign_on, web_limits
from app.kept_rules import KeptRules
from app.rule_pages import RulePages
from app.rule_watch import RuleWatch
from app.terminal_watch import TerminalWatch
from app.vault import Vault
from app.webhook import webhook_of
from detectors.catalogue import Rulebook
from storage.crypto import keyed_mark
from storage.duties import Duties
from storage.projector import Projector
from storage.rule_halts import RuleHalts
from storage.terminal_contacts import TerminalContacts
from web.app import create_app
from web.feed import Broadcast
from web.measurements import Measurements
from web.ports import Intake, NotReady, WebServices
from web.server import WebServer

CLIPS: Final = "clip sweep"
TERMINALS: Final = "dark terminals"
WEBHOOK: Final = "webhook"


class Behind(msgspec.Struct, frozen=True, kw_only=True):
    """What stands behind the pages and the API, and differs with how the product runs.

    `change_rules` makes that part obey a rulebook; `known_rules` is the number of the version that it obeys already.
    """

    intake: Intake
    projector: Projector
    change_rules: Callable[[Rulebook], Future[None]]
    known_rules: int
    readiness: Callable[[], Sequence[NotReady]]


class Front:
    """The web server, what it reads, and what watches beside it; of several processes one at a time does each duty."""

    def __init__(
        self,
        configuration: Configuration,
        vault: Vault,
        behind: Behind,
        *,
        feed: Broadcast,
        clock_ms: Callable[[], int],
    ) -> None:
        settings = configuration.effective.settings
        database, measurements = vault.database, Measurements()
        self.duties = Duties(database, (CLIPS, TERMINALS, WEBHOOK))
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
        self._clip_sweep = ClipSweep(
            vault.clips,
            clock_ms=clock_ms,
            kept_ms=int(settings.video.clips_kept),
            alerted_kept_ms=int(settings.video.alert_clips_kept),
            is_mine=partial(self.duties.is_mine, CLIPS),
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
            contacts=contacts,
            feed=feed,
            institutions=institution_entries(configuration.registry),
            readiness=behind.readiness,
            now_ms=clock_ms,
            measurements=measurements,
            card_mark=partial(keyed_mark, vault.card_key),
            time_zone=settings.centre.time_zone,
            rule_titles=behind.projector.rule_titles,
            rules_at=RulePages(KeptRules(database), settings.alerts.breaker).at,
            limits=web_limits(configuration),
            sign_on=sign_on(configuration),
        )
        self.server = WebServer(create_app(services), feed, host=settings.web.host, port=settings.web.port)

    def start(self) -> None:
        """Rules and terminals are looked at; `server.run` serves meanwhile."""
        self.duties.start()
        self._rules.start()
        self._terminals.start()
        self._clip_sweep.start()
        if self._webhook is not None:
            self._webhook.start()

    def stop(self) -> None:
        """Nothing is looked at any more, and others may take the duties over."""
        with ExitStack() as parts:  # the last pushed is stopped first, and each is stopped whatever befell another
            parts.callback(self.duties.stop)
            parts.callback(self._rules.stop)
            parts.callback(self._terminals.stop)
            parts.callback(self._clip_sweep.stop)
            if self._webhook is not None:
                parts.callback(self._webhook.stop)
