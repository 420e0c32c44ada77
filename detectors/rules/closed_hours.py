"""A card is swiped while the institution is closed.

Rule: the local time of day is outside opening hours, widened by `grace` on both sides. With o = opens − grace and
len = ((closes − opens) mod 24h) + 2·grace: equal hours (also 00:00 and 24:00) mean always open, and so does len ≥ 24h;
otherwise it fires when ((time of day − o) mod 24h) > len.
Source: docs/rules.md, closed_hours.
Edges: both widened ends are open hours; hours are those in force at the swipe; delivery is not exempt.
Misses: institutions that never reported their hours.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from detectors.examples import institution, swipe
from detectors.local_time import DAY_MS, MINUTE_MS
from detectors.rule import Duration, Example, Firing, Reach, RuleParameters
from detectors.slab import Slab
from detectors.windows import Bools, Int64s
from events.findings import Severity

SCOPE = "till"


class Parameters(RuleParameters, frozen=True, kw_only=True):
    """`grace` widens the opening hours on both sides."""

    grace: Duration = Duration(900_000)
    severity: Severity = "medium"


def reach(_parameters: Parameters) -> Reach:
    """Looks at the anchor alone."""
    return Reach(back_ms=0, ahead_ms=0)


def detect(slab: Slab, parameters: Parameters) -> list[Firing]:
    """Returns a firing at every swipe outside the hours in force."""
    swipes, known = slab.swipes, slab.institutions
    version = slab.institution_versions_at_swipes()
    rows = np.flatnonzero(version >= 0)
    rows = rows[(known.opens_minute[version[rows]] >= 0) & (known.closes_minute[version[rows]] >= 0)]
    in_force = version[rows]
    opens_ms = known.opens_minute[in_force].astype(np.int64) * MINUTE_MS
    closes_ms = known.closes_minute[in_force].astype(np.int64) * MINUTE_MS
    time_of_day_ms = slab.local_ms_at(rows, in_force) % DAY_MS
    closed = _is_closed(time_of_day_ms, opens_ms, closes_ms, parameters.grace)
    firings = []
    for number in np.flatnonzero(closed).tolist():
        row = int(rows[number])
        firings.append(
            Firing(
                row=row,
                key={"institution_id": slab.institution_ids.names[swipes.institution[row]]},
                severity=parameters.severity,
                measure={"local_time": _hour_text(int(time_of_day_ms[number]) // MINUTE_MS)},
                threshold={
                    "opens_at": _hour_text(int(known.opens_minute[in_force[number]])),
                    "closes_at": _hour_text(int(known.closes_minute[in_force[number]])),
                    "grace_ms": int(parameters.grace),
                },
                evidence=[swipes.settlement_id[row]],
            )
        )
    return firings


def _is_closed(time_of_day_ms: Int64s, opens_ms: Int64s, closes_ms: Int64s, grace_ms: int) -> Bools:
    open_for_ms = (closes_ms - opens_ms) % DAY_MS
    length_ms = open_for_ms + 2 * grace_ms
    since_open_ms = (time_of_day_ms - (opens_ms - grace_ms)) % DAY_MS
    return np.asarray((open_for_ms != 0) & (length_ms < DAY_MS) & (since_open_ms > length_ms))


@lru_cache(maxsize=24 * 60)
def _hour_text(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


EXAMPLES = (
    Example(
        title="closing at 21:00, a quarter past is grace, a millisecond later is not",
        events=[institution(), swipe("a", "11h"), swipe("b", "675m"), swipe("c", "40500001ms")],
        fires={"c": "medium"},
    ),
    Example(
        title="open overnight from 20:00 to 02:00",
        events=[
            institution(opens_at="20:00", closes_at="02:00"),
            swipe("noon", "2h"),
            swipe("midnight", "14h"),
        ],
        fires={"noon": "medium"},
    ),
    Example(
        title="00:00 to 24:00 is always open",
        events=[institution(opens_at="00:00", closes_at="24:00"), swipe("a", "14h")],
        fires={},
    ),
)
