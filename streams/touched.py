"""Which anchors of which keys a batch of events may affect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from detectors.rule import Reach, Scope

ScopeKey = str | tuple[str, str]
"""A person, visitor, institution or trace code; a till, a stock, or a pair of persons."""
Span = tuple[int, int]
"""First and last moment, both inside."""
MANY_SPANS = 64


@dataclass(slots=True)
class Touch:
    """Anchors of one key that may be affected, and by what; spans may overlap."""

    cause: str
    spans: set[Span] = field(default_factory=set)
    _most: int = MANY_SPANS

    def add(self, span: Span) -> None:
        """Anchors in this span may be affected too; of many spans those that meet are kept as one."""
        self.spans.add(span)
        if len(self.spans) > self._most:
            self.spans = set(self.merged(0, 0))
            self._most = max(MANY_SPANS, 2 * len(self.spans))

    def merged(self, back_ms: int, ahead_ms: int) -> list[Span]:
        """Returns the spans, each longer by so much at its start and end, in order and with those that meet as one."""
        merged: list[Span] = []
        for first_ms, last_ms in sorted(self.spans):
            start, end = first_ms - back_ms, last_ms + ahead_ms
            if merged and start <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((start, end))
        return merged

    def holds(self, anchor_ms: int) -> bool:
        """Returns whether an anchor at this time is among them."""
        return any(first_ms <= anchor_ms <= last_ms for first_ms, last_ms in self.spans)


class Touched:
    """Touched keys of one scope; one that no rule asks for takes nothing up.

    Args: anchors before `frozen_before_ms` take nothing up either.
    """

    def __init__(self, reach: Reach, *, is_asked_for: bool, frozen_before_ms: int = 0) -> None:
        self.keys: dict[ScopeKey, Touch] = {}
        self.reach = reach
        self.is_asked_for = is_asked_for
        self._frozen_before_ms = frozen_before_ms

    def event(self, key: ScopeKey, occurred_at_ms: int, cause: str) -> None:
        """An event happened here: anchors from `ahead` before it to `back` after it may change."""
        self.anchors(key, occurred_at_ms - self.reach.ahead_ms, occurred_at_ms + self.reach.back_ms, cause)

    def anchors(self, key: ScopeKey, first_ms: int, last_ms: int, cause: str) -> None:
        """Anchors from first to last, both inside, may change."""
        first_ms = max(first_ms, self._frozen_before_ms)
        if not self.is_asked_for or last_ms < first_ms:
            return
        touch = self.keys.get(key)
        if touch is None:
            touch = self.keys[key] = Touch(cause)
        touch.cause = cause
        touch.add((first_ms, last_ms))

    def pieces(self, size: int) -> Iterator[Touched]:
        """Yields the touched keys, so many at a time."""
        keys = list(self.keys.items())
        for first in range(0, len(keys), size):
            piece = Touched(self.reach, is_asked_for=self.is_asked_for, frozen_before_ms=self._frozen_before_ms)
            piece.keys = dict(keys[first : first + size])
            yield piece

    def may_change(self, key: ScopeKey, anchor_ms: int) -> bool:
        """Returns whether this key's anchor at this time is among the touched."""
        touch = self.keys.get(key)
        return touch is not None and touch.holds(anchor_ms)

    def spans(self) -> Iterator[tuple[ScopeKey, int, int]]:
        """Yields each key with first and last times of the anchors that may change, some of a key more than once."""
        for key, touch in self.keys.items():
            for first_ms, last_ms in touch.merged(0, 0):
                yield key, first_ms, last_ms

    def needed(self) -> Iterator[tuple[ScopeKey, int, int]]:
        """Yields each key with first and last times of events that its touched anchors depend on."""
        for key, touch in self.keys.items():
            for first_ms, last_ms in touch.merged(self.reach.back_ms, self.reach.ahead_ms):
                yield key, first_ms, last_ms


def untouched(
    reaches: Mapping[Scope, Reach], asked_for: Iterable[Scope], frozen_before_ms: Mapping[Scope, int] | None = None
) -> dict[Scope, Touched]:
    """Returns every scope with nothing touched yet."""
    asked, frozen = frozenset(asked_for), frozen_before_ms or {}
    return {
        scope: Touched(reach, is_asked_for=scope in asked, frozen_before_ms=frozen.get(scope, 0))
        for scope, reach in reaches.items()
    }
