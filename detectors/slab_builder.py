"""Makes slabs: events in any order become sorted columns, chunk by chunk, without an object kept for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from detectors.columns import (
    Coded,
    EventColumns,
    InjectionColumns,
    MovementColumns,
    ObservationColumns,
    PersonColumns,
    SwipeColumns,
    renumbered,
)
from detectors.extraction import (
    COLUMNS_OF,
    DELETION,
    SEX_CODE,
    injection_columns_of,
    movement_columns_of,
    observation_columns_of,
    person_columns_of,
    swipe_columns_of,
    texts,
)
from detectors.slab import (
    END_OF_TIME_MS,
    REGION_DIGITS,
    Corrections,
    DayCounts,
    DrugTable,
    FilingTable,
    InjectionTable,
    InstitutionVersions,
    MovementTable,
    Numbering,
    ObservationTable,
    PersonVersions,
    Slab,
    SwipeTable,
    Till,
    TraceTable,
)
from detectors.slab_tables import (
    FaceChunk,
    HomeChunk,
    ItemChunk,
    VersionChunk,
    correct,
    face_table,
    item_table,
    joined,
    observations_in_order,
    order_of_versions,
    places_of,
    swipes_in_order,
    taken,
    trace_table,
)
from detectors.windows import Bools, Floats, Int32s, Int64s, order_by_time_and_id
from events.types import (
    AgentRegistration,
    AnyEvent,
    CrossRegionFiling,
    Drug,
    Institution,
)

_NO_LEAST_AGE, _NO_GREATEST_AGE = -(2**63), 2**63 - 1
_NO_SWIPES, _NO_OBSERVATIONS = swipe_columns_of(()), observation_columns_of(())
_NO_PEOPLE, _NO_INJECTIONS, _NO_MOVEMENTS = person_columns_of(()), injection_columns_of(()), movement_columns_of(())


class SlabBuilder:
    """Turns events into columns chunk by chunk; what is reversed or corrected is said when the slab is built."""

    def __init__(self) -> None:
        self._persons, self._households, self._institution_ids = Numbering[str](), Numbering[str](), Numbering[str]()
        self._tills, self._visitors, self._zones = Numbering[Till](), Numbering[str](), Numbering[str]()
        self._drugs, self._generics = Numbering[str](), Numbering[str]()
        self._regions, self._categories = Numbering[str](), Numbering[str]()
        self._swipes: list[SwipeTable] = []
        self._items: list[ItemChunk] = []
        self._traces: list[TraceTable] = []
        self._swipe_count = 0
        self._homes: list[HomeChunk] = []
        self._day_counts: list[tuple[str, int, int]] = []
        self._observations: list[ObservationTable] = []
        self._faces: list[FaceChunk] = []
        self._observation_count = 0
        self._people: list[PersonColumns] = []
        self._injections: list[InjectionColumns] = []
        self._movements: list[MovementColumns] = []
        self._deleted: set[tuple[str, str]] = set()
        self._institutions: list[Institution] = []
        self._agents: list[AgentRegistration] = []
        self._filings: list[CrossRegionFiling] = []
        self._drug_facts: dict[str, Drug] = {}

    def add(self, events: Iterable[AnyEvent]) -> None:
        """Adds events, each once in the builder's life; reversals and corrections are none of its business."""
        by_type: dict[type, list[Any]] = defaultdict(list)
        for event in events:
            by_type[type(event)].append(event)
        for kind, columns_of in COLUMNS_OF.items():
            if kind in by_type:
                self.add_columns(columns_of(by_type[kind]))
        self._institutions.extend(by_type[Institution])
        self._agents.extend(by_type[AgentRegistration])
        self._filings.extend(by_type[CrossRegionFiling])
        for drug in by_type[Drug]:
            keep_latest_drug(self._drug_facts, drug)

    def add_columns(self, columns: EventColumns) -> None:
        """Adds events that are columns already, each once in the builder's life."""
        match columns:
            case SwipeColumns():
                self._add_swipes(columns)
            case ObservationColumns():
                self._add_observations(columns)
            case PersonColumns():
                self._people.append(columns)
            case InjectionColumns():
                self._injections.append(columns)
            case MovementColumns():
                self._add_movements(columns)

    def add_day_counts(self, counts: Iterable[tuple[str, int, int]]) -> None:
        """Adds (institution_id, local day since 1970, swipes that stand): of days none of whose swipes are added."""
        self._day_counts.extend(counts)

    def owners_of(self, settlement_ids: Collection[str]) -> dict[str, tuple[str, str]]:
        """Returns (institution_id, person_id) of each of these settlements that was added."""
        if not settlement_ids or not self._swipes:
            return {}
        swipes = joined(SwipeTable, self._swipes)
        return {
            swipes.settlement_id[row]: (
                self._institution_ids.names[swipes.institution[row]],
                self._persons.names[swipes.person[row]],
            )
            for row in places_of(settlement_ids, swipes.settlement_id)
        }

    def build(
        self,
        *,
        reversed_at_ms: Mapping[str, int] | None = None,
        corrections: Corrections | None = None,
        watermark_ms: int,
    ) -> Slab:
        """Returns the slab of all that was added.

        Args:
            reversed_at_ms: settlement_id → time of the reversal, for the swipes that were reversed.
            corrections: (observation event_id, face number) → the visitor that holds, None for none.
            watermark_ms: everything that happened before it was added.
        """
        if not self._swipes:
            self._add_swipes(_NO_SWIPES)
        if not self._observations:
            self._add_observations(_NO_OBSERVATIONS)
        undone = reversed_at_ms or {}
        swipes, reversed_swipes, standing = swipes_in_order(joined(SwipeTable, self._swipes), undone)
        observed = joined(ObservationTable, self._observations)
        observations, arrivals = observations_in_order(observed)
        faces = joined(FaceChunk, self._faces)
        correct(faces, observed, corrections or {}, self._visitors)
        return Slab(
            swipes=swipes,
            reversed_swipes=reversed_swipes,
            reversed_at_ms=_ints64([undone[name] for name in reversed_swipes.settlement_id.tolist()]),
            items=item_table(joined(ItemChunk, self._items), standing),
            traces=trace_table(joined(TraceTable, self._traces), standing),
            drug_facts=self._drug_table(),
            people=self._person_versions(),
            institutions=self._institution_versions(),
            injections=self._injection_table(),
            movements=self._movement_table(),
            filings=self._filing_table(),
            day_counts=self._day_count_table(),
            observations=observations,
            faces=face_table(faces, arrivals, swipes),
            agents=tuple(sorted(self._agents, key=lambda agent: (agent.occurred_at_ms, agent.event_id))),
            persons=self._persons,
            households=self._households,
            institution_ids=self._institution_ids,
            tills=self._tills,
            visitors=self._visitors,
            zones=self._zones,
            drugs=self._drugs,
            generics=self._generics,
            regions=self._regions,
            categories=self._categories,
            watermark_ms=watermark_ms,
        )

    # ------------------------------------------------------------------------------------------- columns to chunks

    def _add_swipes(self, swipes: SwipeColumns) -> None:
        institution = swipes.institution.renumbered(self._institution_ids.codes)
        person = swipes.person.renumbered(self._persons.codes)
        self._swipes.append(
            SwipeTable(
                settlement_id=swipes.settlement_id,
                time_ms=swipes.time_ms,
                person=person,
                institution=institution,
                till=self._tills_of(swipes.institution, swipes.till),
                credential=swipes.credential.astype(np.int32),
                agent=swipes.agent.renumbered(self._persons.codes),
                category=swipes.category.renumbered(self._categories.codes),
                insured_region=swipes.insured_region.renumbered(self._regions_of),
                total_fen=swipes.total_fen,
                fund_fen=swipes.fund_fen,
                account_fen=swipes.account_fen,
                delivery=swipes.delivery,
            )
        )
        self._add_what_belongs_to(swipes, person)
        self._swipe_count += len(swipes.time_ms)

    def _add_what_belongs_to(self, swipes: SwipeColumns, person: Int32s) -> None:
        items, packs, homes = swipes.items, swipes.packs, swipes.homes
        self._items.append(
            ItemChunk(
                swipe=self._swipe_count + items.swipe,
                drug=items.drug.renumbered(self._drugs.codes),
                quantity=items.quantity,
                days_supply=items.days_supply,
            )
        )
        self._traces.append(
            TraceTable(
                swipe=self._swipe_count + packs.swipe,
                code=texts(packs.code),
                code_hash=np.fromiter(map(hash, packs.code), dtype=np.int64, count=len(packs.code)),
            )
        )
        if len(homes.swipe):
            household = homes.household.renumbered(self._households.codes)
            self._homes.append(HomeChunk(person=person[homes.swipe], from_ms=homes.from_ms, household=household))

    def _add_observations(self, observations: ObservationColumns) -> None:
        self._observations.append(
            ObservationTable(
                event_id=observations.event_id,
                time_ms=observations.time_ms,
                till=self._tills_of(observations.institution, observations.till),
                healthy=observations.healthy,
                people=observations.people,
            )
        )
        faces = observations.faces
        self._faces.append(
            FaceChunk(
                observation=self._observation_count + faces.observation,
                quality=faces.quality,
                visitor=faces.visitor.renumbered(self._visitors.codes),
                staff=faces.staff,
                settlement_id=faces.settlement_id,
                verdict=faces.verdict.astype(np.int32),
            )
        )
        self._observation_count += len(observations.time_ms)

    def _add_movements(self, movements: MovementColumns) -> None:
        """Adds what may stand; a deletion is remembered for all time, by what it refers to at its institution."""
        self._movements.append(movements)
        at = movements.institution
        for row in np.flatnonzero(movements.kind == DELETION).tolist():
            if movements.refers_to[row] is not None:
                self._deleted.add((at.names[at.codes[row]], movements.refers_to[row]))

    def _tills_of(self, institution: Coded, till: Coded) -> Int32s:
        """Returns the codes of (institution, till)."""
        width = len(till.names)

        def codes_of(used: Int64s) -> list[int]:
            both = (divmod(one, width) for one in used.tolist())
            return self._tills.codes([(institution.names[place], till.names[number]) for place, number in both])

        return renumbered(institution.codes * width + till.codes, len(institution.names) * width, codes_of)

    def _regions_of(self, regions: Sequence[str]) -> list[int]:
        return self._regions.codes([region[:REGION_DIGITS] for region in regions])

    def _region(self, region: str) -> int:
        return self._regions.code(region[:REGION_DIGITS])

    # ---------------------------------------------------------------------------------------- references to tables

    def _person_versions(self) -> PersonVersions:
        """Returns the versions of those who swipe; nobody else is asked for."""
        if self._homes:
            return self._home_versions()
        known = joined(VersionChunk, [self._known_versions(versions) for versions in self._people or [_NO_PEOPLE]])
        order = order_of_versions(known.person, known.from_ms, known.event_id)
        return PersonVersions(
            person=known.person[order],
            effective_from_ms=known.from_ms[order],
            household=known.household[order],
            status=known.status[order],
            sex=known.sex[order],
            born=known.born[order],
        )

    def _known_versions(self, versions: PersonColumns) -> VersionChunk:
        person = versions.person.renumbered(self._persons.find_all)
        rows = np.flatnonzero(person >= 0)
        household = Coded(codes=versions.household.codes[rows], names=versions.household.names)
        return VersionChunk(
            event_id=versions.event_id[rows],
            person=person[rows],
            from_ms=versions.from_ms[rows],
            household=household.renumbered(self._households.codes),
            status=versions.status[rows].astype(np.int32),
            sex=versions.sex[rows].astype(np.int32),
            born=versions.born[rows].astype(np.int32),
        )

    def _home_versions(self) -> PersonVersions:
        """Returns what columns said of households as versions that say nothing else."""
        homes = joined(HomeChunk, self._homes)
        order = np.lexsort((homes.from_ms, homes.person))
        nothing = np.full(len(order), -1, dtype=np.int32)
        return PersonVersions(
            person=homes.person[order],
            effective_from_ms=homes.from_ms[order],
            household=homes.household[order],
            status=nothing,
            sex=nothing,
            born=np.zeros(len(order), dtype=np.int32),
        )

    def _day_count_table(self) -> DayCounts:
        return DayCounts(
            institution=_ints32([self._institution_ids.code(name) for name, _, _ in self._day_counts]),
            day=_ints64([day for _, day, _ in self._day_counts]),
            swipes=_ints64([count for _, _, count in self._day_counts]),
        )

    def _institution_versions(self) -> InstitutionVersions:
        ids = self._institution_ids
        known = [version for version in self._institutions if version.institution_id in ids]
        known.sort(key=lambda v: (ids.code(v.institution_id), v.effective_from_ms, v.event_id))
        return InstitutionVersions(
            institution=_ints32([ids.code(version.institution_id) for version in known]),
            effective_from_ms=_ints64([version.effective_from_ms for version in known]),
            latitude=_floats([_or_nan(version.latitude) for version in known]),
            longitude=_floats([_or_nan(version.longitude) for version in known]),
            opens_minute=_ints32([_minute(version.opens_at) for version in known]),
            closes_minute=_ints32([_minute(version.closes_at) for version in known]),
            zone=_ints32([self._zones.code(version.time_zone or "Asia/Shanghai") for version in known]),
            region=_ints32([-1 if version.region is None else self._region(version.region) for version in known]),
            suspended=_bools([version.agreement == "suspended" for version in known]),
        )

    def _drug_table(self) -> DrugTable:
        facts = [self._drug_facts.get(drug_code) for drug_code in self._drugs.names]
        generics = [
            (None if fact is None else fact.generic_code) or drug_code
            for fact, drug_code in zip(facts, self._drugs.names, strict=True)
        ]
        return DrugTable(
            generic=_ints32([self._generics.code(generic) for generic in generics]),
            sex=_ints32([SEX_CODE[None if fact is None else fact.sex] for fact in facts]),
            min_age_years=_ints64([_or(None if f is None else f.min_age_years, _NO_LEAST_AGE) for f in facts]),
            max_age_years=_ints64([_or(None if f is None else f.max_age_years, _NO_GREATEST_AGE) for f in facts]),
        )

    def _injection_table(self) -> InjectionTable:
        """Returns the injections of those who swipe."""
        chunks = [self._known_injections(injections) for injections in self._injections or [_NO_INJECTIONS]]
        injections = joined(InjectionTable, chunks)
        return taken(injections, order_by_time_and_id(injections.time_ms, injections.event_id))

    def _known_injections(self, injections: InjectionColumns) -> InjectionTable:
        person = injections.person.renumbered(self._persons.find_all)
        rows = np.flatnonzero(person >= 0)
        return InjectionTable(
            event_id=injections.event_id[rows],
            time_ms=injections.time_ms[rows],
            person=person[rows],
            amount_fen=injections.amount_fen[rows],
        )

    def _movement_table(self) -> MovementTable:
        """Returns what no deletion has removed, of drugs and institutions that swipes know."""
        chunks = [self._known_movements(movements) for movements in self._movements or [_NO_MOVEMENTS]]
        movements = joined(MovementTable, chunks)
        return taken(movements, order_by_time_and_id(movements.time_ms, movements.event_id))

    def _known_movements(self, movements: MovementColumns) -> MovementTable:
        institution = movements.institution.renumbered(self._institution_ids.find_all)
        drug = movements.drug.renumbered(self._drugs.find_all)
        wanted = (institution >= 0) & (drug >= 0) & (movements.kind != DELETION)
        if self._deleted:
            at = [movements.institution.names[code] for code in movements.institution.codes.tolist()]
            named = zip(at, movements.event_id.tolist(), strict=True)
            wanted &= _bools([name not in self._deleted for name in named])
        rows = np.flatnonzero(wanted)
        return MovementTable(
            event_id=movements.event_id[rows],
            time_ms=movements.time_ms[rows],
            institution=institution[rows],
            drug=drug[rows],
            kind=movements.kind[rows].astype(np.int32),
            self_pay=movements.self_pay[rows],
            quantity=movements.quantity[rows],
        )

    def _filing_table(self) -> FilingTable:
        known = [filing for filing in self._filings if filing.person_id in self._persons]
        return FilingTable(
            person=_ints32([self._persons.code(filing.person_id) for filing in known]),
            region=_ints32([self._region(filing.to_region) for filing in known]),
            starts_ms=_ints64([filing.starts_ms for filing in known]),
            ends_ms=_ints64([_or(filing.ends_ms, END_OF_TIME_MS) for filing in known]),
        )


def slab_of(
    events: Iterable[AnyEvent],
    *,
    reversed_at_ms: Mapping[str, int] | None = None,
    corrections: Corrections | None = None,
    watermark_ms: int = END_OF_TIME_MS,
) -> Slab:
    """Returns the slab of these events, each given once; their order does not matter.

    Args: as of `SlabBuilder.build`.
    """
    builder = SlabBuilder()
    builder.add(events)
    return builder.build(reversed_at_ms=reversed_at_ms, corrections=corrections, watermark_ms=watermark_ms)


def keep_latest_drug(held: dict[str, Drug], drug: Drug) -> None:
    """Puts a drug where no later one by (occurred_at_ms, event_id) is held for its code."""
    other = held.get(drug.drug_code)
    if other is None or (other.occurred_at_ms, other.event_id) < (drug.occurred_at_ms, drug.event_id):
        held[drug.drug_code] = drug


def _ints32(values: Sequence[int]) -> Int32s:
    return np.array(values, dtype=np.int32)


def _ints64(values: Sequence[int]) -> Int64s:
    return np.array(values, dtype=np.int64)


def _floats(values: Sequence[float]) -> Floats:
    return np.array(values, dtype=np.float64)


def _bools(values: Sequence[bool]) -> Bools:
    return np.array(values, dtype=np.bool_)


def _or(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _minute(hour: str | None) -> int:
    return -1 if hour is None else int(hour[:2]) * 60 + int(hour[3:])
