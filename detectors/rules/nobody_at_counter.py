"""A card is swiped while the camera sees nobody at the till.

Rule: the till has at least `observations` healthy observations from `before` ahead of the swipe to `after` behind it,
and all of them have no people. Delivered orders are exempt. Decided when time has passed t + after.
Source: docs/rules.md, nobody_at_counter.
Edges: both ends are inside; unhealthy observations say nothing.
Misses: tills without a camera; somebody who merely walks past.
"""

from __future__ import annotations

import numpy as np

from detectors.examples import observed, swipe
from detectors.rule import AtLeastOne, Duration, Example, Firing, Reach, RuleParameters
from detectors.slab import Slab
from detectors.windows import around
from events.findings import Severity

SCOPE = "till"


class Parameters(RuleParameters, frozen=True, kw_only=True):
    """At least `observations` healthy ones, all empty, from `before` ahead of the swipe to `after` behind it."""

    before: Duration = Duration(120_000)
    after: Duration = Duration(60_000)
    observations: AtLeastOne = 3
    severity: Severity = "medium"


def reach(parameters: Parameters) -> Reach:
    """Looks at the observations around the anchor, and waits for the last of them."""
    return Reach(back_ms=parameters.before, ahead_ms=parameters.after, waits_ms=parameters.after)


def detect(slab: Slab, parameters: Parameters) -> list[Firing]:
    """Returns a firing at every decided swipe around which only an empty counter was seen."""
    swipes, observations = slab.swipes, slab.observations
    healthy = np.flatnonzero(observations.healthy)
    spans = around(
        swipes.time_ms,
        swipes.till,
        observations.time_ms[healthy],
        observations.till[healthy],
        parameters.before,
        parameters.after,
    )
    decided = ~swipes.delivery & (swipes.time_ms + parameters.after < slab.watermark_ms)
    firings = []
    for row in np.flatnonzero(decided & (spans.count >= parameters.observations)).tolist():
        seen = healthy[spans.rows_of(row)]
        if observations.people[seen].any():
            continue
        institution_id, till_id = slab.tills.names[swipes.till[row]]
        firings.append(
            Firing(
                row=row,
                key={"institution_id": institution_id, "till_id": till_id},
                severity=parameters.severity,
                measure={"observations": len(seen), "people": 0},
                threshold={
                    "observations": parameters.observations,
                    "before_ms": int(parameters.before),
                    "after_ms": int(parameters.after),
                },
                evidence=observations.event_id[seen].tolist(),
            )
        )
    return firings


_EMPTY = [observed("o1", "0s"), observed("o2", "120s"), observed("o3", "180s")]

EXAMPLES = (
    Example(
        title="three empty observations, the first and the last exactly at the ends",
        events=[swipe("s", "120s"), *_EMPTY],
        fires={"s": "medium"},
    ),
    Example(
        title="one of them sees a person",
        events=[swipe("s", "120s"), *_EMPTY, observed("o4", "90s", people=1)],
        fires={},
    ),
    Example(
        title="a delivered order needs nobody at the counter",
        events=[swipe("s", "120s", delivery=True), *_EMPTY],
        fires={},
    ),
    Example(
        title="an unhealthy camera says nothing",
        events=[swipe("s", "120s"), *_EMPTY[:2], observed("o3", "180s", healthy=False)],
        fires={},
    ),
)
