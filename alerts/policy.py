"""What the project's owner decided about alerts, as plain values."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from detectors.catalogue import Route, RuleTexts, RuleTitle
from events.findings import Finding

DEFAULT_EPISODE_MS = 30 * 60_000
DEFAULT_STALE_MS = 15 * 60_000
DEFAULT_TIME_ZONE = "Asia/Shanghai"


class RulePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How one rule's findings are told: to whom, in which words, and after how long the centre takes over (ms).

    One more than `breaker` of them within an hour halts the rule; None: no number does.
    """

    route: Route
    texts: RuleTexts
    title: RuleTitle | None = None
    escalate_after_ms: int | None = None
    breaker: int | None = None


class StoreInfo(msgspec.Struct, frozen=True, kw_only=True):
    """How an institution is called and which clock hangs on its wall."""

    name_zh: str
    name_en: str
    time_zone: str = DEFAULT_TIME_ZONE


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """All that turns findings into alerts.

    Fields:
        rules: by detector, as the newest rules say; a detector without an entry is told to the centre alone.
        versions: the same as each version of the rules says, by version; a finding is told as its own version says.
        store_names: by institution id; one without an entry is called by its id.
        episode_ms: the greatest gap between two anchors of one alert.
        stale_ms: the greatest age of an anchor about which a till is still asked.
    """

    rules: Mapping[str, RulePolicy]
    versions: Mapping[str, Mapping[str, RulePolicy]] = {}
    store_names: Mapping[str, StoreInfo] = {}
    episode_ms: int = DEFAULT_EPISODE_MS
    stale_ms: int = DEFAULT_STALE_MS

    def rule(self, finding: Finding) -> RulePolicy | None:
        """Returns how a finding is told; None for one of a rule that is not configured (any longer)."""
        own = self.versions.get(finding.rules_version, {}).get(finding.detector)
        return own or self.rules.get(finding.detector)

    def route(self, finding: Finding) -> Route:
        """Returns the route of the finding's rule; `centre` for a rule that is not configured (any longer)."""
        rule = self.rule(finding)
        return "centre" if rule is None else rule.route

    def titles(self) -> dict[str, RuleTitle]:
        """Returns how screens call the rules that say it, each as the newest version that says so."""
        told = [*self.versions.values(), self.rules]
        return {name: rule.title for rules in told for name, rule in rules.items() if rule.title is not None}

    def store(self, institution_id: str) -> StoreInfo:
        """Returns the institution's names and time zone; its id where it is not registered."""
        known = self.store_names.get(institution_id)
        return known or StoreInfo(name_zh=institution_id, name_en=institution_id)
