"""A bundle of cards is swiped at one till.

Rule: the number of distinct buyers at one till within the window reaches a tier. A buyer is the household in force at
the swipe's own time, if any, else the person.
Source: docs/rules.md, card_batch.
Edges: the window is open at its start and closed at the anchor; the highest tier reached gives the severity, of equal
ones the first listed.
Misses: a bundle swiped slowly, or spread over tills (see one_face_many_cards).
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from detectors.examples import person, swipe
from detectors.rule import (
    AtLeastOne,
    Example,
    Firing,
    Reach,
    RuleParameters,
    Window,
    highest_first,
)
from detectors.slab import Slab
from detectors.windows import distinct_per_owner, trailing_window
from events.findings import Severity

SCOPE = "till"


class BuyerTier(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Reached with at least `buyers` distinct buyers."""

    buyers: AtLeastOne
    severity: Severity


class Parameters(RuleParameters, frozen=True, kw_only=True):
    """`tiers` of distinct buyers at one till within `window`."""

    window: Window = Window(600_000)
    tiers: Annotated[tuple[BuyerTier, ...], Meta(min_length=1)] = (
        BuyerTier(buyers=5, severity="medium"),
        BuyerTier(buyers=8, severity="high"),
        BuyerTier(buyers=12, severity="critical"),
    )


def reach(parameters: Parameters) -> Reach:
    """Looks back one window."""
    return Reach(back_ms=parameters.window, ahead_ms=0)


def detect(slab: Slab, parameters: Parameters) -> list[Firing]:
    """Returns a firing at every swipe whose till has reached a tier of distinct buyers."""
    swipes, tiers = slab.swipes, parameters.tiers
    least = min(tier.buyers for tier in tiers)
    spans = trailing_window(swipes.time_ms, swipes.till, parameters.window, least=least)
    anchors = np.flatnonzero(spans.count)
    owners, rows = spans.pairs(anchors)
    buyers = distinct_per_owner(owners, slab.buyers_at_swipes()[rows], len(swipes))
    ranking = highest_first([tier.severity for tier in tiers])
    firings = []
    for row in anchors.tolist():
        tier = next((tiers[number] for number in ranking if buyers[row] >= tiers[number].buyers), None)
        if tier is None:
            continue
        institution_id, till_id = slab.tills.names[swipes.till[row]]
        firings.append(
            Firing(
                row=row,
                key={"institution_id": institution_id, "till_id": till_id},
                severity=tier.severity,
                measure={"buyers": int(buyers[row]), "swipes": int(spans.count[row])},
                threshold={"buyers": tier.buyers, "window_ms": int(parameters.window)},
                evidence=swipes.settlement_id[spans.rows_of(row)].tolist(),
            )
        )
    return firings


_FIVE = [swipe(str(number), f"{number}m", person_id=f"329900-{number}") for number in range(5)]

EXAMPLES = (
    Example(title="five people within ten minutes at one till", events=_FIVE, fires={"4": "medium"}),
    Example(
        title="two of the five are one household",
        events=[*_FIVE, person("329900-0", household_id="h"), person("329900-1", household_id="h")],
        fires={},
    ),
)
