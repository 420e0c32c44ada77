"""An institution settles far more than it does on that weekday.

Rule: its swipes on the local day up to and including this one reach the median of the same weekday in the previous
`weeks`, plus `factor` times the greatest of 1.4826·MAD, the median's root and 1. Only days with a swipe enter the
median, and `min_days` of them are needed. It fires once a day, at the first swipe that reaches it.
Source: docs/rules.md, volume_surge; 1.4826 makes the median absolute deviation comparable to a standard deviation.
Edges: "up to" is by (time, settlement_id); each swipe's day is that of the zone in force at its own time; an unknown
institution has no day; nothing is rounded.
Misses: a surge that is kept up for weeks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median
from typing import Annotated

import numpy as np
from msgspec import Meta

from detectors.exact import fraction_of, shown
from detectors.examples import institution, swipe
from detectors.local_time import DAY_MS
from detectors.rule import AtLeastOne, Example, Firing, NotNegative, Reach, RuleParameters
from detectors.slab import Slab
from detectors.windows import Floats, Groups, Int64s
from events.findings import Severity

SCOPE = "weekday"

WEEK_DAYS = 7
DEVIATIONS_PER_MAD = Fraction(14826, 10_000)
LONGEST_DAY_MS = 50 * 3_600_000
"""From the first moment that a date is anywhere on earth to its last."""


class Parameters(RuleParameters, frozen=True, kw_only=True):
    """`factor` spreads above the median of at least `min_days` days in `weeks`."""

    weeks: Annotated[int, Meta(ge=1, le=520)] = 8
    min_days: AtLeastOne = 4
    factor: NotNegative = 3.0
    severity: Severity = "medium"


def reach(parameters: Parameters) -> Reach:
    """Looks back to the start of the local day so many weeks ago, wherever its zone lies."""
    return Reach(back_ms=parameters.weeks * WEEK_DAYS * DAY_MS + LONGEST_DAY_MS, ahead_ms=0)


def detect(slab: Slab, parameters: Parameters) -> list[Firing]:
    """Returns a firing for every institution's day that surges, at the swipe that reaches it."""
    firings = []
    for rows, past in _busy_days(slab, parameters):
        usual = _Usual.of(past, fraction_of(parameters.factor))
        number = usual.first_surge(len(rows))
        if number > len(rows):
            continue
        row = int(rows[number - 1])
        firings.append(
            Firing(
                row=row,
                key={"institution_id": slab.institution_ids.names[slab.swipes.institution[row]]},
                severity=parameters.severity,
                measure={"swipes": number, "median": shown(usual.median), "days": len(past)},
                threshold={"factor": parameters.factor, "weeks": parameters.weeks, "days": parameters.min_days},
                evidence=slab.swipes.settlement_id[rows[:number]].tolist(),
            )
        )
    return firings


@dataclass(frozen=True, slots=True)
class _Usual:
    """What is usual on a weekday: the median of its counts and the median deviation from it."""

    median: Fraction
    deviation: Fraction
    factor: Fraction

    @classmethod
    def of(cls, past: Sequence[int], factor: Fraction) -> _Usual:
        middle = Fraction(median(map(Fraction, past)))
        return cls(middle, Fraction(median(abs(count - middle) for count in past)), factor)

    def surges_at(self, number: int) -> bool:
        """Returns whether so many swipes reach median + factor · max(1.4826 · MAD, √median, 1); the root is squared."""
        above = number - self.median
        return (
            above >= self.factor * max(DEVIATIONS_PER_MAD * self.deviation, Fraction(1))
            and above * above >= self.factor * self.factor * self.median
        )

    def first_surge(self, count: int) -> int:
        """Returns the least number that surges, or one more than `count`; whoever surges does so with more."""
        return bisect_left(range(1, count + 1), 1, key=self.surges_at) + 1


def _busy_days(slab: Slab, parameters: Parameters) -> Iterator[tuple[Int64s, list[int]]]:
    """Yields the rows of each institution's day that may surge, and the counts of its weekday before it."""
    rows, day = _local_days(slab)
    known = slab.day_counts
    width = int(max(day.max(initial=0), known.day.max(initial=0))) + 1
    key = slab.swipes.institution[rows].astype(np.int64) * width + day
    by_day = Groups.of(key).rows
    starts = np.flatnonzero(np.diff(key[by_day], prepend=-1))
    days, counts = key[by_day[starts]], np.diff(starts, append=len(key))
    past = _past_counts(
        days,
        np.concatenate([days, known.institution.astype(np.int64) * width + known.day]),
        np.concatenate([counts, known.swipes]),
        width,
        parameters.weeks,
    )
    has_enough = (past > 0).sum(axis=1) >= parameters.min_days
    may_surge = has_enough & (counts - parameters.factor >= _medians(past))
    for number in np.flatnonzero(may_surge).tolist():
        of_day = rows[by_day[starts[number] : starts[number] + counts[number]]]
        yield of_day, past[number][past[number] > 0].tolist()


def _local_days(slab: Slab) -> tuple[Int64s, Int64s]:
    """Returns the swipes that have a local day, and the day of each."""
    version = slab.institution_versions_at_swipes()
    rows = np.flatnonzero(version >= 0)
    return rows, slab.local_ms_at(rows, version[rows]) // DAY_MS


def _past_counts(days: Int64s, known: Int64s, counts: Int64s, width: int, weeks: int) -> Int64s:
    """Returns shape (days, weeks): the institution's count one, two, … weeks before each day; 0 where it had none.

    `known` are the days, in any order, whose `counts` are known; those of an institution follow one another.
    """
    order = np.argsort(known)
    known, counts = known[order], counts[order]
    past = np.zeros((len(days), weeks), dtype=np.int64)
    for week in range(1, weeks + 1):
        wanted = days - WEEK_DAYS * week
        place = np.searchsorted(known, wanted)
        found = (place < len(known)) & (wanted // width == days // width)
        found[found] = known[place[found]] == wanted[found]
        past[found, week - 1] = counts[place[found]]
    return past


def _medians(past: Int64s) -> Floats:
    """Returns the median of each row's counts, days without a swipe aside; it is a half at most, so nothing is rounded.

    A row of such days alone gives 0.
    """
    ascending = np.sort(past, axis=1)
    empty = (past == 0).sum(axis=1)
    present = past.shape[1] - empty
    lower, upper = empty + (present - 1) // 2, empty + present // 2
    last = past.shape[1] - 1
    rows = np.arange(len(past))
    medians: Floats = (ascending[rows, np.minimum(lower, last)] + ascending[rows, np.minimum(upper, last)]) / 2
    return medians


def _day(name: str, start: int, count: int) -> list[dict[str, object]]:
    return [
        swipe(f"{name}{number}", "0h", f"329900-{number}", occurred_at_ms=start + number) for number in range(count)
    ]


_TODAY = 1_767_578_400_000
_WEEKS = [row for week in range(1, 5) for row in _day(f"w{week}-", _TODAY - week * WEEK_DAYS * DAY_MS, 1)]
_OPEN = institution(effective_from_ms=_TODAY - 100 * DAY_MS)

EXAMPLES = (
    Example(
        title="one swipe on each of the last four Mondays, and the fourth of today",
        events=[_OPEN, *_WEEKS, *_day("t", _TODAY, 6)],
        fires={"t3": "medium"},
    ),
    Example(
        title="three swipes are no surge",
        events=[_OPEN, *_WEEKS, *_day("t", _TODAY, 3)],
        fires={},
    ),
    Example(
        title="three Mondays are too few to tell",
        events=[_OPEN, *_WEEKS[:3], *_day("t", _TODAY, 9)],
        fires={},
    ),
)
