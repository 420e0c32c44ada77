"""One card is shown in person at two places faster than anyone travels.

Rule: an in-person swipe and the person's previous in-person swipe are at institutions with known positions, at least
`min_distance_km` apart, and the speed between them, over at least one second, is above `max_speed_kmh`.
Source: docs/rules.md, impossible_travel.
Edges: the distance bound is closed, the speed bound open; positions are those in force at each swipe's own time;
"previous" is by time, then settlement_id.
Misses: cards lent within one city; e-credentials, which need no presence.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

from detectors.examples import institution, swipe
from detectors.geodesy import EARTH_RADIUS_KM, great_circle_km
from detectors.rule import Example, Firing, NotNegative, Positive, Reach, RuleParameters
from detectors.slab import CREDENTIALS, Slab
from detectors.windows import Floats, previous_in_group
from events.findings import Severity

SCOPE = "person"

HALF_CIRCUMFERENCE_KM = np.pi * EARTH_RADIUS_KM
MS_PER_HOUR = 3_600_000


class Parameters(RuleParameters, frozen=True, kw_only=True):
    """Distances in km, speeds in km/h; `credentials` are those that are shown in person."""

    min_distance_km: NotNegative = 2.0
    max_speed_kmh: Positive = 120.0
    credentials: Annotated[tuple[Literal["social_card", "id_card", "e_credential"], ...], Meta(min_length=1)] = (
        "social_card",
        "id_card",
    )
    severity: Severity = "high"


def reach(parameters: Parameters) -> Reach:
    """Looks back as long as the longest way on earth takes at the speed limit."""
    return Reach(back_ms=int(HALF_CIRCUMFERENCE_KM / parameters.max_speed_kmh * MS_PER_HOUR) + 1000, ahead_ms=0)


def detect(slab: Slab, parameters: Parameters) -> list[Firing]:
    """Returns a firing at every in-person swipe that the previous one rules out."""
    swipes = slab.swipes
    in_person = np.isin(swipes.credential, [CREDENTIALS.index(name) for name in parameters.credentials])
    previous = previous_in_group(swipes.person, np.flatnonzero(in_person))
    rows = np.flatnonzero(previous >= 0)
    before = previous[rows]
    latitude, longitude = _positions(slab)
    distance_km = great_circle_km(latitude[before], longitude[before], latitude[rows], longitude[rows])
    gap_ms = np.maximum(swipes.time_ms[rows] - swipes.time_ms[before], 1000)
    speed_kmh = distance_km / (gap_ms / MS_PER_HOUR)
    too_fast = (distance_km >= parameters.min_distance_km) & (speed_kmh > parameters.max_speed_kmh)
    firings = []
    for number in np.flatnonzero(too_fast).tolist():
        row, earlier = int(rows[number]), int(before[number])
        firings.append(
            Firing(
                row=row,
                key={"person_id": slab.persons.names[swipes.person[row]]},
                severity=parameters.severity,
                measure={
                    "distance_km": round(float(distance_km[number]), 3),
                    "gap_ms": int(swipes.time_ms[row] - swipes.time_ms[earlier]),
                    "speed_kmh": round(float(speed_kmh[number]), 1),
                },
                threshold={"distance_km": parameters.min_distance_km, "speed_kmh": parameters.max_speed_kmh},
                evidence=[swipes.settlement_id[earlier], swipes.settlement_id[row]],
            )
        )
    return firings


def _positions(slab: Slab) -> tuple[Floats, Floats]:
    """Returns latitude and longitude in degrees of every swipe's institution, NaN where either is unknown."""
    version = slab.institution_versions_at_swipes()
    known = slab.institutions
    if len(known.latitude) == 0:
        nowhere = np.full(len(version), np.nan)
        return nowhere, nowhere
    unknown = (version < 0) | np.isnan(known.latitude[version]) | np.isnan(known.longitude[version])
    return np.where(unknown, np.nan, known.latitude[version]), np.where(unknown, np.nan, known.longitude[version])


_HERE = institution("P32990000001", latitude=31.0, longitude=120.0)
_FAR = institution("P32990000002", latitude=31.0, longitude=121.0)  # 95.3 km to the east

EXAMPLES = (
    Example(
        title="95 km in half an hour",
        events=[_HERE, _FAR, swipe("a", "0m"), swipe("b", "30m", institution_id="P32990000002")],
        fires={"b": "high"},
    ),
    Example(
        title="95 km in an hour is a drive",
        events=[_HERE, _FAR, swipe("a", "0m"), swipe("b", "60m", institution_id="P32990000002")],
        fires={},
    ),
    Example(
        title="an e-credential is nobody's presence",
        events=[
            _HERE,
            _FAR,
            swipe("a", "0m", credential="e_credential"),
            swipe("b", "1m", institution_id="P32990000002"),
        ],
        fires={},
    ),
)
