"""Which anchors of which keys a batch of events may affect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from detectors.rule import Reach, Scope

ScopeKey = str | tuple[str, str] | tuple[str, int]
"""A person, visitor or trace code; a till, a stock or a pair of persons; an institution and a weekday."""


@dataclass(slots=True)
class Touch:
    """Anchors of one key that may be affected, first to last both inside, and by what."""

    first_ms: int
    last_ms: int
    cause: str

    def widen(self, first_ms: int, last_ms: int, cause: str) -> None:
        """Anchors from first to last may be affected too."""
        self.first_ms, self.last_ms = min(self.first_ms, first_ms), max(self.last_ms, last_ms)
        self.cause = cause

    def holds(self, anchor_ms: int) -> bool:
        """Returns whether an anchor at this time is among them."""
        return self.first_ms <= anchor_ms <= self.last_ms


class Touched:
    """Touched keys of one scope; one that no rule asks for takes nothing up."""

    def __init__(self, reach: Reach, *, is_asked_for: bool) -> None:
        self.keys: dict[ScopeKey, Touch] = {}
        self._reach = reach
        self._is_asked_for = is_asked_for

    def event(self, key: ScopeKey, occurred_at_ms: int, cause: str) -> None:
        """An event happened here: anchors from `ahead` before it to `back` after it may change."""
        self.anchors(key, occurred_at_ms - self._reach.ahead_ms, occurred_at_ms + self._reach.back_ms, cause)

    def anchors(self, key: ScopeKey, first_ms: int, last_ms: int, cause: str) -> None:
        """Anchors from first to last, both inside, may change."""
        if not self._is_asked_for:
            return
        if key in self.keys:
            self.keys[key].widen(first_ms, last_ms, cause)
        else:
            self.keys[key] = Touch(first_ms, last_ms, cause)

    def may_change(self, key: ScopeKey, anchor_ms: int) -> bool:
        """Returns whether this key's anchor at this time is among the touched."""
        touch = self.keys.get(key)
        return touch is not None and touch.holds(anchor_ms)

    def spans(self) -> Iterator[tuple[ScopeKey, int, int]]:
        """Yields each key with the first and the last time of events that its touched anchors depend on."""
        for key, touch in self.keys.items():
            yield key, touch.first_ms - self._reach.back_ms, touch.last_ms + self._reach.ahead_ms


def untouched(reaches: Mapping[Scope, Reach], asked_for: Iterable[Scope]) -> dict[Scope, Touched]:
    """Returns every scope with nothing touched yet."""
    asked = frozenset(asked_for)
    return {scope: Touched(reach, is_asked_for=scope in asked) for scope, reach in reaches.items()}
