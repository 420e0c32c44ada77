"""A person is treated outside the insured region without a filing in force.

Rule: the swipe's insured region is set and differs from the institution's region at the first four digits, and no
filing of the person to that region is in force. Pooled-fund money raises it.
Source: docs/rules.md, no_filing. Emergency care is paid at home and is no offence.
Edges: in force from its start up to, and not at, its end; a filing that came later and starts earlier counts; an
institution of unknown region is not judged.
Misses: filings that were made and never sent.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from detectors.examples import filing, institution, swipe
from detectors.rule import Example, Firing, Reach, RuleParameters
from detectors.slab import Slab
from detectors.windows import Int32s
from events.findings import Severity

SCOPE = "person"


class Parameters(RuleParameters, frozen=True, kw_only=True):
    """`fund_severity` holds where the pooled fund pays."""

    severity: Severity = "low"
    fund_severity: Severity = "high"


def reach(_parameters: Parameters) -> Reach:
    """Looks at the anchor alone."""
    return Reach(back_ms=0, ahead_ms=0)


def detect(slab: Slab, parameters: Parameters) -> list[Firing]:
    """Returns a firing at every swipe outside the insured region that no filing covers."""
    swipes = slab.swipes
    region = _regions_at_swipes(slab)
    outside = (swipes.insured_region >= 0) & (region >= 0) & (swipes.insured_region != region)
    filed = _filed_spans(slab)
    firings = []
    for row in np.flatnonzero(outside).tolist():
        at_ms = int(swipes.time_ms[row])
        spans = filed.get((int(swipes.person[row]), int(region[row])), ())
        if any(starts_ms <= at_ms < ends_ms for starts_ms, ends_ms in spans):
            continue
        fund_fen = int(swipes.fund_fen[row])
        firings.append(
            Firing(
                row=row,
                key={"person_id": slab.persons.names[swipes.person[row]]},
                severity=parameters.fund_severity if fund_fen > 0 else parameters.severity,
                measure={
                    "insured_region": slab.regions.names[swipes.insured_region[row]],
                    "region": slab.regions.names[region[row]],
                    "fund_fen": fund_fen,
                },
                threshold={},
                evidence=[swipes.settlement_id[row]],
            )
        )
    return firings


def _regions_at_swipes(slab: Slab) -> Int32s:
    """Returns the region of every swipe's institution at its time, or −1."""
    version = slab.institution_versions_at_swipes()
    region = np.full(len(version), -1, dtype=np.int32)
    known = version >= 0
    region[known] = slab.institutions.region[version[known]]
    return region


def _filed_spans(slab: Slab) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Returns (person, region) → start and end of every filing."""
    filings = slab.filings
    spans = defaultdict(list)
    for row in range(len(filings)):
        span = (int(filings.starts_ms[row]), int(filings.ends_ms[row]))
        spans[int(filings.person[row]), int(filings.region[row])].append(span)
    return spans


_HERE = institution(region="320200")
_GUEST = swipe("a", "0h", insured_region="329900")

EXAMPLES = (
    Example(
        title="insured elsewhere, no filing; pooled-fund money raises it",
        events=[_HERE, _GUEST, swipe("b", "1h", insured_region="329900", fund_fen=1)],
        fires={"a": "low", "b": "high"},
    ),
    Example(
        title="a filing to another district of this city covers it, from its first moment",
        events=[_HERE, _GUEST, filing("f", "320281", starts_ms=1_767_578_400_000)],
        fires={},
    ),
    Example(
        title="a filing that ends at this very moment does not",
        events=[_HERE, _GUEST, filing("f", "320200", ends_ms=1_767_578_400_000)],
        fires={"a": "low"},
    ),
)
