"""An institution settles although its agreement is suspended.

Rule: the agreement of the institution in force at the swipe is suspended.
Source: docs/rules.md, suspended_institution.
Edges: a version is in force from its very first millisecond; an unknown institution is not judged.
Misses: suspensions that were never reported.
"""

from __future__ import annotations

import numpy as np

from detectors.examples import institution, swipe
from detectors.rule import Example, Firing, Reach, RuleParameters
from detectors.slab import Slab
from events.findings import Severity

SCOPE = "till"


class Parameters(RuleParameters, frozen=True, kw_only=True):
    """Nothing but the severity."""

    severity: Severity = "critical"


def reach(_parameters: Parameters) -> Reach:
    """Looks at the anchor alone."""
    return Reach(back_ms=0, ahead_ms=0)


def detect(slab: Slab, parameters: Parameters) -> list[Firing]:
    """Returns a firing at every swipe at an institution that is suspended then."""
    swipes = slab.swipes
    version = slab.institution_versions_at_swipes()
    known = np.flatnonzero(version >= 0)
    return [
        Firing(
            row=row,
            key={"institution_id": slab.institution_ids.names[swipes.institution[row]]},
            severity=parameters.severity,
            measure={"agreement": "suspended", "fund_fen": int(swipes.fund_fen[row])},
            threshold={"agreement": "active"},
            evidence=[swipes.settlement_id[row]],
        )
        for row in known[slab.institutions.suspended[version[known]]].tolist()
    ]


EXAMPLES = (
    Example(
        title="suspended when the swipe is made",
        events=[institution(agreement="suspended"), swipe("a", "0h")],
        fires={"a": "critical"},
    ),
    Example(
        title="the suspension was lifted",
        events=[
            institution(agreement="suspended"),
            institution(event_id="i2", effective_from_ms=1_767_578_400_000),
            swipe("a", "0h"),
        ],
        fires={},
    ),
)
