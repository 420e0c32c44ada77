"""The set of accepted events in memory, by the keys that rules gather by. Pure: no clock, no I/O.

Everything here is a set: adding an event again, or in another order, changes nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator

from detectors.slab import Slab, Till, slab_of
from events.types import AgentRegistration, FaceObserved, Institution, Person, Reversal, Swipe, VisitorCorrection

Corrections = dict[tuple[str, int], VisitorCorrection]
Moment = tuple[int, str]
"""A time and an id: the order of everything."""


def till_of(event: Swipe | FaceObserved) -> Till:
    """Returns the till at which a swipe was made or an observation taken."""
    return (event.institution_id, event.till_id)


class History:
    """Accepted events with an index for each key."""

    def __init__(self) -> None:
        self.swipes: dict[str, Swipe] = {}
        self.observations: dict[str, FaceObserved] = {}
        self.people: dict[str, list[Person]] = defaultdict(list)
        self.institutions: dict[str, list[Institution]] = defaultdict(list)
        self.agents: dict[tuple[str, str], list[AgentRegistration]] = defaultdict(list)
        self.reversals: dict[str, list[Reversal]] = defaultdict(list)
        self.corrections: Corrections = {}
        self._corrected: dict[str, list[int]] = defaultdict(list)
        self._swipes_by_person: dict[str, list[Moment]] = defaultdict(list)
        self._swipes_by_till: dict[Till, list[Moment]] = defaultdict(list)
        self._swipes_by_institution: dict[str, list[str]] = defaultdict(list)
        self._observations_by_till: dict[Till, list[Moment]] = defaultdict(list)

    def add_swipe(self, swipe: Swipe) -> None:
        """Adds a swipe."""
        moment = (swipe.occurred_at_ms, swipe.settlement_id)
        self.swipes[swipe.settlement_id] = swipe
        insort(self._swipes_by_person[swipe.person_id], moment)
        insort(self._swipes_by_till[till_of(swipe)], moment)
        self._swipes_by_institution[swipe.institution_id].append(swipe.settlement_id)

    def add_observation(self, observed: FaceObserved) -> None:
        """Adds an observation."""
        self.observations[observed.event_id] = observed
        insort(self._observations_by_till[till_of(observed)], (observed.occurred_at_ms, observed.event_id))

    def add_correction(self, correction: VisitorCorrection) -> None:
        """Adds a correction; the latest by (occurred_at_ms, event_id) holds."""
        if (correction.observation_id, correction.face_no) not in self.corrections:
            self._corrected[correction.observation_id].append(correction.face_no)
        keep_latest_correction(self.corrections, correction)

    def swipes_of_person(self, person_id: str) -> list[Swipe]:
        """Returns all swipes of a person, reversed ones included, in order."""
        return [self.swipes[name] for _, name in self._swipes_by_person.get(person_id, ())]

    def swipes_of_institution(self, institution_id: str) -> list[Swipe]:
        """Returns all swipes at an institution, reversed ones included, in order of arrival."""
        return [self.swipes[name] for name in self._swipes_by_institution.get(institution_id, ())]

    def is_reversed(self, swipe: Swipe) -> bool:
        """Returns whether a matching reversal is known."""
        return any(matches(reversal, swipe) for reversal in self.reversals.get(swipe.settlement_id, ()))

    def standing_of_person(self, person_id: str, first_ms: int, last_ms: int) -> Iterator[Swipe]:
        """Yields the person's standing swipes from first to last, both inside."""
        return self._standing(self._swipes_by_person.get(person_id, []), first_ms, last_ms)

    def standing_at_till(self, till: Till, first_ms: int, last_ms: int) -> Iterator[Swipe]:
        """Yields the till's standing swipes from first to last, both inside."""
        return self._standing(self._swipes_by_till.get(till, []), first_ms, last_ms)

    def all_at_till(self, till: Till, first_ms: int, last_ms: int) -> Iterator[Swipe]:
        """Yields the till's swipes from first to last, both inside, reversed ones included."""
        return map(self.swipes.__getitem__, _between(self._swipes_by_till.get(till, []), first_ms, last_ms))

    def observed_at_till(self, till: Till, first_ms: int, last_ms: int) -> Iterator[FaceObserved]:
        """Yields the till's observations from first to last, both inside."""
        return (
            self.observations[name] for name in _between(self._observations_by_till.get(till, []), first_ms, last_ms)
        )

    def slab(self, swipes: Iterable[Swipe], observations: Iterable[FaceObserved], watermark_ms: int) -> Slab:
        """Returns the slab of these standing swipes and observations (repeats count once) with all they refer to."""
        by_id = {swipe.settlement_id: swipe for swipe in swipes}
        seen = {observed.event_id: observed for observed in observations}
        holders = {(swipe.institution_id, swipe.person_id) for swipe in by_id.values()}
        return slab_of(
            swipes=list(by_id.values()),
            people=(version for _, person in sorted(holders) for version in self.people.get(person, ())),
            institutions=(
                version
                for institution_id in sorted({institution_id for institution_id, _ in holders})
                for version in self.institutions.get(institution_id, ())
            ),
            observations=list(seen.values()),
            corrections={
                (name, face_no): self.corrections[name, face_no].visitor_id
                for name in seen
                for face_no in self._corrected.get(name, ())
            },
            agents=(agent for key in sorted(holders) for agent in self.agents.get(key, ())),
            watermark_ms=watermark_ms,
        )

    def _standing(self, moments: list[Moment], first_ms: int, last_ms: int) -> Iterator[Swipe]:
        for name in _between(moments, first_ms, last_ms):
            swipe = self.swipes[name]
            if not self.is_reversed(swipe):
                yield swipe


def keep_latest_correction(held: Corrections, correction: VisitorCorrection) -> None:
    """Puts a correction where no later one by (occurred_at_ms, event_id) is held."""
    key = (correction.observation_id, correction.face_no)
    other = held.get(key)
    if other is None or (other.occurred_at_ms, other.event_id) < (correction.occurred_at_ms, correction.event_id):
        held[key] = correction


def matches(reversal: Reversal, swipe: Swipe) -> bool:
    """Returns whether a reversal of this settlement names the swipe's institution and person too."""
    return reversal.institution_id == swipe.institution_id and reversal.person_id == swipe.person_id


def _between(moments: list[Moment], first_ms: int, last_ms: int) -> Iterator[str]:
    start = bisect_left(moments, (first_ms, ""))
    end = bisect_right(moments, (last_ms + 1, ""))
    return (name for moment_ms, name in moments[start:end] if moment_ms <= last_ms)
