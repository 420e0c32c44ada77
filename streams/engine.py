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

from detectors.catalogue import Ruleset, judge, reach_of, tie_parameters
from detectors.rule import Reach, Scope
from detectors.slab import Slab, Till
from detectors.ties import visitor_ties
from events.findings import Finding
from events.identity import identity_of
from events.types import (
    AgentRegistration,
    AnyEvent,
    FaceObserved,
    Institution,
    Person,
    Reversal,
    Swipe,
    VisitorCorrection,
)
from streams.history import History, matches, till_of

TICK = "time"
"""The cause of a change that came with the passing of time alone."""

ScopeKey = str | Till
SCOPES: tuple[Scope, ...] = ("person", "till", "visitor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a batch changed. `causes` names, by finding_id, the identity of an event that touched the finding's key."""

    raised: list[Finding] = field(default_factory=list)
    withdrawn: list[Finding] = field(default_factory=list)
    mismatched: list[Reversal] = field(default_factory=list)
    causes: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Touch:
    """Anchors of one key that may be affected, first to last both inside, and by what."""

    first_ms: int
    last_ms: int
    cause: str

    def widen(self, first_ms: int, last_ms: int, cause: str) -> None:
        self.first_ms, self.last_ms = min(self.first_ms, first_ms), max(self.last_ms, last_ms)
        self.cause = cause


class _Touched:
    """Touched keys of one scope."""

    def __init__(self, reach: Reach) -> None:
        self.reach = reach
        self.keys: dict[ScopeKey, _Touch] = {}

    def event(self, key: ScopeKey, occurred_at_ms: int, cause: str) -> None:
        """An event happened here: anchors from `ahead` before it to `back` after it may change."""
        self.anchors(key, occurred_at_ms - self.reach.ahead_ms, occurred_at_ms + self.reach.back_ms, cause)

    def anchors(self, key: ScopeKey, first_ms: int, last_ms: int, cause: str) -> None:
        """Anchors from first to last, both inside, may change."""
        if key in self.keys:
            self.keys[key].widen(first_ms, last_ms, cause)
        else:
            self.keys[key] = _Touch(first_ms, last_ms, cause)

    def may_change(self, key: ScopeKey, anchor_ms: int) -> bool:
        """Returns whether this key's anchor at this time is among the touched."""
        touch = self.keys.get(key)
        return touch is not None and touch.first_ms <= anchor_ms <= touch.last_ms

    def spans(self) -> Iterator[tuple[ScopeKey, int, int]]:
        """Yields each key with the first and the last time of events that its touched anchors depend on."""
        for key, touch in self.keys.items():
            yield key, touch.first_ms - self.reach.back_ms, touch.last_ms + self.reach.ahead_ms


_TouchedScopes = Mapping[Scope, _Touched]


class Engine:
    """Keeps the history and the findings that stand under one ruleset."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.history = History()
        self._ruleset = ruleset
        self._tie = tie_parameters(ruleset)
        self._reach: dict[Scope, Reach] = {scope: reach_of(ruleset, scope) for scope in SCOPES}
        if self._tie is not None:
            self._reach["till"] = _wider(self._reach["till"], self._tie.before, self._tie.after)
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
        touched = {scope: _Touched(self._reach[scope]) for scope in SCOPES}
        changes = Changes()
        for event in events:
            self._take(event, touched, changes)
        self._wake(touched["till"], watermark_ms)
        self._judge("person", touched["person"], self._person_slab(touched["person"], watermark_ms), changes)
        till_slab = self._till_slab(touched["till"], watermark_ms)
        self._judge("till", touched["till"], till_slab, changes)
        self._tie_visitors(touched["till"], touched["visitor"], till_slab)
        self._judge("visitor", touched["visitor"], self._visitor_slab(touched["visitor"], watermark_ms), changes)
        return changes

    def _take(self, event: AnyEvent, touched: _TouchedScopes, changes: Changes) -> None:
        """Adds one event to the history and notes the keys and anchors it may affect."""
        cause = identity_of(event)
        match event:
            case Swipe():
                self._take_swipe(event, cause, touched, changes)
            case Reversal():
                self._take_reversal(event, cause, touched, changes)
            case Person():
                self.history.people[event.person_id].append(event)
                for swipe in self.history.swipes_of_person(event.person_id):
                    self._touch_if_in_force(swipe, event, cause, touched)
            case Institution():
                self.history.institutions[event.institution_id].append(event)
                for swipe in self.history.swipes_of_institution(event.institution_id):
                    self._touch_if_in_force(swipe, event, cause, touched)
            case AgentRegistration():
                self._take_agent(event, cause, touched["till"])
            case FaceObserved():
                self.history.add_observation(event)
                touched["till"].event(till_of(event), event.occurred_at_ms, cause)
            case VisitorCorrection():
                self._take_correction(event, cause, touched["till"])
            case _:
                pass  # no rule asks for the other types yet

    def _take_swipe(self, swipe: Swipe, cause: str, touched: _TouchedScopes, changes: Changes) -> None:
        self.history.add_swipe(swipe)
        heapq.heappush(self._waiting, (swipe.occurred_at_ms + self._reach["till"].waits_ms, swipe.settlement_id))
        early = self.history.reversals.get(swipe.settlement_id, ())
        changes.mismatched.extend(reversal for reversal in early if not matches(reversal, swipe))
        self._touch_swipe(swipe, cause, touched)

    def _take_reversal(self, reversal: Reversal, cause: str, touched: _TouchedScopes, changes: Changes) -> None:
        self.history.reversals[reversal.settlement_id].append(reversal)
        swipe = self.history.swipes.get(reversal.settlement_id)
        if swipe is None:
            return
        if matches(reversal, swipe):
            self._touch_swipe(swipe, cause, touched)
        else:
            changes.mismatched.append(reversal)

    def _take_agent(self, agent: AgentRegistration, cause: str, tills: _Touched) -> None:
        self.history.agents[agent.institution_id, agent.holder_person_id].append(agent)
        for swipe in self.history.swipes_of_person(agent.holder_person_id):
            if swipe.institution_id == agent.institution_id:
                tills.anchors(till_of(swipe), swipe.occurred_at_ms, swipe.occurred_at_ms, cause)

    def _take_correction(self, correction: VisitorCorrection, cause: str, tills: _Touched) -> None:
        self.history.add_correction(correction)
        observed = self.history.observations.get(correction.observation_id)
        if observed is not None:
            tills.event(till_of(observed), observed.occurred_at_ms, cause)

    def _touch_if_in_force(
        self, swipe: Swipe, version: Person | Institution, cause: str, touched: _TouchedScopes
    ) -> None:
        if version.effective_from_ms <= swipe.occurred_at_ms:
            self._touch_swipe(swipe, cause, touched)

    def _touch_swipe(self, swipe: Swipe, cause: str, touched: _TouchedScopes) -> None:
        touched["person"].event(swipe.person_id, swipe.occurred_at_ms, cause)
        touched["till"].event(till_of(swipe), swipe.occurred_at_ms, cause)
        visitor_id = self._visitor_of.get(swipe.settlement_id)
        if visitor_id is not None:
            touched["visitor"].event(visitor_id, swipe.occurred_at_ms, cause)

    def _wake(self, tills: _Touched, watermark_ms: int) -> None:
        """Touches the anchors that have waited for time to pass up to now."""
        while self._waiting and self._waiting[0][0] < watermark_ms:
            swipe = self.history.swipes[heapq.heappop(self._waiting)[1]]
            tills.anchors(till_of(swipe), swipe.occurred_at_ms, swipe.occurred_at_ms, TICK)

    def _person_slab(self, touched: _Touched, watermark_ms: int) -> Slab:
        swipes = (
            swipe
            for person_id, first_ms, last_ms in touched.spans()
            for swipe in self.history.standing_of_person(str(person_id), first_ms, last_ms)
        )
        return self.history.slab(swipes, (), watermark_ms)

    def _till_slab(self, touched: _Touched, watermark_ms: int) -> Slab:
        spans = [(cast("Till", till), first_ms, last_ms) for till, first_ms, last_ms in touched.spans()]
        swipes = (swipe for span in spans for swipe in self.history.standing_at_till(*span))
        observations = (observed for span in spans for observed in self.history.observed_at_till(*span))
        return self.history.slab(swipes, observations, watermark_ms)

    def _visitor_slab(self, touched: _Touched, watermark_ms: int) -> Slab:
        swipes = [
            swipe
            for visitor_id, first_ms, last_ms in touched.spans()
            for swipe in map(self.history.swipes.__getitem__, self._tied_to.get(str(visitor_id), ()))
            if first_ms <= swipe.occurred_at_ms <= last_ms
        ]
        reach = self._reach["till"]
        observations = (
            observed
            for swipe in swipes
            for observed in self.history.observed_at_till(
                till_of(swipe), swipe.occurred_at_ms - reach.back_ms, swipe.occurred_at_ms + reach.ahead_ms
            )
        )
        return self.history.slab(swipes, observations, watermark_ms)

    def _tie_visitors(self, tills: _Touched, visitors: _Touched, slab: Slab) -> None:
        """Ties the touched swipes to visitors anew; where a tie has changed, both visitors are touched."""
        if self._tie is None:
            return
        codes = visitor_ties(slab, self._tie).tolist()
        names = slab.swipes.settlement_id.tolist()
        tied = {name: slab.visitors.names[code] for name, code in zip(names, codes, strict=True) if code >= 0}
        for till, touch in tills.keys.items():
            for swipe in self.history.all_at_till(cast("Till", till), touch.first_ms, touch.last_ms):
                self._tie_visitor(swipe, tied.get(swipe.settlement_id), visitors, touch.cause)

    def _tie_visitor(self, swipe: Swipe, visitor_id: str | None, visitors: _Touched, cause: str) -> None:
        before = self._visitor_of.pop(swipe.settlement_id, None)
        if before is not None:
            self._tied_to[before].discard(swipe.settlement_id)
        if visitor_id is not None:
            self._visitor_of[swipe.settlement_id] = visitor_id
            self._tied_to[visitor_id].add(swipe.settlement_id)
        for changed in {before, visitor_id} if before != visitor_id else ():
            if changed is not None:
                visitors.event(changed, swipe.occurred_at_ms, cause)

    def _judge(self, scope: Scope, touched: _Touched, slab: Slab, changes: Changes) -> None:
        """Judges the slab and replaces what stood at the touched anchors; the differences go to `changes`."""
        found: dict[ScopeKey, dict[str, Finding]] = defaultdict(dict)
        for finding in judge(slab, self._ruleset, (scope,)):
            key = self._key_of(scope, finding)
            if touched.may_change(key, finding.occurred_at_ms):
                found[key][finding.finding_id] = finding
        for key, touch in touched.keys.items():
            stood = self._standing[scope].setdefault(key, {})
            affected = [name for name, f in stood.items() if touch.first_ms <= f.occurred_at_ms <= touch.last_ms]
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
        swipe = self.history.swipes[finding.settlement_id]
        if scope == "person":
            return swipe.person_id
        return till_of(swipe) if scope == "till" else self._visitor_of[finding.settlement_id]


def _wider(reach: Reach, back_ms: int, ahead_ms: int) -> Reach:
    return Reach(back_ms=max(reach.back_ms, back_ms), ahead_ms=max(reach.ahead_ms, ahead_ms), waits_ms=reach.waits_ms)
