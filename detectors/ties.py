"""Which visitor stood at the till: the join of a swipe with the best face seen around it."""

from __future__ import annotations

import numpy as np

from detectors.rule import Duration, Ratio, RuleParameters
from detectors.slab import NO_SETTLEMENT, Slab
from detectors.windows import Int32s, Int64s, around


class TieParameters(RuleParameters, frozen=True, kw_only=True):
    """A face ties a swipe from `before` ahead of it to `after` behind it, with at least `min_quality`."""

    before: Duration = Duration(30_000)
    after: Duration = Duration(15_000)
    min_quality: Ratio = 0.5


def visitor_ties(slab: Slab, parameters: TieParameters) -> Int32s:
    """Returns for every swipe the code of the visitor it is tied to, or −1.

    Of the faces with a visitor, not staff, of at least `min_quality` and compared with no other swipe, in healthy
    observations at the till in [t − before, t + after] (both ends inside), the one of best quality; equal: nearest in
    time, then the lesser event_id, then the lesser visitor_id.
    Source: docs/rules.md, one_face_many_cards.
    """
    tied = np.full(len(slab.swipes), -1, dtype=np.int32)
    swipe, face = _candidates(slab, parameters)
    if len(swipe) == 0:
        return tied
    best = _best_first(slab, swipe, face)
    swipe, face = swipe[best], face[best]
    is_first = np.ones(len(swipe), dtype=np.bool_)
    is_first[1:] = swipe[1:] != swipe[:-1]
    tied[swipe[is_first]] = slab.faces.visitor[face[is_first]]
    return tied


def _candidates(slab: Slab, parameters: TieParameters) -> tuple[Int64s, Int64s]:
    """Returns pairs (row of swipes, row of faces) of every face that may tie its swipe."""
    swipes, observations, faces = slab.swipes, slab.observations, slab.faces
    usable = observations.healthy[faces.observation] & (faces.visitor >= 0) & ~faces.staff
    usable &= faces.quality >= parameters.min_quality
    rows = np.flatnonzero(usable)
    seen_in = faces.observation[rows]
    spans = around(
        swipes.time_ms,
        swipes.till,
        observations.time_ms[seen_in],
        observations.till[seen_in],
        parameters.before,
        parameters.after,
    )
    swipe, position = spans.pairs(np.arange(len(swipes), dtype=np.int64))
    face = rows[position]
    named = faces.settlement[face]
    fits = (named == NO_SETTLEMENT) | (named == swipe)
    return swipe[fits], face[fits]


def _best_first(slab: Slab, swipe: Int64s, face: Int64s) -> Int64s:
    """Returns the order by swipe, then best face first."""
    observation = slab.faces.observation[face]
    distance_ms = np.abs(slab.observations.time_ms[observation] - slab.swipes.time_ms[swipe])
    event_ids = slab.observations.event_id[observation].tolist()
    visitor_ids = [slab.visitors.names[code] for code in slab.faces.visitor[face].tolist()]
    return np.lexsort((_rank(visitor_ids), _rank(event_ids), distance_ms, -slab.faces.quality[face], swipe)).astype(
        np.int64
    )


def _rank(names: list[str]) -> Int64s:
    place = {name: rank for rank, name in enumerate(sorted(set(names)))}
    return np.fromiter(map(place.__getitem__, names), dtype=np.int64, count=len(names))
