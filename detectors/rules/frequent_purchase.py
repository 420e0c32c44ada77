"""A person swipes more often than anyone needs to.

Rule: some tier has as many of the person's swipes in its window as its count, or more. The severity is the highest tier
reached; of equal severities the first listed.
Source: docs/rules.md, frequent_purchase; NHSA rule library, 频繁购药.
Edges: the window is open at its start and closed at the anchor; ties at the anchor are inside.
Misses: a person who uses several people's cards (see one_face_many_cards).
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta

from detectors.examples import swipe
from detectors.rule import CountTier, Example, Firing, Reach, RuleParameters, Window, highest_first
from detectors.slab import Slab
from detectors.windows import Groups, trailing_window

SCOPE = "person"

DAY_MS = 86_400_000


class Parameters(RuleParameters, frozen=True, kw_only=True):
    """`tiers`: each a window, a count of swipes and a severity."""

    tiers: Annotated[tuple[CountTier, ...], Meta(min_length=1)] = (
        CountTier(window=Window(DAY_MS), count=3, severity="medium"),
        CountTier(window=Window(30 * DAY_MS), count=10, severity="medium"),
        CountTier(window=Window(30 * DAY_MS), count=15, severity="high"),
        CountTier(window=Window(30 * DAY_MS), count=30, severity="critical"),
    )


def reach(parameters: Parameters) -> Reach:
    """Looks back as far as the longest tier's window."""
    return Reach(back_ms=max(tier.window for tier in parameters.tiers), ahead_ms=0)


def detect(slab: Slab, parameters: Parameters) -> list[Firing]:
    """Returns a firing at every swipe whose person has reached a tier."""
    swipes = slab.swipes
    groups = Groups.of(swipes.person)
    tiers = parameters.tiers
    spans = [trailing_window(swipes.time_ms, swipes.person, tier.window, groups, tier.count) for tier in tiers]
    reached = np.full(len(swipes), -1, dtype=np.int64)
    for number in reversed(highest_first([tier.severity for tier in tiers])):
        reached[spans[number].count > 0] = number
    firings = []
    for row in np.flatnonzero(reached >= 0).tolist():
        tier, span = tiers[reached[row]], spans[reached[row]]
        counted = swipes.settlement_id[span.rows_of(row)].tolist()
        firings.append(
            Firing(
                row=row,
                key={"person_id": slab.persons.names[swipes.person[row]]},
                severity=tier.severity,
                measure={"count": len(counted)},
                threshold={"count": tier.count, "window_ms": int(tier.window)},
                evidence=counted,
            )
        )
    return firings


EXAMPLES = (
    Example(
        title="the third swipe within 24 hours, not the second",
        events=[swipe("a", "0h"), swipe("b", "5h"), swipe("c", "23h")],
        fires={"c": "medium"},
    ),
    Example(
        title="a swipe exactly 24 hours before is outside",
        events=[swipe("a", "0h"), swipe("b", "5h"), swipe("c", "24h")],
        fires={},
    ),
)
