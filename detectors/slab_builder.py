"""Makes slabs: events in any order become sorted columns, chunk by chunk, without an object kept for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np

from detectors.slab import (
    CREDENTIALS,
    END_OF_TIME_MS,
    MOVEMENT_KINDS,
    NO_SETTLEMENT,
    OTHER_SETTLEMENT,
    REGION_DIGITS,
    SEXES,
    STATUSES,
    VERDICTS,
    Corrections,
    DrugTable,
    FaceTable,
    FilingTable,
    InjectionTable,
    InstitutionVersions,
    ItemTable,
    MovementTable,
    Numbering,
    ObservationTable,
    PersonVersions,
    Slab,
    SwipeTable,
    Till,
    TraceTable,
    whole_pack_codes,
)
from detectors.windows import Bools, Floats, Int32s, Int64s, Texts, order_by_time_and_id
from events.types import (
    AccountInjection,
    AgentRegistration,
    AnyEvent,
    CrossRegionFiling,
    Drug,
    FaceObserved,
    Institution,
    Person,
    StockMovement,
    Swipe,
)

_CREDENTIAL_CODE = {name: code for code, name in enumerate(CREDENTIALS)}
_VERDICT_CODE = {name: code for code, name in enumerate(VERDICTS)}
_STATUS_CODE = {name: code for code, name in enumerate(STATUSES)}
_SEX_CODE: dict[str | None, int] = {None: -1, **{name: code for code, name in enumerate(SEXES)}}
_KIND_CODE = {name: code for code, name in enumerate(MOVEMENT_KINDS)}
_DROPPED = -1
_NO_LEAST_AGE, _NO_GREATEST_AGE = -(2**63), 2**63 - 1


class SlabBuilder:
    """Turns events into columns chunk by chunk; what is reversed or corrected is said when the slab is built."""

    def __init__(self) -> None:
        self._persons, self._households, self._institution_ids = Numbering[str](), Numbering[str](), Numbering[str]()
        self._tills, self._visitors, self._zones = Numbering[Till](), Numbering[str](), Numbering[str]()
        self._drugs, self._generics = Numbering[str](), Numbering[str]()
        self._regions, self._categories = Numbering[str](), Numbering[str]()
        self._swipes: list[SwipeTable] = []
        self._items: list[_ItemChunk] = []
        self._traces: list[TraceTable] = []
        self._swipe_count = 0
        self._observations: list[ObservationTable] = []
        self._faces: list[_FaceChunk] = []
        self._observation_count = 0
        self._injections: list[_InjectionChunk] = []
        self._movements: list[_MovementChunk] = []
        self._deleted: set[tuple[str, str]] = set()
        self._people: list[Person] = []
        self._institutions: list[Institution] = []
        self._agents: list[AgentRegistration] = []
        self._filings: list[CrossRegionFiling] = []
        self._drug_facts: dict[str, Drug] = {}

    def add(self, events: Iterable[AnyEvent]) -> None:
        """Adds events, each once in the builder's life; reversals and corrections are none of its business."""
        by_type: dict[type, list[Any]] = defaultdict(list)
        for event in events:
            by_type[type(event)].append(event)
        self._add_swipes(by_type[Swipe])
        self._add_observations(by_type[FaceObserved])
        self._add_injections(by_type[AccountInjection])
        self._add_movements(by_type[StockMovement])
        self._people.extend(by_type[Person])
        self._institutions.extend(by_type[Institution])
        self._agents.extend(by_type[AgentRegistration])
        self._filings.extend(by_type[CrossRegionFiling])
        for drug in by_type[Drug]:
            keep_latest_drug(self._drug_facts, drug)

    def owners_of(self, settlement_ids: Collection[str]) -> dict[str, tuple[str, str]]:
        """Returns (institution_id, person_id) of each of these settlements that was added."""
        if not settlement_ids or not self._swipes:
            return {}
        swipes = _joined(SwipeTable, self._swipes)
        return {
            name: (self._institution_ids.names[swipes.institution[row]], self._persons.names[swipes.person[row]])
            for row, name in enumerate(swipes.settlement_id.tolist())
            if name in settlement_ids
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
            self.add(())
        undone = reversed_at_ms or {}
        swipes, reversed_swipes, place_of = _swipes_in_order(_joined(SwipeTable, self._swipes), undone)
        observations, observation_place_of = _observations_in_order(_joined(ObservationTable, self._observations))
        faces = _joined(_FaceChunk, self._faces)
        _correct(faces, _joined(ObservationTable, self._observations), corrections or {}, self._visitors)
        return Slab(
            swipes=swipes,
            reversed_swipes=reversed_swipes,
            reversed_at_ms=_ints64([undone[name] for name in reversed_swipes.settlement_id.tolist()]),
            items=_item_table(_joined(_ItemChunk, self._items), place_of),
            traces=_trace_table(_joined(TraceTable, self._traces), place_of),
            drug_facts=self._drug_table(),
            people=self._person_versions(),
            institutions=self._institution_versions(),
            injections=self._injection_table(),
            movements=self._movement_table(),
            filings=self._filing_table(),
            observations=observations,
            faces=_face_table(faces, observation_place_of, swipes),
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

    # ------------------------------------------------------------------------------------------- events to chunks

    def _add_swipes(self, swipes: Sequence[Swipe]) -> None:
        self._swipes.append(
            SwipeTable(
                settlement_id=_texts([swipe.settlement_id for swipe in swipes]),
                time_ms=_ints64([swipe.occurred_at_ms for swipe in swipes]),
                person=_ints32([self._persons.code(swipe.person_id) for swipe in swipes]),
                institution=_ints32([self._institution_ids.code(swipe.institution_id) for swipe in swipes]),
                till=_ints32([self._tills.code((swipe.institution_id, swipe.till_id)) for swipe in swipes]),
                credential=_ints32([_CREDENTIAL_CODE[swipe.credential] for swipe in swipes]),
                agent=_ints32([self._persons.code_or_null(swipe.agent_person_id) for swipe in swipes]),
                category=_ints32([self._categories.code(swipe.category) for swipe in swipes]),
                insured_region=_ints32([self._region(swipe.insured_region) for swipe in swipes]),
                total_fen=_ints64([swipe.total_fen for swipe in swipes]),
                fund_fen=_ints64([swipe.fund_fen for swipe in swipes]),
                account_fen=_ints64([swipe.account_fen for swipe in swipes]),
                delivery=_bools([swipe.delivery is True for swipe in swipes]),
            )
        )
        self._add_items(swipes)
        self._swipe_count += len(swipes)

    def _add_items(self, swipes: Sequence[Swipe]) -> None:
        first = self._swipe_count
        items = [(first + number, item) for number, swipe in enumerate(swipes) for item in swipe.items]
        self._items.append(
            _ItemChunk(
                swipe=_ints64([swipe for swipe, _ in items]),
                line_no=_ints64([item.line_no for _, item in items]),
                drug=_ints32([self._drugs.code(item.drug_code) for _, item in items]),
                quantity=_floats([item.quantity for _, item in items]),
                days_supply=_floats([_or_nan(item.days_supply) for _, item in items]),
            )
        )
        uses = [(first + number, code) for number, swipe in enumerate(swipes) for code in whole_pack_codes(swipe)]
        self._traces.append(
            TraceTable(
                swipe=_ints64([swipe for swipe, _ in uses]),
                code=_texts([code for _, code in uses]),
                code_hash=_ints64([hash(code) for _, code in uses]),
            )
        )

    def _add_observations(self, observations: Sequence[FaceObserved]) -> None:
        self._observations.append(
            ObservationTable(
                event_id=_texts([observed.event_id for observed in observations]),
                time_ms=_ints64([observed.occurred_at_ms for observed in observations]),
                till=_ints32([self._tills.code((seen.institution_id, seen.till_id)) for seen in observations]),
                healthy=_bools([observed.healthy for observed in observations]),
                people=_ints64([observed.people for observed in observations]),
            )
        )
        self._faces.append(self._face_chunk(observations))
        self._observation_count += len(observations)

    def _face_chunk(self, observations: Sequence[FaceObserved]) -> _FaceChunk:
        first = self._observation_count
        faces = [
            (first + number, face_no, face)
            for number, observed in enumerate(observations)
            for face_no, face in enumerate(observed.faces)
        ]
        return _FaceChunk(
            observation=_ints64([row for row, _, _ in faces]),
            face_no=_ints64([face_no for _, face_no, _ in faces]),
            quality=_floats([face.quality for _, _, face in faces]),
            visitor=_ints32([self._visitors.code_or_null(face.visitor_id) for _, _, face in faces]),
            staff=_bools([face.staff is True for _, _, face in faces]),
            settlement_id=_texts([face.settlement_id for _, _, face in faces]),
            verdict=_ints32([-1 if face.verdict is None else _VERDICT_CODE[face.verdict] for _, _, face in faces]),
        )

    def _add_injections(self, injections: Sequence[AccountInjection]) -> None:
        self._injections.append(
            _InjectionChunk(
                event_id=_texts([injection.event_id for injection in injections]),
                time_ms=_ints64([injection.occurred_at_ms for injection in injections]),
                person_id=_texts([injection.person_id for injection in injections]),
                amount_fen=_ints64([injection.amount_fen for injection in injections]),
            )
        )

    def _add_movements(self, movements: Sequence[StockMovement]) -> None:
        """Adds what stands so far; a deletion is remembered for all time, by what it refers to at its institution."""
        moved = [movement for movement in movements if movement.kind != "deletion"]
        for movement in movements:
            if movement.kind == "deletion" and movement.refers_to is not None:
                self._deleted.add((movement.institution_id, movement.refers_to))
        self._movements.append(
            _MovementChunk(
                event_id=_texts([movement.event_id for movement in moved]),
                time_ms=_ints64([movement.occurred_at_ms for movement in moved]),
                institution_id=_texts([movement.institution_id for movement in moved]),
                drug_code=_texts([movement.drug_code for movement in moved]),
                kind=_ints32([_KIND_CODE[movement.kind] for movement in moved]),
                self_pay=_bools([movement.setl_kind == "self_pay" for movement in moved]),
                quantity=_floats([movement.quantity for movement in moved]),
            )
        )

    def _region(self, region: str | None) -> int:
        return -1 if region is None else self._regions.code(region[:REGION_DIGITS])

    # ---------------------------------------------------------------------------------------- references to tables

    def _person_versions(self) -> PersonVersions:
        """Returns the versions of those who swipe; nobody else is asked for."""
        known = [person for person in self._people if person.person_id in self._persons]
        known.sort(key=lambda v: (self._persons.code(v.person_id), v.effective_from_ms, v.event_id))
        return PersonVersions(
            person=_ints32([self._persons.code(version.person_id) for version in known]),
            effective_from_ms=_ints64([version.effective_from_ms for version in known]),
            household=_ints32([self._households.code_or_null(version.household_id) for version in known]),
            status=_ints32([_STATUS_CODE[version.status] for version in known]),
            sex=_ints32([_SEX_CODE[version.sex] for version in known]),
            born=_ints32([_date_number(version.birth_date) for version in known]),
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
            region=_ints32([self._region(version.region) for version in known]),
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
            sex=_ints32([_SEX_CODE[None if fact is None else fact.sex] for fact in facts]),
            min_age_years=_ints64([_or(None if f is None else f.min_age_years, _NO_LEAST_AGE) for f in facts]),
            max_age_years=_ints64([_or(None if f is None else f.max_age_years, _NO_GREATEST_AGE) for f in facts]),
        )

    def _injection_table(self) -> InjectionTable:
        """Returns the injections of those who swipe."""
        injections = _joined(_InjectionChunk, self._injections)
        person = _ints32([self._persons.find(name) for name in injections.person_id.tolist()])
        rows = _in_order(injections.time_ms, injections.event_id, np.flatnonzero(person >= 0))
        return InjectionTable(
            event_id=injections.event_id[rows],
            time_ms=injections.time_ms[rows],
            person=person[rows],
            amount_fen=injections.amount_fen[rows],
        )

    def _movement_table(self) -> MovementTable:
        """Returns what no deletion has removed, of drugs and institutions that swipes know."""
        moved = _joined(_MovementChunk, self._movements)
        institution = _ints32([self._institution_ids.find(name) for name in moved.institution_id.tolist()])
        drug = _ints32([self._drugs.find(name) for name in moved.drug_code.tolist()])
        wanted = (institution >= 0) & (drug >= 0)
        if self._deleted:
            named = zip(moved.institution_id.tolist(), moved.event_id.tolist(), strict=True)
            wanted &= _bools([name not in self._deleted for name in named])
        rows = _in_order(moved.time_ms, moved.event_id, np.flatnonzero(wanted))
        return MovementTable(
            event_id=moved.event_id[rows],
            time_ms=moved.time_ms[rows],
            institution=institution[rows],
            drug=drug[rows],
            kind=moved.kind[rows],
            self_pay=moved.self_pay[rows],
            quantity=moved.quantity[rows],
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _ItemChunk:
    """Items in order of arrival; `swipe` counts swipes in order of arrival."""

    swipe: Int64s
    line_no: Int64s
    drug: Int32s
    quantity: Floats
    days_supply: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class _InjectionChunk:
    """Injections in order of arrival."""

    event_id: Texts
    time_ms: Int64s
    person_id: Texts
    amount_fen: Int64s


@dataclass(frozen=True, slots=True, kw_only=True)
class _MovementChunk:
    """Movements in order of arrival, deletions aside."""

    event_id: Texts
    time_ms: Int64s
    institution_id: Texts
    drug_code: Texts
    kind: Int32s
    self_pay: Bools
    quantity: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class _FaceChunk:
    """Faces in order of arrival; `observation` counts observations in order of arrival."""

    observation: Int64s
    face_no: Int64s
    quality: Floats
    visitor: Int32s
    staff: Bools
    settlement_id: Texts
    verdict: Int32s


_Table = TypeVar(
    "_Table", SwipeTable, _ItemChunk, TraceTable, ObservationTable, _FaceChunk, _InjectionChunk, _MovementChunk
)


def _joined(kind: type[_Table], chunks: list[_Table]) -> _Table:
    """Returns the chunks as one table; the chunks are replaced by it, so joining again costs nothing."""
    if len(chunks) != 1:
        names = [column.name for column in fields(kind)]
        chunks[:] = [kind(**{name: np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in names})]
    return chunks[0]


def _taken(table: _Table, rows: Int64s) -> _Table:
    return type(table)(**{column.name: getattr(table, column.name)[rows] for column in fields(table)})


def _in_order(time_ms: Int64s, ids: Texts, rows: Int64s) -> Int64s:
    """Returns the given rows by (time, id)."""
    ordered: Int64s = rows[order_by_time_and_id(time_ms[rows], ids[rows])]
    return ordered


def _swipes_in_order(swipes: SwipeTable, undone: Collection[str]) -> tuple[SwipeTable, SwipeTable, Int64s]:
    """Returns the standing swipes, the reversed ones, and for each arrival its row among the standing or _DROPPED."""
    order = order_by_time_and_id(swipes.time_ms, swipes.settlement_id)
    is_undone = _bools([name in undone for name in swipes.settlement_id[order].tolist()])
    standing = order[~is_undone]
    place_of = np.full(len(order), _DROPPED, dtype=np.int64)
    place_of[standing] = np.arange(len(standing), dtype=np.int64)
    return _taken(swipes, standing), _taken(swipes, order[is_undone]), place_of


def _item_table(items: _ItemChunk, place_of: Int64s) -> ItemTable:
    swipe = place_of[items.swipe]
    order = np.lexsort((items.line_no, swipe))
    order = order[swipe[order] != _DROPPED]
    return ItemTable(
        swipe=swipe[order],
        drug=items.drug[order],
        quantity=items.quantity[order],
        days_supply=items.days_supply[order],
    )


def _trace_table(traces: TraceTable, place_of: Int64s) -> TraceTable:
    swipe = place_of[traces.swipe]
    order = np.argsort(swipe, kind="stable")
    order = order[swipe[order] != _DROPPED]
    return TraceTable(swipe=swipe[order], code=traces.code[order], code_hash=traces.code_hash[order])


def _observations_in_order(observations: ObservationTable) -> tuple[ObservationTable, Int64s]:
    """Returns the observations in order, and for each row of arrival its row in that order."""
    order = order_by_time_and_id(observations.time_ms, observations.event_id)
    place_of = np.empty(len(order), dtype=np.int64)
    place_of[order] = np.arange(len(order), dtype=np.int64)
    return _taken(observations, order), place_of


def _correct(
    faces: _FaceChunk, observations: ObservationTable, corrections: Corrections, visitors: Numbering[str]
) -> None:
    """Writes the corrected visitors into the builder's own column."""
    if not corrections:
        return
    arrival_of = {name: row for row, name in enumerate(observations.event_id.tolist())}
    for (observation_id, face_no), visitor_id in corrections.items():
        row = arrival_of.get(observation_id)
        if row is not None:
            face = int(np.searchsorted(faces.observation, row)) + face_no
            if face < len(faces.observation) and faces.observation[face] == row:
                faces.visitor[face] = visitors.code_or_null(visitor_id)


def _face_table(faces: _FaceChunk, place_of: Int64s, swipes: SwipeTable) -> FaceTable:
    observation = place_of[faces.observation] if len(faces.observation) else faces.observation
    order = np.lexsort((faces.face_no, observation))
    row_of = {name: row for row, name in enumerate(swipes.settlement_id.tolist())} if len(order) else {}
    return FaceTable(
        observation=observation[order],
        quality=faces.quality[order],
        visitor=faces.visitor[order],
        staff=faces.staff[order],
        settlement=_ints64(
            [
                NO_SETTLEMENT if name is None else row_of.get(name, OTHER_SETTLEMENT)
                for name in faces.settlement_id[order].tolist()
            ]
        ),
        verdict=faces.verdict[order],
    )


def _texts(values: Sequence[str | None]) -> Texts:
    column = np.empty(len(values), dtype=np.object_)
    column[:] = values
    return column


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


def _date_number(date: str | None) -> int:
    """Returns YYYY-MM-DD as the number yyyymmdd, or 0."""
    return 0 if date is None else int(date.replace("-", ""))
