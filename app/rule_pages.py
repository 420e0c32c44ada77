"""The kept rules as plain values for the centre's page."""

from __future__ import annotations

import threading

from app.kept_rules import KeptRules
from app.rule_words import differences, flat
from detectors.catalogue import Entry, Ruleset
from events.errors import ConfigError
from storage.rule_versions import StoredVersion
from web.ports import RuleEntry, RulesInForce, RuleVersionEntry

WORDS = ("texts", "title")


class RulePages:
    """Reads the versions anew only when there are more of them. Safe to use from several threads."""

    def __init__(self, kept: KeptRules, breaker: int) -> None:
        """`breaker` is the limit of the rules that say none of their own."""
        self._kept, self._breaker = kept, breaker
        self._lock = threading.Lock()
        self._read_number = -1
        self._timeline: list[tuple[StoredVersion, Ruleset | None]] = []
        self._versions: tuple[RuleVersionEntry, ...] = ()

    def at(self, now_ms: int) -> RulesInForce:
        """Returns the rules that judge a swipe of now, and every version."""
        with self._lock:
            number = self._kept.latest_number()
            if number != self._read_number:
                self._timeline = [(stored, self._readable(stored)) for stored in self._kept.timeline()]
                self._versions = self._entries()
                self._read_number = number
            begun = [rules for stored, rules in self._timeline if rules and stored.effective_from_ms <= now_ms]
        rules = tuple(self._rule(entry) for entry in begun[-1].entries) if begun else ()
        return RulesInForce(rules=rules, versions=self._versions)

    def _readable(self, stored: StoredVersion) -> Ruleset | None:
        try:
            return self._kept.ruleset_of(stored)
        except ConfigError:  # of another swipewatch: it is listed, and nothing is said of what it changes
            return None

    def _entries(self) -> tuple[RuleVersionEntry, ...]:
        found: list[RuleVersionEntry] = []
        before: Ruleset | None = None
        for stored, rules in self._timeline:
            changes = tuple(differences(before, rules)) if before and rules else ()
            found.append(
                RuleVersionEntry(
                    version=stored.version,
                    effective_from_ms=stored.effective_from_ms,
                    origin=stored.origin,
                    stored_at_ms=stored.stored_at_ms,
                    stored_by=stored.stored_by,
                    changes=changes,
                )
            )
            before = rules or before
        return tuple(found)

    def _rule(self, entry: Entry) -> RuleEntry:
        settings = entry.settings
        return RuleEntry(
            detector=entry.name,
            mode=settings.mode,
            route=settings.route,
            breaker=self._breaker if settings.breaker is None else settings.breaker,
            values=tuple((key, str(value)) for key, value in flat(entry).items() if not key.startswith(WORDS)),
        )
