"""One partition of the flow: its part of every stage, what it keeps, and the findings that stand there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, cast

import msgspec
import numpy as np

from detectors.catalogue import Rulebook, judge, meeting_reach, reach_of, scopes_of, tie_reach
from detectors.rule import SCOPES, Reach, Scope
from detectors.slab import END_OF_TIME_MS
from events.findings import Finding, finding_json
from events.identity import identity_of, identity_text
from events.types import Drug, Institution
from streams.changes import RULES, Changes
from streams.gathering import Gathering, Stores
from streams.parcels import CausedRow, Parcel
from streams.retention import BY_ITEM, BY_PACK, BY_SWIPE, Retention
from streams.stages import InstitutionStage, JoinStage, Meeting, PersonStage, Sighting
from streams.store.facts import FactStore, Kept
from streams.store.files import Files
from streams.store.meetings import MeetingStore, Pair
from streams.store.sightings import SightingStore
from streams.store.standing import StandingFindings, decode_line
from streams.store.swipes import SwipeStore
from streams.touched import ScopeKey, Touched, untouched

KEYS_TOGETHER: Final = 20_000
ROWS_TOGETHER: Final = 20_000
CROWDED: Final[frozenset[Scope]] = frozenset({"institution", "weekday", "till"})
"""Scopes whose keys have so many swipes that fewer are judged together."""


def _together(scope: Scope) -> int:
    """Returns how many keys of a scope are judged in one slab."""
    return KEYS_TOGETHER // 100 if scope in CROWDED else KEYS_TOGETHER


def ownership_key(scope: Scope, finding: Finding) -> str:
    """Returns the key by which a finding's partition is chosen."""
    match scope:
        case "person" | "supply":
            return str(finding.key["person_id"])
        case "institution" | "weekday" | "till" | "stock":
            return finding.institution_id
        case "trace_code":
            return str(finding.key["trace_code"])
        case "visitor":
            return str(finding.key["visitor_id"])
        case "pair":
            return "\x00".join(finding.key["persons"])


class Partition:
    """A part of the keys of every stage.

    Args:
        owns: whether a key of any stage is this partition's.
        files: where its columns are kept.
    """

    def __init__(self, rulebook: Rulebook, owns: Callable[[str], bool], files: Files) -> None:
        swipes = SwipeStore(files)
        self.stores = Stores(
            swipes=swipes,
            facts=FactStore(files),
            meetings=MeetingStore(files, swipes),
            sightings=SightingStore(files),
        )
        self._owns, self.files = owns, files
        self._standing = StandingFindings(files)
        self.gathering = Gathering(self.stores)
        self.joining = JoinStage(self.stores)
        self.persons = PersonStage(self.stores, self.gathering, owns)
        self.institutions = InstitutionStage(self.stores, self.gathering)
        self._asked_for: frozenset[Scope] = frozenset()
        self.obey(rulebook, END_OF_TIME_MS)

    def obey(self, rulebook: Rulebook, watermark_ms: int) -> bool:
        """From now on these rules judge, and what they wait for is waited for; what stands is as it was.

        Returns whether they call more a meeting or a sighting than those before.
        """
        followed = (self.institutions.tie, self.institutions.meeting)
        self._rulebook = rulebook
        self._asked_before = self._asked_for
        self._reach: dict[Scope, Reach] = {scope: reach_of(rulebook, scope) for scope in SCOPES}
        self._asked_for = scopes_of(rulebook)
        self.institutions.tie = self._tie = tie_reach(rulebook)
        self.institutions.meeting = self._meeting = meeting_reach(rulebook)
        self.institutions.await_again(self._reach["till"].waits_ms, watermark_ms)
        return followed != (self._tie, self._meeting)

    def placed(self) -> Iterator[list[int]]:
        """Yields the swipes of this partition's institutions, some at a time."""
        swipes = self.stores.swipes
        for first in range(0, len(swipes), ROWS_TOGETHER):
            rows = np.arange(first, min(first + ROWS_TOGETHER, len(swipes)), dtype=np.int64)
            names = swipes.text("institution_id", rows)
            yield [row for row, name in zip(rows.tolist(), names, strict=True) if self._owns(name)]

    def begin(self, now_ms: int | None, *, judges: bool = True) -> None:
        """Nothing is touched yet; what is frozen now will not be, and nothing where nobody judges."""
        limits = self.retention(now_ms)
        frozen = {scope: limits.frozen_before_ms(scope) for scope in SCOPES}
        self.touched = untouched(self._reach, self._asked_for if judges else (), frozen)

    def retention(self, now_ms: int | None) -> Retention:
        """Returns the limits of a moment; None for ever."""
        return Retention(self._reach, now_ms)

    def keep(self, other: Partition, now_ms: int, watermark_ms: int) -> list[str]:
        """Takes over what another partition still needs; returns the identities that it leaves out. Has to be empty."""
        limits = self.retention(now_ms)
        place_of = self.stores.swipes.keep(
            other.stores.swipes,
            swipes_since_ms=limits.kept_since_ms(BY_SWIPE),
            items_since_ms=limits.kept_since_ms(BY_ITEM),
            packs_since_ms=limits.kept_since_ms(BY_PACK),
        )
        kept = Kept(
            persons_since_ms=limits.kept_since_ms(["person"]),
            tills_since_ms=limits.kept_since_ms(["till", "visitor"]),
            stocks_since_ms=limits.kept_since_ms(["stock"]),
        )
        forgotten = self.stores.facts.keep(
            other.stores.facts, kept, lambda names: (self.stores.swipes.find(names) >= 0).tolist()
        )
        self.stores.meetings.keep(other.stores.meetings, place_of)
        self.stores.sightings.keep(other.stores.sightings, place_of)
        self._standing.keep(other._standing, limits.frozen_before_ms)
        self.institutions.await_again(self._reach["till"].waits_ms, watermark_ms)
        swipes = other.stores.swipes.settlement_ids(np.flatnonzero(place_of < 0))
        return [*forgotten, *(identity_text("swipe", name) for name in swipes)]

    def standing(self) -> Iterator[Finding]:
        """Yields every finding that stands, in no particular order."""
        return self._standing.all()

    def news_of(self, parcel: Parcel) -> Parcel:
        """Returns a parcel without the facts that are known: how many there are of a person says which row is newer."""
        different = {
            name: list({identity_of(fact): fact for fact in getattr(parcel, name)}.values())
            for name in ("references", "of_persons", "of_places")
        }
        return msgspec.structs.replace(
            parcel,
            **{name: [f for f in facts if not self.stores.facts.knows(f)] for name, facts in different.items()},
        )

    # ---------------------------------------------------------------------------------------------- the last stages

    def take_reference(self, event: Institution | Drug, cause: str) -> None:
        """Takes what is told to every partition."""
        if isinstance(event, Institution):
            self.stores.facts.add_institution(event)
            self.persons.take_reference(event, cause, self.touched, is_news=True)
            if self._owns(event.institution_id):
                self.institutions.take_reference(event, cause, self.touched)
        else:
            self.persons.take_reference(event, cause, self.touched, is_news=self.stores.facts.add_drug(event))

    def take_codes(self, rows: Sequence[CausedRow]) -> None:
        """Takes swipes with trace codes of this partition; a code of one swipe is nothing to any rule."""
        self.stores.swipes.put([caused.row for caused in rows])
        uses = [(code, caused) for caused in rows for code in caused.row.codes if self._owns(code)]
        codes = list(dict.fromkeys(code for code, _ in uses))
        owner, _ = self.stores.swipes.of_codes(codes)
        again = {codes[number] for number in np.flatnonzero(np.bincount(owner, minlength=len(codes)) > 1).tolist()}
        for code, caused in uses:
            if code in again:
                self.touched["trace_code"].event(code, caused.row.occurred_at_ms, caused.cause)

    def take_meetings(self, met: Sequence[Meeting]) -> None:
        """Takes meetings, whose rows are this partition's own."""
        one = np.array([meeting.one for meeting in met], dtype=np.int64)
        other = np.array([meeting.other for meeting in met], dtype=np.int64)
        self.stores.meetings.add([meeting.pair for meeting in met], one, other)
        later_ms = np.maximum(self.stores.swipes.time_ms(one), self.stores.swipes.time_ms(other)).tolist()
        for meeting, at_ms in zip(met, later_ms, strict=True):
            self.touched["pair"].event(meeting.pair, at_ms, meeting.cause)

    def take_sightings(self, sighted: Sequence[Sighting]) -> None:
        """Takes sightings, whose rows are this partition's own."""
        for sighting in sighted:
            for observation in sighting.observations:
                self.stores.facts.add_observation(observation.observed)
                for correction in observation.corrections:
                    self.stores.facts.add_correction(correction)
        rows = [sighting.swipe for sighting in sighted]
        self.stores.sightings.add([sighting.visitor_id for sighting in sighted], rows)
        times_ms = self.stores.swipes.time_ms(np.array(rows, dtype=np.int64)).tolist()
        for sighting, at_ms in zip(sighted, times_ms, strict=True):
            self.touched["visitor"].event(sighting.visitor_id, at_ms, sighting.cause)

    # ---------------------------------------------------------------------------------------------- what has changed

    def judge(self, watermark_ms: int, changes: Changes) -> None:
        """Judges what is touched and replaces what stood there; the differences go to `changes`."""
        for scope in SCOPES:
            touched = self.touched[scope]
            if scope == "pair":
                self._leave_out_strangers(touched)
            for some in touched.pieces(_together(scope)):
                self._judge(scope, some, watermark_ms, changes)

    def judge_since(self, first_ms: int, limits: Retention, watermark_ms: int, changes: Changes) -> None:
        """Judges every anchor from a time on that is not frozen, some keys at a time."""
        for scope in sorted(self._asked_for | self._asked_before, key=SCOPES.index):
            since_ms = max(first_ms, limits.frozen_before_ms(scope))
            keys = self._keys_since(scope, since_ms)
            step = _together(scope)
            for first in range(0, len(keys), step):
                touched = Touched(self._reach[scope], is_asked_for=True)
                for key in keys[first : first + step]:
                    touched.anchors(key, since_ms, END_OF_TIME_MS, RULES)
                self._judge(scope, touched, watermark_ms, changes)

    def _keys_since(self, scope: Scope, since_ms: int) -> list[ScopeKey]:
        """Returns this partition's keys of a scope that have an anchor from a time on."""
        swipes = self.stores.swipes
        rows = swipes.since(since_ms)
        match scope:
            case "person" | "supply":
                return [name for name in dict.fromkeys(swipes.text("person_id", rows)) if self._owns(name)]
            case "institution" | "weekday":
                return [name for name in dict.fromkeys(swipes.text("institution_id", rows)) if self._owns(name)]
            case "till":
                return [till for till in dict.fromkeys(swipes.tills(rows)) if self._owns(till[0])]
            case "stock":
                return [stock for stock in swipes.stocks(rows) if self._owns(stock[0])]
            case "trace_code":
                return [code for code in swipes.repeated_codes(rows) if self._owns(code)]
            case "pair":
                return list(self.stores.meetings.pairs())
            case "visitor":
                return list(self.stores.sightings.visitors())

    def _judge(self, scope: Scope, touched: Touched, watermark_ms: int, changes: Changes) -> None:
        slab = self.gathering.slab(scope, touched, self._tie, watermark_ms)
        found: dict[ScopeKey, dict[str, Finding]] = defaultdict(dict)
        judged = judge(slab, self._rulebook, (scope,))
        for key, finding in zip(self._keys_of(scope, judged), judged, strict=True):
            if touched.may_change(key, finding.occurred_at_ms):
                found[key][finding.finding_id] = finding
        stood = self._standing.of(scope, list(touched.keys))
        for key, touch in touched.keys.items():
            of_key = stood.get(key, {})
            affected = {name: line for name, (at_ms, line) in of_key.items() if touch.holds(at_ms)}
            if affected or key in found:
                self._replace(scope, key, affected, found.get(key, {}), touch.cause, changes)

    def _replace(
        self,
        scope: Scope,
        key: ScopeKey,
        stood: Mapping[str, bytes],
        found: Mapping[str, Finding],
        cause: str,
        changes: Changes,
    ) -> None:
        gone = [decode_line(line) for name, line in stood.items() if name not in found]
        raised = [finding for name, finding in found.items() if stood.get(name) != finding_json(finding)]
        self._standing.withdraw(scope, key, gone)
        self._standing.raise_(scope, key, raised)
        changes.withdrawn.extend(msgspec.structs.replace(finding, status="withdrawn") for finding in gone)
        changes.raised.extend(raised)
        changes.causes.update((finding.finding_id, cause) for finding in (*gone, *raised))

    def _keys_of(self, scope: Scope, findings: Sequence[Finding]) -> list[ScopeKey]:
        """Returns the key of its scope that each finding of a slab belongs to."""
        match scope:
            case "person" | "supply":
                return [str(finding.key["person_id"]) for finding in findings]
            case "till":
                rows = self.stores.swipes.find([finding.settlement_id for finding in findings])
                return list(self.stores.swipes.tills(rows))
            case "institution" | "weekday":
                return [finding.institution_id for finding in findings]
            case "stock":
                return [(finding.institution_id, str(finding.key["drug_code"])) for finding in findings]
            case "trace_code":
                return [str(finding.key["trace_code"]) for finding in findings]
            case "visitor":
                return [str(finding.key["visitor_id"]) for finding in findings]
            case "pair":
                pairs = (list(finding.key["persons"]) for finding in findings)
                return [(one, two) for one, two in pairs]

    def _leave_out_strangers(self, touched: Touched) -> None:
        """Leaves out the pairs that have not met at enough institutions, and have no finding that could fall."""
        pairs = cast("list[Pair]", list(touched.keys))
        owner, rows = self.stores.meetings.of_pairs(pairs)
        places = self.stores.swipes.code("institution_id", rows)
        width = int(places.max(initial=0)) + 1
        distinct = np.bincount(np.unique(owner * width + places) // width, minlength=len(pairs))
        enough = 0 if self._meeting is None else self._meeting.institutions
        few = [pairs[number] for number in np.flatnonzero(distinct < enough).tolist()]
        stood = self._standing.of("pair", few)
        for pair in few:
            if not stood.get(pair):
                del touched.keys[pair]
