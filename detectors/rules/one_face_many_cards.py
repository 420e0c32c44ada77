"""One face pays with many people's cards.

Rule: the swipe is tied to a visitor (the best face seen around it), and the distinct buyers of the swipes tied to that
visitor, anywhere, within a tier's window reach its number, over at least its number of institutions.
Source: docs/rules.md, one_face_many_cards.
Edges: windows are open at their start and closed at the anchor; the highest tier reached gives the severity, of equal
ones the first listed; raised as soon as the tie is known, and a better face may change it.
Misses: faces below the quality bound; visitors forgotten after their time to live.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from detectors.examples import observed, swipe
from detectors.rule import (
    AtLeastOne,
    Example,
    Firing,
    Reach,
    Window,
    highest_first,
)
from detectors.slab import Slab
from detectors.ties import TieParameters, visitor_ties
from detectors.windows import Groups, Int32s, Int64s, Spans, distinct_per_owner, trailing_window
from events.findings import Severity

SCOPE = "visitor"


class CardTier(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Reached with at least `buyers` distinct buyers over at least `institutions` within `window`."""

    window: Window
    buyers: AtLeastOne
    severity: Severity
    institutions: AtLeastOne = 1


_HALF_HOUR = Window(1_800_000)


class Parameters(TieParameters, frozen=True, kw_only=True):
    """How swipes are tied to visitors, and `tiers` of distinct buyers a visitor pays for."""

    tiers: Annotated[tuple[CardTier, ...], Meta(min_length=1)] = (
        CardTier(window=_HALF_HOUR, buyers=3, severity="medium"),
        CardTier(window=_HALF_HOUR, buyers=5, severity="high"),
        CardTier(window=_HALF_HOUR, buyers=8, severity="critical"),
        CardTier(window=Window(7 * 86_400_000), buyers=4, institutions=2, severity="high"),
    )


def reach(parameters: Parameters) -> Reach:
    """Looks back as far as the longest tier, and at the faces around each swipe."""
    return Reach(back_ms=max(tier.window for tier in parameters.tiers) + parameters.before, ahead_ms=parameters.after)


def detect(slab: Slab, parameters: Parameters) -> list[Firing]:
    """Returns a firing at every tied swipe whose visitor has reached a tier."""
    visitor = visitor_ties(slab, parameters)
    tied = np.flatnonzero(visitor >= 0)
    if len(tied) == 0:
        return []
    groups = Groups.of(visitor, tied)
    buyers = slab.buyers_at_swipes()
    measured = [_measure(slab, visitor, groups, tier, buyers) for tier in parameters.tiers]
    ranking = highest_first([tier.severity for tier in parameters.tiers])
    firings = []
    for row in tied.tolist():
        number = next((number for number in ranking if measured[number].reached[row]), None)
        if number is None:
            continue
        tier, found = parameters.tiers[number], measured[number]
        firings.append(
            Firing(
                row=row,
                key={"visitor_id": slab.visitors.names[visitor[row]]},
                severity=tier.severity,
                measure={"buyers": int(found.buyers[row]), "institutions": int(found.institutions[row])},
                threshold={
                    "buyers": tier.buyers,
                    "institutions": tier.institutions,
                    "window_ms": int(tier.window),
                },
                evidence=slab.swipes.settlement_id[found.spans.rows_of(row)].tolist(),
            )
        )
    return firings


class _Measured:
    """Distinct buyers and institutions in one tier's window, per swipe."""

    def __init__(self, spans: Spans, buyers: Int64s, institutions: Int64s, tier: CardTier) -> None:
        self.spans, self.buyers, self.institutions = spans, buyers, institutions
        self.reached = (buyers >= tier.buyers) & (institutions >= tier.institutions)


def _measure(slab: Slab, visitor: Int32s, groups: Groups, tier: CardTier, buyers: Int32s) -> _Measured:
    swipes = slab.swipes
    spans = trailing_window(swipes.time_ms, visitor, tier.window, groups, tier.buyers)
    anchors = np.flatnonzero(spans.count)
    owners, rows = spans.pairs(anchors)
    return _Measured(
        spans,
        distinct_per_owner(owners, buyers[rows], len(swipes)),
        distinct_per_owner(owners, swipes.institution[rows], len(swipes)),
        tier,
    )


_FACE: dict[str, object] = {"quality": 0.5, "visitor_id": "v"}
_THREE = [swipe(str(number), f"{number}m", person_id=f"329900-{number}") for number in range(3)]

EXAMPLES = (
    Example(
        title="three cards within half an hour, a face at both ends of its reach",
        events=[
            *_THREE,
            observed("a", "0s", (_FACE,)),
            observed("b", "30s", (_FACE,)),
            observed("c", "135s", (_FACE,)),
        ],
        fires={"2": "medium"},
    ),
    Example(
        title="a member of staff ties nothing",
        events=[*_THREE, *(observed(f"o{number}", f"{number}m", (_FACE | {"staff": True},)) for number in range(3))],
        fires={},
    ),
)
