"""Two cards travel together from pharmacy to pharmacy.

Rule: the swipe makes a meeting of its person with another (two swipes at one till at most `meeting` apart, happening at
the later), who is not of the same household then, and the meetings of the two in the window up to this swipe are at
`institutions` or more.
Source: docs/rules.md, card_ring.
Edges: `meeting` is inclusive; later and "up to" are by (time, settlement_id); the window is open at its start; two
unknown persons are not of one household.
Misses: rings that stay at fewer institutions, or swap their cards.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import numpy as np

from detectors.examples import person, swipe
from detectors.meetings import MeetingParameters, Meetings, meetings_of
from detectors.rule import Example, Firing, Reach, Window
from detectors.slab import Slab
from detectors.windows import Bools
from events.findings import Severity

SCOPE = "pair"


class Parameters(MeetingParameters, frozen=True, kw_only=True):
    """What a meeting is, and at how many institutions within `window`."""

    window: Window = Window(30 * 86_400_000)
    severity: Severity = "high"


def reach(parameters: Parameters) -> Reach:
    """Looks back one window to the later, and so much as a meeting lasts to the first swipe of each meeting."""
    return Reach(back_ms=parameters.window + parameters.meeting, ahead_ms=0)


def detect(slab: Slab, parameters: Parameters) -> list[Firing]:
    """Returns a firing for every pair and swipe that makes one meeting too many."""
    meetings = meetings_of(slab, parameters)
    strangers = _are_strangers(slab, meetings)
    firings = []
    for start, end, first_of_pair in _anchors(meetings):
        if not strangers[start]:
            continue
        row = meetings.later[start]
        oldest = np.searchsorted(
            slab.swipes.time_ms[meetings.later[first_of_pair:end]],
            slab.swipes.time_ms[row] - parameters.window,
            side="right",
        )
        counted = slice(first_of_pair + int(oldest), end)
        institutions = len(np.unique(slab.swipes.institution[meetings.later[counted]]))
        if institutions >= parameters.institutions:
            firings.append(_firing(slab, parameters, meetings, counted, institutions))
    return firings


def _anchors(meetings: Meetings) -> Iterator[tuple[int, int, int]]:
    """Yields for each swipe that makes meetings of one pair where these begin and end, and where the pair's begin."""
    places = zip(meetings.pair.tolist(), meetings.later.tolist(), range(len(meetings)), strict=True)
    for _, of_pair in groupby(places, key=lambda place: place[0]):
        first_of_pair = -1
        for _, of_swipe in groupby(of_pair, key=lambda place: place[1]):
            numbers = [number for _, _, number in of_swipe]
            first_of_pair = numbers[0] if first_of_pair < 0 else first_of_pair
            yield numbers[0], numbers[-1] + 1, first_of_pair


def _are_strangers(slab: Slab, meetings: Meetings) -> Bools:
    """Returns whether the two of each meeting are not of one household at its time."""
    swipes = slab.swipes
    at_ms = swipes.time_ms[meetings.later]
    own = slab.households_at(swipes.person[meetings.later], at_ms)
    other = slab.households_at(swipes.person[meetings.first], at_ms)
    return np.asarray((own < 0) | (own != other))


def _firing(slab: Slab, parameters: Parameters, meetings: Meetings, counted: slice, institutions: int) -> Firing:
    first, later = meetings.first[counted], meetings.later[counted]
    pair = [slab.persons.names[slab.swipes.person[row]] for row in (first[-1], later[-1])]
    return Firing(
        row=int(later[-1]),
        key={"persons": sorted(pair)},
        severity=parameters.severity,
        measure={"institutions": institutions, "meetings": len(later)},
        threshold={
            "institutions": parameters.institutions,
            "meeting_ms": int(parameters.meeting),
            "window_ms": int(parameters.window),
        },
        evidence=slab.swipes.settlement_id[np.unique(np.concatenate([first, later]))].tolist(),
    )


def _met(number: int, offset: str, later: str) -> list[dict[str, object]]:
    place = f"P3299000000{number}"
    return [
        swipe(f"{number}a", offset, "329900-1", institution_id=place),
        swipe(f"{number}b", later, "329900-2", institution_id=place),
    ]


_TWICE = [*_met(1, "0m", "10m"), *_met(2, "24h", "24h")]

EXAMPLES = (
    Example(
        title="at the third pharmacy within thirty days",
        events=[*_TWICE, *_met(3, "29d", "29d")],
        fires={"3b": "high"},
    ),
    Example(
        title="the first meeting is thirty days ago",
        events=[*_TWICE, *_met(3, "43200m", "43210m")],
        fires={},
    ),
    Example(
        title="a family",
        events=[
            *_TWICE,
            *_met(3, "48h", "48h"),
            person("329900-1", household_id="h"),
            person("329900-2", household_id="h"),
        ],
        fires={},
    ),
)
