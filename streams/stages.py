"""The stages of the flow, each over what one partition keeps.

Stage 0 (by settlement and observation) joins swipes with reversals and observations with corrections. The person stage
adds households. The institution stage finds meetings and sightings. Trace codes, pairs and visitors come last. Rows
may come in any order and again: the stores keep what says most.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from detectors.local_time import DAY_MS
from detectors.meetings import LONGEST_MEETING_MS, MeetingReach
from detectors.rule import Reach, Scope
from detectors.slab import END_OF_TIME_MS, Till
from detectors.windows import Int64s
from events.identity import identity_of
from events.types import (
    AccountInjection,
    AgentRegistration,
    Drug,
    FaceObserved,
    Institution,
    Person,
    Reversal,
    StockMovement,
    Swipe,
    VisitorCorrection,
)
from streams.changes import TICK
from streams.gathering import Gathering, Stores, visitors_in
from streams.parcels import CausedRow, Observation, PersonFact, PlaceFact
from streams.rows import Home, SwipeRow, row_of
from streams.store.meetings import Pair
from streams.touched import Touched

TouchedScopes = Mapping[Scope, Touched]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """Two swipes, by their rows where they were found, of two persons within minutes at one till."""

    pair: Pair
    one: int
    other: int
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A swipe, by its row where it was found, around which a visitor was seen, and all that was seen around it."""

    visitor_id: str
    swipe: int
    observations: Sequence[Observation]
    cause: str


def matches(reversal: Reversal, row: SwipeRow) -> bool:
    """Returns whether a reversal of this settlement names the swipe's institution and person too."""
    return reversal.institution_id == row.institution_id and reversal.person_id == row.person_id


class JoinStage:
    """Stage 0: keyed by settlement, and by observation."""

    def __init__(self, stores: Stores) -> None:
        self._swipes, self._facts = stores.swipes, stores.facts

    def join_swipes(self, events: Sequence[Swipe | Reversal]) -> tuple[list[CausedRow], list[Reversal]]:
        """Returns the rows of the swipes that are new or newly reversed, and the reversals that fit no swipe of theirs.

        A reversal whose swipe is not known yet waits for it.
        """
        rows: dict[str, SwipeRow] = {}
        causes: dict[str, str] = {}
        undone: dict[str, list[Reversal]] = {}
        for event in events:
            causes[event.settlement_id] = identity_of(event)
            if isinstance(event, Swipe):
                rows[event.settlement_id] = row_of(event)
            else:
                undone.setdefault(event.settlement_id, []).append(event)
                self._facts.add_reversal(event)
        reversals = self._facts.reversals_of(causes)
        known = self._known([name for name in undone if name not in rows])
        mismatched = [r for name, row in known.items() for r in undone[name] if not matches(r, row)]
        mismatched += [r for name, row in rows.items() for r in reversals.get(name, ()) if not matches(r, row)]
        joined = {name: _undone(row, reversals.get(name, ())) for name, row in {**known, **rows}.items()}
        return [CausedRow(row=row, cause=causes[name]) for name, row in joined.items()], mismatched

    def remember(self, rows: Sequence[CausedRow]) -> None:
        """Keeps swipes, so that a later reversal finds them."""
        self._swipes.put([caused.row for caused in rows])

    def join_observations(self, events: Sequence[FaceObserved | VisitorCorrection]) -> list[Observation]:
        """Returns the observations that are new or newly corrected; a correction may wait for its observation."""
        causes: dict[str, str] = {}
        for event in events:
            if isinstance(event, FaceObserved):
                self._facts.add_observation(event)
                causes[event.event_id] = identity_of(event)
            else:
                self._facts.add_correction(event)
                causes[event.observation_id] = identity_of(event)
        corrections = self._facts.corrections_of(causes)
        joined = []
        for name, cause in causes.items():
            observed = self._facts.observation(name)
            if observed is not None:
                joined.append(Observation(observed=observed, corrections=tuple(corrections.get(name, ())), cause=cause))
        return joined

    def _known(self, settlement_ids: Sequence[str]) -> dict[str, SwipeRow]:
        found = self._swipes.find(settlement_ids)
        return {row.settlement_id: row for row in self._swipes.rows(found[found >= 0])}


def _undone(row: SwipeRow, reversals: Iterable[Reversal]) -> SwipeRow:
    times = [reversal.occurred_at_ms for reversal in reversals if matches(reversal, row)]
    if len(times) <= row.reversals:
        return row
    return msgspec.structs.replace(row, reversals=len(times), reversed_at_ms=min(times))


class PersonStage:
    """Keyed by person: what somebody buys, and of which household they are then.

    Args:
        owns: whether a person is this partition's.
    """

    def __init__(self, stores: Stores, gathering: Gathering, owns: Callable[[str], bool]) -> None:
        self._swipes, self._facts, self._gathering = stores.swipes, stores.facts, gathering
        self._owns = owns

    def take_reference(self, event: Institution | Drug, cause: str, touched: TouchedScopes, *, is_news: bool) -> None:
        """Touches the persons who swiped there, or bought the drug, if that is news."""
        if isinstance(event, Institution):
            _, rows = self._gathering.at_institutions([(event.institution_id, event.effective_from_ms, END_OF_TIME_MS)])
        else:
            rows = self._swipes.of_drugs([event.drug_code]) if is_news else np.zeros(0, dtype=np.int64)
        times_ms = self._swipes.time_ms(rows).tolist()
        for person_id, at_ms in zip(self._swipes.text("person_id", rows), times_ms, strict=True):
            if self._owns(person_id):
                _touch_person(touched, person_id, at_ms, cause)

    def take(self, facts: Sequence[PersonFact], rows: Sequence[CausedRow], touched: TouchedScopes) -> list[CausedRow]:
        """Takes facts and rows of its persons; returns the rows as the institutions need them."""
        moved: dict[str, tuple[int, str]] = {}
        for fact in facts:
            self._take_fact(fact, moved, touched)
        versions = self._facts.versions_of(dict.fromkeys([*moved, *(caused.row.person_id for caused in rows)]))
        placed = [CausedRow(row=self._at_home(caused.row, versions), cause=caused.cause) for caused in rows]
        rehoused = self._rehoused(moved, versions)
        for caused in placed:
            _touch_person(touched, caused.row.person_id, caused.row.occurred_at_ms, caused.cause)
        self._swipes.put([caused.row for caused in (*placed, *rehoused)])
        return [*rehoused, *placed]

    def _take_fact(self, fact: PersonFact, moved: dict[str, tuple[int, str]], touched: TouchedScopes) -> None:
        cause = identity_of(fact)
        if isinstance(fact, Person):
            self._facts.add_version(fact)
            first_ms = min(fact.effective_from_ms, moved.get(fact.person_id, (END_OF_TIME_MS, ""))[0])
            moved[fact.person_id] = (first_ms, cause)
            touched["person"].anchors(fact.person_id, fact.effective_from_ms, END_OF_TIME_MS, cause)
            return
        self._facts.add_of_person(fact)
        if isinstance(fact, AccountInjection):
            touched["person"].event(fact.person_id, fact.occurred_at_ms, cause)
        else:
            ends_ms = END_OF_TIME_MS if fact.ends_ms is None else fact.ends_ms
            touched["person"].anchors(fact.person_id, fact.starts_ms, ends_ms, cause)

    def _rehoused(
        self, moved: Mapping[str, tuple[int, str]], versions: Mapping[str, Sequence[Person]]
    ) -> list[CausedRow]:
        """Returns the rows whose person turns out to be of another household."""
        persons = list(moved)
        owner, rows = self._swipes.of_persons(persons)
        since_ms = np.array([moved[name][0] - LONGEST_MEETING_MS for name in persons], dtype=np.int64)
        late = self._swipes.time_ms(rows) >= since_ms[owner] if len(rows) else np.zeros(0, dtype=np.bool_)
        changed = [
            (row, moved[persons[number]][1])
            for number, row, at_ms in zip(
                owner[late].tolist(), rows[late].tolist(), self._swipes.time_ms(rows[late]).tolist(), strict=True
            )
            if self._swipes.homes(row)[1] != homes_at(versions[persons[number]], at_ms)
        ]
        known = self._swipes.rows(np.array([row for row, _ in changed], dtype=np.int64))
        return [
            CausedRow(row=self._at_home(row, versions), cause=cause)
            for row, (_, cause) in zip(known, changed, strict=True)
        ]

    def _at_home(self, row: SwipeRow, versions: Mapping[str, Sequence[Person]]) -> SwipeRow:
        known = versions.get(row.person_id, ())
        if not known:
            return row
        homes = homes_at(known, row.occurred_at_ms)
        return msgspec.structs.replace(row, versions=len(known), homes=homes)


def homes_at(versions: Sequence[Person], at_ms: int) -> tuple[Home, ...]:
    """Returns the household in force at a time, and those that follow it while a meeting may last."""
    in_order = sorted(versions, key=lambda version: (version.effective_from_ms, version.event_id))
    before = [version.household_id for version in in_order if version.effective_from_ms <= at_ms]
    homes: dict[int, str | None] = {at_ms: before[-1] if before else None}
    for version in in_order:
        if at_ms < version.effective_from_ms <= at_ms + LONGEST_MEETING_MS:
            homes[version.effective_from_ms] = version.household_id
    return tuple(homes.items())


def _touch_person(touched: TouchedScopes, person_id: str, at_ms: int, cause: str) -> None:
    touched["person"].event(person_id, at_ms, cause)
    touched["supply"].event(person_id, at_ms, cause)


class InstitutionStage:
    """Keyed by institution: tills, cameras, stock, and who meets whom.

    Args:
        tie: how far from a swipe the faces lie that may tie it to a visitor; None where nobody asks.
        meeting: what a meeting may be at most; None where nobody asks.
    """

    def __init__(self, stores: Stores, gathering: Gathering) -> None:
        self._swipes, self._facts, self._gathering = stores.swipes, stores.facts, gathering
        self.tie: Reach | None = None
        self.meeting: MeetingReach | None = None
        self._waiting: list[tuple[int, int]] = []

    def waiting_until_ms(self) -> int | None:
        """Returns the time after which nothing given so far waits any more, or None when nothing waits."""
        return max(self._waiting)[0] if self._waiting else None

    def take_reference(self, version: Institution, cause: str, touched: TouchedScopes) -> None:
        """A place that changes may have other hours and another agreement and local day."""
        name, from_ms = version.institution_id, version.effective_from_ms
        self._gathering.forget_days(name)
        for scope in ("institution", "weekday"):
            touched[scope].anchors(name, from_ms, END_OF_TIME_MS, cause)
        _, rows = self._gathering.at_institutions([(name, from_ms, END_OF_TIME_MS)])
        for till in dict.fromkeys(self._swipes.tills(rows)):
            touched["till"].anchors(till, from_ms, END_OF_TIME_MS, cause)

    def take_fact(self, fact: PlaceFact, touched: TouchedScopes) -> None:
        """Takes an agent or a stock movement."""
        cause = identity_of(fact)
        if isinstance(fact, StockMovement):
            changed = self._facts.add_movement(fact)
            if changed is not None:
                touched["stock"].event((changed.institution_id, changed.drug_code), changed.occurred_at_ms, cause)
            return
        self._facts.add_agent(fact)
        for row in self._concerned(fact, touched["till"].reach).tolist():
            [till], [at_ms] = self._swipes.tills(np.array([row])), self._swipes.time_ms(np.array([row])).tolist()
            touched["till"].anchors(till, at_ms, at_ms, cause)

    def _concerned(self, agent: AgentRegistration, reach: Reach) -> Int64s:
        """Returns the holder's swipes there that an agent matters to: the one it names, or those around it."""
        if agent.settlement_id is not None:
            rows = self._swipes.find([agent.settlement_id])
            rows = rows[rows >= 0]
        else:
            at_ms = agent.occurred_at_ms
            _, rows = self._gathering.at_institutions(
                [(agent.institution_id, at_ms - reach.ahead_ms, at_ms + reach.back_ms)]
            )
        who = zip(self._swipes.text("institution_id", rows), self._swipes.text("person_id", rows), strict=True)
        named = (agent.institution_id, agent.holder_person_id)
        return rows[np.fromiter((one == named for one in who), np.bool_, len(rows))]

    def take(
        self, observations: Sequence[Observation], rows: Sequence[CausedRow], touched: TouchedScopes, watermark_ms: int
    ) -> tuple[list[Meeting], list[Sighting]]:
        """Takes what was seen and swiped; returns the meetings and sightings that it makes or concerns."""
        for observation in observations:
            self._facts.add_observation(observation.observed)
            for correction in observation.corrections:
                self._facts.add_correction(correction)
            touched["till"].event(_till_of(observation), observation.observed.occurred_at_ms, observation.cause)
        placed = self._swipes.put([caused.row for caused in rows])
        causes = dict(zip(placed.tolist(), [caused.cause for caused in rows], strict=True))
        for at, caused in zip(placed.tolist(), rows, strict=True):
            self._touch(at, caused.row, caused.cause, touched, watermark_ms)
        return self.follow(causes, self._seen_by(observations))

    def follow(
        self, causes: Mapping[int, str], seen: Mapping[int, str] | None = None
    ) -> tuple[list[Meeting], list[Sighting]]:
        """Returns the meetings of swipes, and the sightings of them and of those that were seen; each with a cause."""
        return list(self._meetings(causes)), list(self._sightings({**causes, **(seen or {})}))

    def _touch(self, at: int, row: SwipeRow, cause: str, touched: TouchedScopes, watermark_ms: int) -> None:
        at_ms, name = row.occurred_at_ms, row.institution_id
        touched["till"].event((name, row.till_id), at_ms, cause)
        touched["institution"].event(name, at_ms, cause)
        touched["weekday"].event(name, at_ms, cause)
        for item in row.items:
            touched["stock"].event((name, item.drug_code), at_ms, cause)
        self._gathering.forget_days(name, at_ms // DAY_MS, at_ms // DAY_MS)
        until_ms = at_ms + touched["till"].reach.waits_ms
        if until_ms >= watermark_ms:
            heapq.heappush(self._waiting, (until_ms, at))

    def wake(self, touched: Touched, watermark_ms: int) -> None:
        """Touches the anchors that have waited for time to pass up to now."""
        woken = []
        while self._waiting and self._waiting[0][0] < watermark_ms:
            woken.append(heapq.heappop(self._waiting)[1])
        rows = np.array(woken, dtype=np.int64)
        for till, at_ms in zip(self._swipes.tills(rows), self._swipes.time_ms(rows).tolist(), strict=True):
            touched.anchors(till, at_ms, at_ms, TICK)

    def await_again(self, waits_ms: int, watermark_ms: int) -> None:
        """Waits for what is to be decided yet, after a start or with other rules."""
        every = np.arange(len(self._swipes), dtype=np.int64)
        until_ms = self._swipes.time_ms(every) + waits_ms
        late = np.flatnonzero(until_ms >= watermark_ms)
        self._waiting = list(zip(until_ms[late].tolist(), late.tolist(), strict=True))
        heapq.heapify(self._waiting)

    def _meetings(self, causes: Mapping[int, str]) -> Iterator[Meeting]:
        if self.meeting is None or not causes:
            return
        rows, others = self._gathering.neighbours(np.array(list(causes), dtype=np.int64), self.meeting.meeting_ms)
        apart = self._swipes.code("person_id", rows) != self._swipes.code("person_id", others)
        rows, others = rows[apart], others[apart]
        names = zip(self._swipes.text("person_id", rows), self._swipes.text("person_id", others), strict=True)
        for (name, other_name), row, other in zip(names, rows.tolist(), others.tolist(), strict=True):
            pair = (name, other_name) if name < other_name else (other_name, name)
            yield Meeting(pair=pair, one=row, other=other, cause=causes[row])

    def _seen_by(self, observations: Sequence[Observation]) -> dict[int, str]:
        """Returns the swipes that any of the observations may tie to a visitor, and because of which event."""
        if self.tie is None or not observations:
            return {}
        spans = []
        for observation in observations:
            at_ms = observation.observed.occurred_at_ms
            spans.append((_till_of(observation), at_ms - self.tie.ahead_ms, at_ms + self.tie.back_ms))
        owner, rows = self._gathering.at_tills(spans)
        return {row: observations[number].cause for number, row in zip(owner.tolist(), rows.tolist(), strict=True)}

    def _sightings(self, causes: Mapping[int, str]) -> Iterator[Sighting]:
        """Yields, for each visitor that was ever seen around one of the swipes, the swipe and all around it."""
        if self.tie is None:
            return
        rows = np.array(list(causes), dtype=np.int64)
        tills, times_ms = self._swipes.tills(rows), self._swipes.time_ms(rows).tolist()
        spans = [
            (till, at_ms - self.tie.back_ms, at_ms + self.tie.ahead_ms)
            for till, at_ms in zip(tills, times_ms, strict=True)
        ]
        observed = self._facts.observed_at(spans)
        corrections = self._facts.corrections_of(observed)
        at_till: dict[Till, list[Observation]] = {}
        for name, one in observed.items():
            seen = Observation(observed=one, corrections=tuple(corrections.get(name, ())), cause="")
            at_till.setdefault(_till_of(seen), []).append(seen)
        for row, (till, first_ms, last_ms) in zip(rows.tolist(), spans, strict=True):
            around = [o for o in at_till.get(till, ()) if first_ms <= o.observed.occurred_at_ms <= last_ms]
            for visitor_id in sorted({name for o in around for name in visitors_in(o.observed, o.corrections)}):
                yield Sighting(visitor_id=visitor_id, swipe=row, observations=around, cause=causes[row])


def _till_of(observation: Observation) -> Till:
    return (observation.observed.institution_id, observation.observed.till_id)
