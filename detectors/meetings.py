"""Meetings: two persons who swipe at the same till within minutes of each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.rule import AtLeastOne, Duration, RuleParameters
from detectors.slab import Slab, SwipeTable
from detectors.windows import Bools, Groups, Int32s, Int64s, Spans, different

LONGEST_MEETING_MS = 86_400_000


class MeetingParameters(RuleParameters, frozen=True, kw_only=True):
    """A meeting is two swipes at most `meeting` apart; asked for are pairs who met at `institutions` at least."""

    meeting: Duration = Duration(600_000)
    institutions: AtLeastOne = 3

    def __post_init__(self) -> None:
        if self.meeting > LONGEST_MEETING_MS:
            raise ValueError("a meeting lasts at most 24h")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeetingReach:
    """Whoever met under any of several parameters did so within `meeting_ms`, at `institutions` at least."""

    meeting_ms: int
    institutions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Meetings:
    """Meetings by (pair, later, first): rows of the two swipes, `pair` a number of the two persons."""

    pair: Int64s
    first: Int64s
    later: Int64s

    def __len__(self) -> int:
        return len(self.pair)


def meetings_of(slab: Slab, parameters: MeetingParameters) -> Meetings:
    """Returns the meetings of all pairs who met at enough institutions; a meeting happens at the later swipe, by order.

    Source: docs/rules.md, card_ring.
    """
    swipes = slab.swipes
    later, first = neighbours(swipes, frequents_enough(swipes, parameters.institutions), parameters.meeting)
    people = len(slab.persons.names)
    one, other = swipes.person[first].astype(np.int64), swipes.person[later].astype(np.int64)
    pair = np.minimum(one, other) * people + np.maximum(one, other)
    enough = (one != other) & _met_at_enough(pair, swipes.institution[later], parameters.institutions)
    pair, first, later = pair[enough], first[enough], later[enough]
    order = np.lexsort((first, later, pair))
    return Meetings(pair=pair[order], first=first[order], later=later[order])


def neighbours(swipes: SwipeTable, rows: Int64s, within_ms: int) -> tuple[Int64s, Int64s]:
    """Returns (later, earlier) for any two of the rows at one till at most so far apart, by order."""
    groups = Groups.of(swipes.till, rows)
    oldest = np.searchsorted(swipes.time_ms, swipes.time_ms[rows] - within_ms, side="left").astype(np.int64)
    till = swipes.till[rows]
    spans = Spans(groups, groups.positions(till, oldest), groups.positions(till, rows))
    number, earlier = spans.pairs(np.arange(len(rows), dtype=np.int64))
    return rows[number], earlier


def frequents_enough(swipes: SwipeTable, institutions: int) -> Int64s:
    """Returns the rows of persons who swipe at so many institutions; nobody else can meet there."""
    return np.flatnonzero(_met_at_enough(swipes.person.astype(np.int64), swipes.institution, institutions))


def _met_at_enough(who: Int64s, institution: Int32s, institutions: int) -> Bools:
    """Returns whether each row's `who` has so many different institutions in its rows."""
    width = int(institution.max(initial=0)) + 1
    met = different(who * width + institution) // width
    most = max(len(met) - institutions + 1, 0)
    enough = met[:most][met[:most] == met[len(met) - most :]]
    return np.isin(who, enough)
