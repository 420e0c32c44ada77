"""The set of accepted events in memory, by the keys that rules gather by. Pure: no clock, no I/O.

Everything here is a set: adding an event again, or in another order, changes nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from detectors.slab import Slab, Till, whole_pack_codes
from detectors.slab_builder import keep_latest_drug, slab_of
from events.types import (
    AccountInjection,
    AgentRegistration,
    AnyEvent,
    CrossRegionFiling,
    Drug,
    FaceObserved,
    Institution,
    Person,
    Reversal,
    StockMovement,
    Swipe,
    VisitorCorrection,
)

Corrections = dict[tuple[str, int], VisitorCorrection]
Moment = tuple[int, str]
"""A time and an id: the order of everything."""
Stock = tuple[str, str]
"""An institution and a drug."""
Weekday = tuple[str, int]
"""An institution and a local day of the week."""

Key = TypeVar("Key", bound=Hashable)


class Timeline(Generic[Key]):
    """Ids by key, each in order of (time, id)."""

    def __init__(self) -> None:
        self._moments: dict[Key, list[Moment]] = {}

    def add(self, key: Key, at_ms: int, name: str) -> None:
        """Adds an id under a key."""
        insort(self._moments.setdefault(key, []), (at_ms, name))

    def remove(self, key: Key, at_ms: int, name: str) -> None:
        """Removes an id that was added."""
        self._moments[key].remove((at_ms, name))

    def all(self, key: Key) -> Iterator[str]:
        """Yields all ids of a key."""
        return (name for _, name in self._moments.get(key, ()))

    def count(self, key: Key) -> int:
        """Returns how many ids a key has."""
        return len(self._moments.get(key, ()))

    def between(self, key: Key, first_ms: int, last_ms: int) -> Iterator[str]:
        """Yields the ids of a key from first to last, both inside."""
        moments = self._moments.get(key, [])
        start = bisect_left(moments, (first_ms, ""))
        end = bisect_right(moments, (last_ms + 1, ""))
        return (name for at_ms, name in moments[start:end] if at_ms <= last_ms)


class History:
    """Accepted events with an index for each key."""

    def __init__(self) -> None:
        self.swipes: dict[str, Swipe] = {}
        self.observations: dict[str, FaceObserved] = {}
        self.movements: dict[str, StockMovement] = {}
        self.people: dict[str, list[Person]] = defaultdict(list)
        self.institutions: dict[str, list[Institution]] = defaultdict(list)
        self.agents: dict[tuple[str, str], list[AgentRegistration]] = defaultdict(list)
        self.injections: dict[str, list[AccountInjection]] = defaultdict(list)
        self.filings: dict[str, list[CrossRegionFiling]] = defaultdict(list)
        self.drugs: dict[str, Drug] = {}
        self.reversals: dict[str, list[Reversal]] = defaultdict(list)
        self.corrections: Corrections = {}
        self.deleted: set[tuple[str, str]] = set()
        self.institutions_of: dict[str, set[str]] = defaultdict(set)
        self.by_person = Timeline[str]()
        self.by_till = Timeline[Till]()
        self.by_institution = Timeline[str]()
        self.by_weekday = Timeline[Weekday]()
        self.by_drug = Timeline[str]()
        self.by_stock = Timeline[Stock]()
        self.by_code = Timeline[str]()
        self._corrected: dict[str, list[int]] = defaultdict(list)
        self._weekday_of: dict[str, int] = {}
        self._observations_by_till = Timeline[Till]()
        self._movements_by_stock = Timeline[Stock]()

    def add_swipe(self, swipe: Swipe) -> None:
        """Adds a swipe."""
        at_ms, name = swipe.occurred_at_ms, swipe.settlement_id
        self.swipes[name] = swipe
        self.institutions_of[swipe.person_id].add(swipe.institution_id)
        self.by_person.add(swipe.person_id, at_ms, name)
        self.by_till.add(till_of(swipe), at_ms, name)
        self.by_institution.add(swipe.institution_id, at_ms, name)
        for drug_code in drugs_of(swipe):
            self.by_drug.add(drug_code, at_ms, name)
            self.by_stock.add((swipe.institution_id, drug_code), at_ms, name)
        for code in whole_pack_codes(swipe):
            self.by_code.add(code, at_ms, name)
        self._put_on_weekday(swipe)

    def add_institution(self, version: Institution) -> None:
        """Adds a version of an institution; its swipes from then on lie on the days of its zone."""
        self.institutions[version.institution_id].append(version)
        for name in self.by_institution.all(version.institution_id):
            if version.effective_from_ms <= self.swipes[name].occurred_at_ms:
                self._put_on_weekday(self.swipes[name])

    def add_observation(self, observed: FaceObserved) -> None:
        """Adds an observation."""
        self.observations[observed.event_id] = observed
        self._observations_by_till.add(till_of(observed), observed.occurred_at_ms, observed.event_id)

    def add_correction(self, correction: VisitorCorrection) -> None:
        """Adds a correction; the latest by (occurred_at_ms, event_id) holds."""
        if (correction.observation_id, correction.face_no) not in self.corrections:
            self._corrected[correction.observation_id].append(correction.face_no)
        keep_latest_correction(self.corrections, correction)

    def add_drug(self, drug: Drug) -> bool:
        """Adds what is known of a drug; returns whether anything that rules ask for has changed."""
        before = self.drugs.get(drug.drug_code)
        keep_latest_drug(self.drugs, drug)
        return _said_of(before) != _said_of(self.drugs[drug.drug_code])

    def add_movement(self, movement: StockMovement) -> StockMovement | None:
        """Adds a stock movement or deletion; returns the movement that now stands, or no longer, if there is one."""
        if movement.kind == "deletion":
            if movement.refers_to is None:
                return None
            self.deleted.add((movement.institution_id, movement.refers_to))
            removed = self.movements.get(movement.refers_to)
            return removed if removed and removed.institution_id == movement.institution_id else None
        stock = (movement.institution_id, movement.drug_code)
        self.movements[movement.event_id] = movement
        self._movements_by_stock.add(stock, movement.occurred_at_ms, movement.event_id)
        return movement if self._stands(movement) else None

    def swipes_of(self, names: Iterable[str]) -> Iterator[Swipe]:
        """Yields swipes by their settlement ids."""
        return map(self.swipes.__getitem__, names)

    def reversed_at_ms(self, swipe: Swipe) -> int | None:
        """Returns the time of the earliest matching reversal, or None for a swipe that stands."""
        reversals = self.reversals.get(swipe.settlement_id)
        if not reversals:
            return None
        return min((reversal.occurred_at_ms for reversal in reversals if matches(reversal, swipe)), default=None)

    def standing(self, names: Iterable[str]) -> Iterator[Swipe]:
        """Yields the swipes of these that are not reversed."""
        return (swipe for swipe in self.swipes_of(names) if self.reversed_at_ms(swipe) is None)

    def observed_at_till(self, till: Till, first_ms: int, last_ms: int) -> Iterator[FaceObserved]:
        """Yields the till's observations from first to last, both inside."""
        return map(self.observations.__getitem__, self._observations_by_till.between(till, first_ms, last_ms))

    def moved(self, stock: Stock, first_ms: int, last_ms: int) -> Iterator[StockMovement]:
        """Yields the standing movements from first to last, both inside."""
        names = self._movements_by_stock.between(stock, first_ms, last_ms)
        return filter(self._stands, map(self.movements.__getitem__, names))

    def latest_count_ms(self, stock: Stock, first_ms: int, last_ms: int) -> int:
        """Returns the time of the latest standing count from first to last, or first where there is none."""
        counts = [count.occurred_at_ms for count in self.moved(stock, first_ms, last_ms) if count.kind == "count"]
        return counts[-1] if counts else first_ms

    def weekday_of(self, settlement_id: str) -> int | None:
        """Returns the local day of the week (a number modulo 7) of a swipe, or None where no zone is in force."""
        return self._weekday_of.get(settlement_id)

    def slab(self, swipes: Iterable[Swipe], others: Iterable[AnyEvent], watermark_ms: int) -> Slab:
        """Returns the slab of these swipes, reversed or not, and observations and movements (repeats count once).

        With it come all references to the swipes' persons, institutions and drugs.
        """
        by_id = {swipe.settlement_id: swipe for swipe in swipes}
        beside = {event.event_id: event for event in others}
        undone = {name: self.reversed_at_ms(swipe) for name, swipe in by_id.items() if name in self.reversals}
        return slab_of(
            [*by_id.values(), *beside.values(), *self._references_of(by_id.values())],
            reversed_at_ms={name: at_ms for name, at_ms in undone.items() if at_ms is not None},
            corrections={
                (name, face_no): self.corrections[name, face_no].visitor_id
                for name in beside
                for face_no in self._corrected.get(name, ())
            },
            watermark_ms=watermark_ms,
        )

    def _references_of(self, swipes: Collection[Swipe]) -> Iterator[AnyEvent]:
        for person_id in {swipe.person_id for swipe in swipes}:
            yield from self.people.get(person_id, ())
            yield from self.injections.get(person_id, ())
            yield from self.filings.get(person_id, ())
        for institution_id in {swipe.institution_id for swipe in swipes}:
            yield from self.institutions.get(institution_id, ())
        for holder in {(swipe.institution_id, swipe.person_id) for swipe in swipes}:
            yield from self.agents.get(holder, ())
        for drug_code in {item.drug_code for swipe in swipes for item in swipe.items}:
            if drug_code in self.drugs:
                yield self.drugs[drug_code]

    def _stands(self, movement: StockMovement) -> bool:
        return (movement.institution_id, movement.event_id) not in self.deleted

    def _put_on_weekday(self, swipe: Swipe) -> None:
        """Puts a swipe on the day of the week that the versions known so far say."""
        at_ms, name = swipe.occurred_at_ms, swipe.settlement_id
        before, now = self._weekday_of.get(name), self._weekday(swipe)
        if before == now:
            return
        if before is not None:
            self.by_weekday.remove((swipe.institution_id, before), at_ms, name)
        if now is not None:
            self._weekday_of[name] = now
            self.by_weekday.add((swipe.institution_id, now), at_ms, name)

    def _weekday(self, swipe: Swipe) -> int | None:
        versions = self.institutions.get(swipe.institution_id, ())
        in_force = [version for version in versions if version.effective_from_ms <= swipe.occurred_at_ms]
        if not in_force:
            return None
        version = max(in_force, key=lambda version: (version.effective_from_ms, version.event_id))
        zone = ZoneInfo(version.time_zone or "Asia/Shanghai")
        return datetime.fromtimestamp(swipe.occurred_at_ms // 1000, UTC).astimezone(zone).weekday()


def till_of(event: Swipe | FaceObserved) -> Till:
    """Returns the till at which a swipe was made or an observation taken."""
    return (event.institution_id, event.till_id)


def drugs_of(swipe: Swipe) -> set[str]:
    """Returns the drugs of a swipe's items."""
    return {item.drug_code for item in swipe.items}


def keep_latest_correction(held: Corrections, correction: VisitorCorrection) -> None:
    """Puts a correction where no later one by (occurred_at_ms, event_id) is held."""
    key = (correction.observation_id, correction.face_no)
    other = held.get(key)
    if other is None or (other.occurred_at_ms, other.event_id) < (correction.occurred_at_ms, correction.event_id):
        held[key] = correction


def matches(reversal: Reversal, swipe: Swipe) -> bool:
    """Returns whether a reversal of this settlement names the swipe's institution and person too."""
    return reversal.institution_id == swipe.institution_id and reversal.person_id == swipe.person_id


def _said_of(drug: Drug | None) -> tuple[object, ...]:
    """Returns what rules ask of a drug."""
    if drug is None:
        return (None, None, None, None)
    return (drug.generic_code, drug.sex, drug.min_age_years, drug.max_age_years)
