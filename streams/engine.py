"""The engine: a batch of accepted events in, what changed out. Pure: no clock, no I/O.

For the keys that a batch touches it gathers their events around the anchors that may be affected, judges that slab and
compares with what stood. The findings that stand are a function of the set of events alone.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

import msgspec

from detectors.catalogue import Ruleset, judge, meeting_parameters, reach_of, scopes_of, tie_parameters
from detectors.rule import SCOPES, Reach, Scope
from detectors.slab import END_OF_TIME_MS, Slab, Till, whole_pack_codes
from detectors.ties import visitor_ties
from events.findings import Finding
from events.identity import identity_of
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
from streams.history import History, Stock, Weekday, drugs_of, matches, till_of
from streams.touched import ScopeKey, Touched, untouched

TICK = "time"
"""The cause of a change that came with the passing of time alone."""

WEEKDAYS = range(7)

TouchedScopes = Mapping[Scope, Touched]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a batch changed. `causes` names, by finding_id, the identity of an event that touched the finding's key."""

    raised: list[Finding] = field(default_factory=list)
    withdrawn: list[Finding] = field(default_factory=list)
    mismatched: list[Reversal] = field(default_factory=list)
    causes: dict[str, str] = field(default_factory=dict)


class Engine:
    """Keeps the history and the findings that stand under one ruleset."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.history = History()
        self._ruleset = ruleset
        self._tie = tie_parameters(ruleset)
        self._meeting = meeting_parameters(ruleset)
        self._reach: dict[Scope, Reach] = {scope: reach_of(ruleset, scope) for scope in SCOPES}
        self._asked_for = scopes_of(ruleset)
        if self._tie is not None:
            self._reach["till"] = _wider(self._reach["till"], self._tie.before, self._tie.after)
            self._asked_for |= {"till"}
        self._standing: dict[Scope, dict[ScopeKey, dict[str, Finding]]] = {scope: {} for scope in SCOPES}
        self._visitor_of: dict[str, str] = {}
        self._tied_to: dict[str, set[str]] = defaultdict(set)
        self._waiting: list[tuple[int, str]] = []
        self._watermark_ms = 0

    def standing(self) -> Iterator[Finding]:
        """Yields every finding that stands, in no particular order."""
        for keys in self._standing.values():
            for findings in keys.values():
                yield from findings.values()

    def waiting_until_ms(self) -> int | None:
        """Returns the time after which nothing given so far waits any more, or None when nothing waits."""
        return max(self._waiting)[0] if self._waiting else None

    def apply(self, events: Iterable[AnyEvent], watermark_ms: int) -> Changes:
        """Takes new events and a later watermark; returns what changed.

        Args:
            events: accepted events, none of which was given before.
            watermark_ms: time has passed up to here; what waited for it is decided. An earlier one than before
                changes nothing: what was decided stays decided.
        """
        watermark_ms = self._watermark_ms = max(self._watermark_ms, watermark_ms)
        touched = untouched(self._reach, self._asked_for)
        changes = Changes()
        for event in events:
            self._take(event, touched, changes)
        self._wake(touched["till"], watermark_ms)
        for scope in SCOPES:
            if not touched[scope].keys:
                continue
            slab = self._slab(scope, touched[scope])
            if scope == "till":  # before the visitors, who stand after it in SCOPES
                self._tie_visitors(touched["till"], touched["visitor"], slab)
            self._judge(scope, touched[scope], slab, changes)
        return changes

    # ------------------------------------------------------------------------------------------ what an event touches

    def _take(self, event: AnyEvent, touched: TouchedScopes, changes: Changes) -> None:
        """Adds one event to the history and notes the keys and anchors it may affect."""
        cause = identity_of(event)
        match event:
            case Swipe():
                self._take_swipe(event, cause, touched, changes)
            case Reversal():
                self._take_reversal(event, cause, touched, changes)
            case FaceObserved():
                self.history.add_observation(event)
                touched["till"].event(till_of(event), event.occurred_at_ms, cause)
            case VisitorCorrection():
                self._take_correction(event, cause, touched["till"])
            case StockMovement():
                self._take_movement(event, cause, touched["stock"])
            case Institution():
                self._take_institution(event, cause, touched)
            case AgentRegistration():
                self._take_agent(event, cause, touched["till"])
            case Drug():
                self._take_drug(event, cause, touched["person"])
            case Person() | AccountInjection() | CrossRegionFiling():
                self._take_of_person(event, cause, touched)

    def _take_of_person(
        self, event: Person | AccountInjection | CrossRegionFiling, cause: str, touched: TouchedScopes
    ) -> None:
        match event:
            case Person():
                self._take_person(event, cause, touched)
            case AccountInjection():
                self.history.injections[event.person_id].append(event)
                touched["person"].event(event.person_id, event.occurred_at_ms, cause)
            case CrossRegionFiling():
                self.history.filings[event.person_id].append(event)
                ends_ms = END_OF_TIME_MS if event.ends_ms is None else event.ends_ms
                touched["person"].anchors(event.person_id, event.starts_ms, ends_ms, cause)

    def _take_swipe(self, swipe: Swipe, cause: str, touched: TouchedScopes, changes: Changes) -> None:
        self.history.add_swipe(swipe)
        heapq.heappush(self._waiting, (swipe.occurred_at_ms + self._reach["till"].waits_ms, swipe.settlement_id))
        early = self.history.reversals.get(swipe.settlement_id, ())
        changes.mismatched.extend(reversal for reversal in early if not matches(reversal, swipe))
        self._touch_swipe(swipe, cause, touched)

    def _take_reversal(self, reversal: Reversal, cause: str, touched: TouchedScopes, changes: Changes) -> None:
        self.history.reversals[reversal.settlement_id].append(reversal)
        swipe = self.history.swipes.get(reversal.settlement_id)
        if swipe is None:
            return
        if matches(reversal, swipe):
            self._touch_swipe(swipe, cause, touched)
        else:
            changes.mismatched.append(reversal)

    def _take_person(self, version: Person, cause: str, touched: TouchedScopes) -> None:
        """Whoever changes may be another buyer, of another status, and no longer of a household with whom they met."""
        self.history.people[version.person_id].append(version)
        from_ms = version.effective_from_ms
        touched["person"].anchors(version.person_id, from_ms, END_OF_TIME_MS, cause)
        meeting_ms = 0 if self._meeting is None else self._meeting.meeting
        names = self.history.by_person.between(version.person_id, from_ms - meeting_ms, END_OF_TIME_MS)
        for swipe in self.history.swipes_of(names):
            self._touch_meetings(swipe, cause, touched["pair"])
            if from_ms <= swipe.occurred_at_ms:
                self._touch_place(swipe, cause, touched)

    def _take_institution(self, version: Institution, cause: str, touched: TouchedScopes) -> None:
        """A place that changes may have other hours and another position, region, agreement and local day."""
        self.history.add_institution(version)
        from_ms = version.effective_from_ms
        for weekday in WEEKDAYS:
            touched["weekday"].anchors((version.institution_id, weekday), from_ms, END_OF_TIME_MS, cause)
        names = self.history.by_institution.between(version.institution_id, from_ms, END_OF_TIME_MS)
        for swipe in self.history.swipes_of(names):
            touched["person"].event(swipe.person_id, swipe.occurred_at_ms, cause)
            touched["till"].anchors(till_of(swipe), swipe.occurred_at_ms, swipe.occurred_at_ms, cause)

    def _take_agent(self, agent: AgentRegistration, cause: str, tills: Touched) -> None:
        """An agent matters to the swipe that the registration names, or if it names none to those around it."""
        self.history.agents[agent.institution_id, agent.holder_person_id].append(agent)
        names: Iterable[str] = (name for name in (agent.settlement_id,) if name in self.history.swipes)
        if agent.settlement_id is None:
            at_ms, reach = agent.occurred_at_ms, self._reach["till"]
            names = self.history.by_person.between(
                agent.holder_person_id, at_ms - reach.ahead_ms, at_ms + reach.back_ms
            )
        for swipe in self.history.swipes_of(names):
            if (swipe.institution_id, swipe.person_id) == (agent.institution_id, agent.holder_person_id):
                tills.anchors(till_of(swipe), swipe.occurred_at_ms, swipe.occurred_at_ms, cause)

    def _take_drug(self, drug: Drug, cause: str, people: Touched) -> None:
        if self.history.add_drug(drug):
            for swipe in self.history.swipes_of(self.history.by_drug.all(drug.drug_code)):
                people.event(swipe.person_id, swipe.occurred_at_ms, cause)

    def _take_movement(self, movement: StockMovement, cause: str, stocks: Touched) -> None:
        changed = self.history.add_movement(movement)
        if changed is not None:
            stocks.event((changed.institution_id, changed.drug_code), changed.occurred_at_ms, cause)

    def _take_correction(self, correction: VisitorCorrection, cause: str, tills: Touched) -> None:
        self.history.add_correction(correction)
        observed = self.history.observations.get(correction.observation_id)
        if observed is not None:
            tills.event(till_of(observed), observed.occurred_at_ms, cause)

    def _touch_swipe(self, swipe: Swipe, cause: str, touched: TouchedScopes) -> None:
        at_ms = swipe.occurred_at_ms
        touched["person"].event(swipe.person_id, at_ms, cause)
        self._touch_place(swipe, cause, touched)
        self._touch_meetings(swipe, cause, touched["pair"])
        weekday = self.history.weekday_of(swipe.settlement_id)
        if weekday is not None:
            touched["weekday"].event((swipe.institution_id, weekday), at_ms, cause)
        for drug_code in drugs_of(swipe):
            touched["stock"].event((swipe.institution_id, drug_code), at_ms, cause)
        for code in whole_pack_codes(swipe):
            if self.history.by_code.count(code) > 1:  # a code of one swipe is nothing to any rule
                touched["trace_code"].event(code, at_ms, cause)

    def _touch_place(self, swipe: Swipe, cause: str, touched: TouchedScopes) -> None:
        """Touches where a buyer counts: the till, and the visitor who stood there."""
        touched["till"].event(till_of(swipe), swipe.occurred_at_ms, cause)
        visitor_id = self._visitor_of.get(swipe.settlement_id)
        if visitor_id is not None:
            touched["visitor"].event(visitor_id, swipe.occurred_at_ms, cause)

    def _touch_meetings(self, swipe: Swipe, cause: str, pairs: Touched) -> None:
        """Touches the pairs that the swipe's person makes with whoever is at the till then.

        Two who have not been at enough institutions cannot have met at enough; once they have, the swipe that made it
        so touches them.
        """
        if self._meeting is None:
            return
        at_ms, within_ms = swipe.occurred_at_ms, self._meeting.meeting
        frequented = self.history.institutions_of[swipe.person_id]
        names = self.history.by_till.between(till_of(swipe), at_ms - within_ms, at_ms + within_ms)
        for other in self.history.swipes_of(names):
            shared = frequented & self.history.institutions_of[other.person_id]
            if other.person_id != swipe.person_id and len(shared) >= self._meeting.institutions:
                one, two = sorted((swipe.person_id, other.person_id))
                pairs.event((one, two), max(at_ms, other.occurred_at_ms), cause)

    def _wake(self, tills: Touched, watermark_ms: int) -> None:
        """Touches the anchors that have waited for time to pass up to now."""
        while self._waiting and self._waiting[0][0] < watermark_ms:
            swipe = self.history.swipes[heapq.heappop(self._waiting)[1]]
            tills.anchors(till_of(swipe), swipe.occurred_at_ms, swipe.occurred_at_ms, TICK)

    # --------------------------------------------------------------------------------------------- slabs of the touched

    def _slab(self, scope: Scope, touched: Touched) -> Slab:
        """Returns the slab of all that the touched anchors of a scope depend on."""
        swipes: list[Swipe] = []
        others: list[AnyEvent] = []
        for key, reached_ms, last_ms in touched.spans():
            first_ms = self._first_needed_ms(cast("Stock", key), reached_ms) if scope == "stock" else reached_ms
            swipes.extend(self._swipes_of(scope, key, first_ms, last_ms))
            if scope == "till":
                others.extend(self.history.observed_at_till(cast("Till", key), first_ms, last_ms))
            elif scope == "stock":
                others.extend(self.history.moved(cast("Stock", key), first_ms, last_ms))
        if scope == "visitor":
            others.extend(self._observed_around(swipes))
        return self.history.slab(swipes, others, self._watermark_ms)

    def _first_needed_ms(self, stock: Stock, reached_ms: int) -> int:
        """Returns the time of the latest count before the first touched anchor: for none of them counts what is older.

        Without a count it is how far the first anchor reaches back.
        """
        return self.history.latest_count_ms(stock, reached_ms, reached_ms + self._reach["stock"].back_ms)

    def _swipes_of(self, scope: Scope, key: ScopeKey, first_ms: int, last_ms: int) -> Iterator[Swipe]:
        """Returns the swipes of a key from first to last: those that stand, and for persons the reversed ones too."""
        history = self.history
        match scope:
            case "person":
                return history.swipes_of(history.by_person.between(str(key), first_ms, last_ms))
            case "till":
                return history.standing(history.by_till.between(cast("Till", key), first_ms, last_ms))
            case "weekday":
                return history.standing(history.by_weekday.between(cast("Weekday", key), first_ms, last_ms))
            case "stock":
                return history.standing(history.by_stock.between(cast("Stock", key), first_ms, last_ms))
            case "trace_code":
                return history.standing(history.by_code.between(str(key), first_ms, last_ms))
            case "pair":
                both = (history.by_person.between(str(name), first_ms, last_ms) for name in key)
                return history.standing(name for names in both for name in names)
            case "visitor":
                tied = history.standing(self._tied_to.get(str(key), ()))
                return (swipe for swipe in tied if first_ms <= swipe.occurred_at_ms <= last_ms)

    def _observed_around(self, swipes: Iterable[Swipe]) -> Iterator[FaceObserved]:
        reach = self._reach["till"]
        for swipe in swipes:
            first_ms, last_ms = swipe.occurred_at_ms - reach.back_ms, swipe.occurred_at_ms + reach.ahead_ms
            yield from self.history.observed_at_till(till_of(swipe), first_ms, last_ms)

    def _tie_visitors(self, tills: Touched, visitors: Touched, slab: Slab) -> None:
        """Ties the touched swipes to visitors anew; where a tie has changed, both visitors are touched."""
        if self._tie is None:
            return
        codes = visitor_ties(slab, self._tie).tolist()
        names = slab.swipes.settlement_id.tolist()
        tied = {name: slab.visitors.names[code] for name, code in zip(names, codes, strict=True) if code >= 0}
        for till, touch in tills.keys.items():
            at_till = self.history.by_till.between(cast("Till", till), touch.first_ms, touch.last_ms)
            for swipe in self.history.swipes_of(at_till):
                self._tie_visitor(swipe, tied.get(swipe.settlement_id), visitors, touch.cause)

    def _tie_visitor(self, swipe: Swipe, visitor_id: str | None, visitors: Touched, cause: str) -> None:
        before = self._visitor_of.pop(swipe.settlement_id, None)
        if before is not None:
            self._tied_to[before].discard(swipe.settlement_id)
        if visitor_id is not None:
            self._visitor_of[swipe.settlement_id] = visitor_id
            self._tied_to[visitor_id].add(swipe.settlement_id)
        for changed in {before, visitor_id} if before != visitor_id else ():
            if changed is not None:
                visitors.event(changed, swipe.occurred_at_ms, cause)

    # ------------------------------------------------------------------------------------------------ what has changed

    def _judge(self, scope: Scope, touched: Touched, slab: Slab, changes: Changes) -> None:
        """Judges the slab and replaces what stood at the touched anchors; the differences go to `changes`."""
        found: dict[ScopeKey, dict[str, Finding]] = defaultdict(dict)
        for finding in judge(slab, self._ruleset, (scope,)):
            key = self._key_of(scope, finding)
            if touched.may_change(key, finding.occurred_at_ms):
                found[key][finding.finding_id] = finding
        for key, touch in touched.keys.items():
            stood = self._standing[scope].setdefault(key, {})
            affected = [name for name, finding in stood.items() if touch.holds(finding.occurred_at_ms)]
            self._replace(stood, affected, found.get(key, {}), touch.cause, changes)
            if not stood:
                del self._standing[scope][key]

    @staticmethod
    def _replace(
        stood: dict[str, Finding], affected: list[str], found: Mapping[str, Finding], cause: str, changes: Changes
    ) -> None:
        for name in affected:
            if name not in found:
                changes.withdrawn.append(msgspec.structs.replace(stood.pop(name), status="withdrawn"))
                changes.causes[name] = cause
        for name, finding in found.items():
            if stood.get(name) != finding:
                stood[name] = finding
                changes.raised.append(finding)
                changes.causes[name] = cause

    def _key_of(self, scope: Scope, finding: Finding) -> ScopeKey:
        """Returns the key of its scope that a finding of the slab belongs to."""
        swipe, key = self.history.swipes[finding.settlement_id], finding.key
        match scope:
            case "person":
                return swipe.person_id
            case "till":
                return till_of(swipe)
            case "visitor":
                return self._visitor_of[finding.settlement_id]
            case "weekday":
                return (swipe.institution_id, self.history.weekday_of(finding.settlement_id) or 0)
            case "stock":
                return (swipe.institution_id, str(key["drug_code"]))
            case "trace_code":
                return str(key["trace_code"])
            case "pair":
                one, two = list(key["persons"])
                return (one, two)


def _wider(reach: Reach, back_ms: int, ahead_ms: int) -> Reach:
    return Reach(back_ms=max(reach.back_ms, back_ms), ahead_ms=max(reach.ahead_ms, ahead_ms), waits_ms=reach.waits_ms)
