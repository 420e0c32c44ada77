"""A card is used whose holder has no insurance at that time.

Rule: the status of the person in force at the swipe is deceased, paused or ended. Deceased is the gravest; paused and
ended weigh more where the pooled fund pays.
Source: docs/rules.md, ineligible_person. A terminal asks to check the holder and the card; it never says why.
Edges: a version is in force from its very first millisecond; an unknown person is not judged.
Misses: changes of status that were never reported.
"""

from __future__ import annotations

import numpy as np

from detectors.examples import person, swipe
from detectors.rule import Example, Firing, Reach, RuleParameters
from detectors.slab import STATUSES, Slab
from events.findings import Severity

SCOPE = "person"

_ACTIVE = STATUSES.index("active")


class Parameters(RuleParameters, frozen=True, kw_only=True):
    """`fund_severity` where the pooled fund pays for the paused or ended, `deceased_severity` for the deceased."""

    severity: Severity = "low"
    fund_severity: Severity = "high"
    deceased_severity: Severity = "critical"


def reach(_parameters: Parameters) -> Reach:
    """Looks at the anchor alone."""
    return Reach(back_ms=0, ahead_ms=0)


def detect(slab: Slab, parameters: Parameters) -> list[Firing]:
    """Returns a firing at every swipe of a person who is not active then."""
    swipes = slab.swipes
    version = slab.person_versions_at_swipes()
    known = np.flatnonzero(version >= 0)
    status = slab.people.status[version[known]]
    firings = []
    for number in np.flatnonzero(status != _ACTIVE).tolist():
        row, name = int(known[number]), STATUSES[status[number]]
        fund_fen = int(swipes.fund_fen[row])
        firings.append(
            Firing(
                row=row,
                key={"person_id": slab.persons.names[swipes.person[row]]},
                severity=_severity(name, fund_fen, parameters),
                measure={"status": name, "fund_fen": fund_fen},
                threshold={"status": "active"},
                evidence=[swipes.settlement_id[row]],
            )
        )
    return firings


def _severity(status: str, fund_fen: int, parameters: Parameters) -> Severity:
    if status == "deceased":
        return parameters.deceased_severity
    return parameters.fund_severity if fund_fen > 0 else parameters.severity


EXAMPLES = (
    Example(
        title="a holder who died is critical whoever pays",
        events=[person(status="deceased"), swipe("a", "0h")],
        fires={"a": "critical"},
    ),
    Example(
        title="paused: pooled-fund money weighs more",
        events=[person(status="paused"), swipe("a", "0h"), swipe("b", "1h", fund_fen=1)],
        fires={"a": "low", "b": "high"},
    ),
    Example(
        title="ended from a later moment on",
        events=[
            person(),
            person(event_id="p2", status="ended", effective_from_ms=1_767_582_000_000),
            swipe("a", "59m"),
        ],
        fires={},
    ),
)
