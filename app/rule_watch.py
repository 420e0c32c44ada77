"""The running product's eye on its rules: new versions and halted rules, seen in the database within a second."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

import structlog

from app.kept_rules import KeptRules
from detectors.catalogue import Rulebook
from events.errors import ConfigError, TransientError
from events.metrics import RULES_HALTED
from storage.rule_halts import Halt, RuleHalts
from web.measurements import Measurements

LOOK_EVERY_S = 1.0

_log = structlog.get_logger()


class RuleWatch:
    """A thread that asks the database every second; `look` is one such question.

    `change` gives the pipeline a rulebook; `known_number` is the newest version that it was started with.
    """

    def __init__(
        self,
        kept: KeptRules,
        halts: RuleHalts,
        change: Callable[[Rulebook], Future[None]],
        measurements: Measurements,
        known_number: int,
    ) -> None:
        self._kept, self._halts, self._change, self._measurements = kept, halts, change, measurements
        self._known_number = known_number
        self._known_halts: dict[int, Halt] = {}
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rules", daemon=True)

    def start(self) -> None:
        """The thread looks from now on."""
        self._thread.start()

    def stop(self) -> None:
        """The thread has ended."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Afterwards the pipeline judges by the newest rules, and what has happened to rules is told.

        A version that this swipewatch cannot read changes nothing; what does not answer is asked again next time.
        """
        try:
            self._see_versions()
            self._see_halts()
        except TransientError as error:
            _log.warning("rules.not_seen", error=str(error))

    def _run(self) -> None:
        while not self._ends.wait(LOOK_EVERY_S):
            self.look()

    def _see_versions(self) -> None:
        number = self._kept.latest_number()
        if number == self._known_number:
            return
        try:
            rulebook = self._kept.rulebook()
        except ConfigError as error:
            _log.error("rules.unreadable", error=str(error))
            self._known_number = number
            return
        self._change(rulebook).result()
        self._known_number = number
        newest = rulebook.versions[-1]
        _log.info("rules.changed", version=newest.version, effective_from_ms=newest.effective_from_ms)

    def _see_halts(self) -> None:
        standing = {halt.halt_id: halt for halt in self._halts.standing()}
        for halt_id in standing.keys() - self._known_halts.keys():
            halt = standing[halt_id]
            _log.warning("rule.halted", rule=halt.detector, since_ms=halt.halted_at_ms, breaker=halt.breaker)
        for halt_id in self._known_halts.keys() - standing.keys():
            _log.info("rule.resumed", rule=self._known_halts[halt_id].detector)
        self._known_halts = standing
        self._measurements.set_level(RULES_HALTED, len(standing))
