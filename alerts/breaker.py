"""The circuit breaker: a rule that floods is halted, and makes no alerts until a person says that it goes on.

Source: docs/rules.md, A rule that floods.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import msgspec

HOUR_MS = 3_600_000


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that is about to join an alert: its rule, and how many an hour the rule may alert (None: any)."""

    detector: str
    limit: int | None


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """Which findings may join alerts, one for each wish, and which rules are halted by them."""

    admitted: tuple[bool, ...]
    tripped: frozenset[str]


def admit(wishes: Sequence[Wish], alerted: Mapping[str, int], halted: Collection[str]) -> Admission:
    """Returns who is admitted, in order, until a rule's limit is reached; the first beyond it halts the rule.

    Args:
        wishes: findings in the order in which they are taken.
        alerted: by rule, how many findings have joined alerts within the hour and since the rule was last resumed.
        halted: rules that are halted already.
    """
    counts = Counter(alerted)
    tripped: set[str] = set()
    admitted = []
    for wish in wishes:
        stopped = wish.detector in halted or wish.detector in tripped
        if not stopped and wish.limit is not None and counts[wish.detector] >= wish.limit:
            tripped.add(wish.detector)
            stopped = True
        counts[wish.detector] += not stopped
        admitted.append(not stopped)
    return Admission(admitted=tuple(admitted), tripped=frozenset(tripped))
