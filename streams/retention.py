"""How long what is needed: which anchors may still change, and what is kept for them.

An anchor is open for its rules' look-back and seven days more; whatever such an anchor looks back to is kept. Older
anchors are frozen: what was found there stands as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from detectors.rule import SCOPES, Reach, Scope

GRACE_MS: Final = 7 * 86_400_000
"""An event may come so late."""
BEGINNING_MS: Final = 0

BY_ITEM: Final[tuple[Scope, ...]] = ("supply", "stock")
BY_PACK: Final[tuple[Scope, ...]] = ("trace_code",)
BY_SWIPE: Final = tuple(scope for scope in SCOPES if scope not in (*BY_ITEM, *BY_PACK))
"""Scopes whose rules ask for all that is known of a swipe; the others, with the longest look-backs, for parts of it."""


class Retention:
    """The limits of one moment; `now_ms` None keeps everything and freezes nothing."""

    def __init__(self, reaches: Mapping[Scope, Reach], now_ms: int | None) -> None:
        self._reaches, self._now_ms = reaches, now_ms

    def frozen_before_ms(self, scope: Scope) -> int:
        """Returns the time before which no anchor of a scope changes any more."""
        return self._before(self._width_ms(scope) + GRACE_MS)

    def kept_since_ms(self, scopes: Iterable[Scope]) -> int:
        """Returns the time since which everything is kept that the open anchors of any of the scopes look back to."""
        return min(self._before(2 * self._width_ms(scope) + GRACE_MS) for scope in scopes)

    def _width_ms(self, scope: Scope) -> int:
        reach = self._reaches[scope]
        return reach.back_ms + reach.ahead_ms

    def _before(self, age_ms: int) -> int:
        return BEGINNING_MS if self._now_ms is None else self._now_ms - age_ms
