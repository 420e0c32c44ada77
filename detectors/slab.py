"""A slab: a set of events as numpy columns, sorted by (time, id), with the references they need.

Ids are numbered per slab (`Numbering`); a code of −1 means null. Every table of events is sorted by
(occurred_at_ms, id), so a row number stands for "before" and "after". `detectors.slab_builder` makes slabs.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, repeat
from typing import Generic, TypeVar

import numpy as np

from detectors.local_time import local_ms
from detectors.windows import Bools, Floats, Int32s, Int64s, Texts, version_in_force
from events.types import AgentRegistration, Swipe

CREDENTIALS = ("social_card", "id_card", "e_credential")
VERDICTS = ("match", "mismatch", "inconclusive")
STATUSES = ("active", "paused", "ended", "deceased")
SEXES = ("M", "F")
MOVEMENT_KINDS = ("count", "adjust", "purchase", "purchase_return", "sale", "sale_return")
REGION_DIGITS = 4
NO_SETTLEMENT = -1
OTHER_SETTLEMENT = -2
END_OF_TIME_MS = 2**62

Name = TypeVar("Name", bound=Hashable)
Column = TypeVar("Column", Int32s, Int64s)
Till = tuple[str, str]
Corrections = Mapping[tuple[str, int], str | None]


class Numbering(Generic[Name]):
    """Gives every different name a code from 0 in order of first sight."""

    def __init__(self) -> None:
        self._codes: dict[Name, int] = {}
        self.names: list[Name] = []

    def code(self, name: Name) -> int:
        """Returns the name's code, a new one at first sight."""
        code = self._codes.get(name)
        if code is None:
            code = self._codes[name] = len(self.names)
            self.names.append(name)
        return code

    def codes(self, names: Sequence[Name]) -> list[int]:
        """Returns the codes of names, new ones at first sight."""
        known = self._codes
        codes = [known.setdefault(name, len(known)) for name in names]
        new = islice(reversed(known), len(known) - len(self.names))
        self.names += reversed(list(new))
        return codes

    def code_or_null(self, name: Name | None) -> int:
        """Returns the name's code, or −1 for None."""
        return -1 if name is None else self.code(name)

    def __contains__(self, name: Name) -> bool:
        return name in self._codes

    def find_all(self, names: Sequence[Name]) -> list[int]:
        """Returns the codes of names seen before, −1 for the others."""
        return list(map(self._codes.get, names, repeat(-1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SwipeTable:
    """Swipes by (time, settlement_id); every column has shape (n,). Regions are codes of their first four digits."""

    settlement_id: Texts
    time_ms: Int64s
    person: Int32s
    institution: Int32s
    till: Int32s
    credential: Int32s
    agent: Int32s
    category: Int32s
    insured_region: Int32s
    total_fen: Int64s
    fund_fen: Int64s
    account_fen: Int64s
    delivery: Bools

    def __len__(self) -> int:
        return len(self.time_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemTable:
    """Items of the standing swipes by (swipe, line_no); `swipe` is a row. Quantities as written; no days: NaN."""

    swipe: Int64s
    drug: Int32s
    quantity: Floats
    days_supply: Floats

    def __len__(self) -> int:
        return len(self.swipe)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceTable:
    """Trace codes of whole packs in the standing swipes, each code once a swipe; `swipe` is a row, ascending.

    Codes of different hashes differ; of one hash the texts decide.
    """

    swipe: Int64s
    code: Texts
    code_hash: Int64s

    def __len__(self) -> int:
        return len(self.swipe)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrugTable:
    """What holds of every drug in the items, a row a code of `Slab.drugs`.

    `generic` is a code of `Slab.generics` (the drug's own code where it has no generic), `sex` one of SEXES or −1;
    an age limit that is not set is one that nobody reaches.
    """

    generic: Int32s
    sex: Int32s
    min_age_years: Int64s
    max_age_years: Int64s


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonVersions:
    """Versions of persons by (person, effective_from_ms, event_id).

    `status` is a code of STATUSES, `sex` one of SEXES or −1, `born` the date as yyyymmdd or 0.
    """

    person: Int32s
    effective_from_ms: Int64s
    household: Int32s
    status: Int32s
    sex: Int32s
    born: Int32s


@dataclass(frozen=True, slots=True, kw_only=True)
class InstitutionVersions:
    """Versions of institutions by (institution, effective_from_ms, event_id).

    Degrees are NaN and minutes −1 where unknown; `zone` is a code of `Slab.zones`, `region` of the first four digits.
    """

    institution: Int32s
    effective_from_ms: Int64s
    latitude: Floats
    longitude: Floats
    opens_minute: Int32s
    closes_minute: Int32s
    zone: Int32s
    region: Int32s
    suspended: Bools


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectionTable:
    """Injections into the accounts of those who swipe, by (time, event_id)."""

    event_id: Texts
    time_ms: Int64s
    person: Int32s
    amount_fen: Int64s

    def __len__(self) -> int:
        return len(self.time_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementTable:
    """Stock movements that stand, of drugs and institutions of the swipes, by (time, event_id).

    Deletions and what they removed are not in it. `kind` is a code of MOVEMENT_KINDS; quantities as written.
    """

    event_id: Texts
    time_ms: Int64s
    institution: Int32s
    drug: Int32s
    kind: Int32s
    self_pay: Bools
    quantity: Floats

    def __len__(self) -> int:
        return len(self.time_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilingTable:
    """Cross-region filings of those who swipe: in force while starts_ms ≤ t < ends_ms, to a region's four digits."""

    person: Int32s
    region: Int32s
    starts_ms: Int64s
    ends_ms: Int64s

    def __len__(self) -> int:
        return len(self.person)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCounts:
    """How many swipes stood on local days (since 1970) of institutions, days none of whose swipes are in the slab."""

    institution: Int32s
    day: Int64s
    swipes: Int64s


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationTable:
    """Camera observations by (time, event_id)."""

    event_id: Texts
    time_ms: Int64s
    till: Int32s
    healthy: Bools
    people: Int64s

    def __len__(self) -> int:
        return len(self.time_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceTable:
    """Faces of the observations, corrections applied; `observation` is a row of the observations, ascending.

    `settlement` is the row of the swipe that the face was compared with, NO_SETTLEMENT for null, OTHER_SETTLEMENT for a
    swipe that is not in the slab. `verdict` is a code of VERDICTS or −1.
    """

    observation: Int64s
    quality: Floats
    visitor: Int32s
    staff: Bools
    settlement: Int64s
    verdict: Int32s

    def __len__(self) -> int:
        return len(self.observation)


@dataclass(frozen=True, kw_only=True)
class Slab:
    """All that rules may look at. `watermark_ms`: everything that happened before it has been seen.

    `asked_from_ms`: nobody asks about anchors before it; a rule that fires often is spared them, any other need not be.
    `swipes` are those that stand; `reversed_swipes` those that were reversed, `reversed_at_ms` when, a value each.
    """

    swipes: SwipeTable
    reversed_swipes: SwipeTable
    reversed_at_ms: Int64s
    items: ItemTable
    traces: TraceTable
    drug_facts: DrugTable
    people: PersonVersions
    institutions: InstitutionVersions
    injections: InjectionTable
    movements: MovementTable
    filings: FilingTable
    day_counts: DayCounts
    observations: ObservationTable
    faces: FaceTable
    agents: tuple[AgentRegistration, ...]
    persons: Numbering[str]
    households: Numbering[str]
    institution_ids: Numbering[str]
    tills: Numbering[Till]
    visitors: Numbering[str]
    zones: Numbering[str]
    drugs: Numbering[str]
    generics: Numbering[str]
    regions: Numbering[str]
    categories: Numbering[str]
    watermark_ms: int = END_OF_TIME_MS
    asked_from_ms: int = 0

    def person_versions_at(self, person: Int32s, time_ms: Int64s) -> Int64s:
        """Returns the row of `people` in force for each (person, time), or −1."""
        return version_in_force(self.people.person, self.people.effective_from_ms, person, time_ms)

    def person_versions_at_swipes(self) -> Int64s:
        """Returns for every swipe the row of `people` in force at its time, or −1."""
        return self._person_versions

    @cached_property
    def _person_versions(self) -> Int64s:
        return _constant(self.person_versions_at(self.swipes.person, self.swipes.time_ms))

    def institution_versions_at_swipes(self) -> Int64s:
        """Returns for every swipe the row of `institutions` in force at its time, or −1."""
        return self._institution_versions

    @cached_property
    def _institution_versions(self) -> Int64s:
        known, swipes = self.institutions, self.swipes
        return _constant(
            version_in_force(known.institution, known.effective_from_ms, swipes.institution, swipes.time_ms)
        )

    def households_at(self, person: Int32s, time_ms: Int64s) -> Int32s:
        """Returns the household in force for each (person, time), or −1."""
        return self._households_of(self.person_versions_at(person, time_ms))

    def households_at_swipes(self) -> Int32s:
        """Returns for every swipe the household of its person at its time, or −1."""
        return self._households

    @cached_property
    def _households(self) -> Int32s:
        return _constant(self._households_of(self._person_versions))

    def _households_of(self, version: Int64s) -> Int32s:
        return np.append(self.people.household, np.int32(-1))[version]

    def buyers_at_swipes(self) -> Int32s:
        """Returns for every swipe its buyer: the household in force if any, else the person; one numbering for both."""
        household = self.households_at_swipes()
        return np.where(household >= 0, household, len(self.households.names) + self.swipes.person).astype(np.int32)

    def local_ms_at(self, rows: Int64s, version: Int64s) -> Int64s:
        """Returns the wall clock (UTC plus the zone's offset) of swipes at these versions (≥ 0) of institutions."""
        zone = self.institutions.zone[version]
        local = np.zeros(len(rows), dtype=np.int64)
        for code in np.unique(zone).tolist():
            there = zone == code
            local[there] = local_ms(self.swipes.time_ms[rows[there]], self.zones.names[code])
        return local


def _constant(column: Column) -> Column:
    """Returns the column, which nobody can write to any more: all rules share it."""
    column.setflags(write=False)
    return column


def whole_pack_codes(swipe: Swipe) -> list[str]:
    """Returns the trace codes of a swipe's whole packs, each once."""
    whole_packs = [item.trace_codes for item in swipe.items if item.trace_codes and item.split_pack is not True]
    codes = [code for codes in whole_packs for code in codes]
    return codes if len(codes) <= 1 else list(dict.fromkeys(codes))
