"""What the project's owner decided about alerts, as plain values."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from detectors.catalogue import Route, RuleTexts

DEFAULT_EPISODE_MS = 30 * 60_000
DEFAULT_STALE_MS = 15 * 60_000
DEFAULT_TIME_ZONE = "Asia/Shanghai"


class RulePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How one rule's findings are told: to whom, in which words, and after how long the centre takes over (ms)."""

    route: Route
    texts: RuleTexts
    escalate_after_ms: int | None = None


class StoreInfo(msgspec.Struct, frozen=True, kw_only=True):
    """How an institution is called and which clock hangs on its wall."""

    name_zh: str
    name_en: str
    time_zone: str = DEFAULT_TIME_ZONE


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """All that turns findings into alerts.

    Fields:
        rules: by detector; a detector without an entry is told to the centre alone.
        store_names: by institution id; one without an entry is called by its id.
        episode_ms: the greatest gap between two anchors of one alert.
        stale_ms: the greatest age of an anchor about which a till is still asked.
    """

    rules: Mapping[str, RulePolicy]
    store_names: Mapping[str, StoreInfo] = {}
    episode_ms: int = DEFAULT_EPISODE_MS
    stale_ms: int = DEFAULT_STALE_MS

    def route(self, detector: str) -> Route:
        """Returns the rule's route; `centre` for a rule that is not configured (any longer)."""
        rule = self.rules.get(detector)
        return "centre" if rule is None else rule.route

    def store(self, institution_id: str) -> StoreInfo:
        """Returns the institution's names and time zone; its id where it is not registered."""
        known = self.store_names.get(institution_id)
        return known or StoreInfo(name_zh=institution_id, name_en=institution_id)
