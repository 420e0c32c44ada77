"""A slab: a set of events as numpy columns, sorted by (time, id), with the references they need.

Ids are numbered per slab (`Numbering`); a code of −1 means null. Reversed swipes are not in a slab. Every table is
sorted by (occurred_at_ms, id), so a row number stands for "before" and "after".
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Generic, TypeVar

import numpy as np

from detectors.windows import Bools, Floats, Int32s, Int64s, Texts, order_by_time_and_id, version_in_force
from events.types import AgentRegistration, FaceObserved, Institution, Person, Swipe

CREDENTIALS = ("social_card", "id_card", "e_credential")
VERDICTS = ("match", "mismatch", "inconclusive")
NO_SETTLEMENT = -1
OTHER_SETTLEMENT = -2
END_OF_TIME_MS = 2**62

_CREDENTIAL_CODE = {name: code for code, name in enumerate(CREDENTIALS)}
_VERDICT_CODE = {name: code for code, name in enumerate(VERDICTS)}

Name = TypeVar("Name", bound=Hashable)
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

    def code_or_null(self, name: Name | None) -> int:
        """Returns the name's code, or −1 for None."""
        return -1 if name is None else self.code(name)

    def __contains__(self, name: Name) -> bool:
        return name in self._codes

    def find(self, name: Name) -> int:
        """Returns the code of a name seen before, or −1."""
        return self._codes.get(name, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SwipeTable:
    """Standing swipes by (time, settlement_id); every column has shape (n,)."""

    settlement_id: Texts
    time_ms: Int64s
    person: Int32s
    institution: Int32s
    till: Int32s
    credential: Int32s
    agent: Int32s
    fund_fen: Int64s
    delivery: Bools

    def __len__(self) -> int:
        return len(self.time_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonVersions:
    """Versions of persons by (person, effective_from_ms, event_id)."""

    person: Int32s
    effective_from_ms: Int64s
    household: Int32s


@dataclass(frozen=True, slots=True, kw_only=True)
class InstitutionVersions:
    """Versions of institutions by (institution, effective_from_ms, event_id).

    Degrees are NaN and minutes −1 where unknown; `zone` is a code of `Slab.zones`.
    """

    institution: Int32s
    effective_from_ms: Int64s
    latitude: Floats
    longitude: Floats
    opens_minute: Int32s
    closes_minute: Int32s
    zone: Int32s


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Slab:
    """All that rules may look at. `watermark_ms`: everything that happened before it has been seen."""

    swipes: SwipeTable
    people: PersonVersions
    institutions: InstitutionVersions
    observations: ObservationTable
    faces: FaceTable
    agents: tuple[AgentRegistration, ...]
    persons: Numbering[str]
    households: Numbering[str]
    institution_ids: Numbering[str]
    tills: Numbering[Till]
    visitors: Numbering[str]
    zones: Numbering[str]
    watermark_ms: int = END_OF_TIME_MS

    def person_versions_at_swipes(self) -> Int64s:
        """Returns for every swipe the row of `people` in force at its time, or −1."""
        people = self.people
        return version_in_force(people.person, people.effective_from_ms, self.swipes.person, self.swipes.time_ms)

    def institution_versions_at_swipes(self) -> Int64s:
        """Returns for every swipe the row of `institutions` in force at its time, or −1."""
        known = self.institutions
        return version_in_force(
            known.institution, known.effective_from_ms, self.swipes.institution, self.swipes.time_ms
        )

    def households_at_swipes(self) -> Int32s:
        """Returns for every swipe the household of its person at its time, or −1."""
        version = self.person_versions_at_swipes()
        if len(self.people.household) == 0:
            return np.full(len(version), -1, dtype=np.int32)
        return np.where(version >= 0, self.people.household[version], -1).astype(np.int32)

    def buyers_at_swipes(self) -> Int32s:
        """Returns for every swipe its buyer: the household in force if any, else the person; one numbering for both."""
        household = self.households_at_swipes()
        return np.where(household >= 0, household, len(self.households.names) + self.swipes.person).astype(np.int32)


class SlabBuilder:
    """Turns events into columns chunk by chunk, so that no swipe or observation is kept as an object."""

    def __init__(self) -> None:
        self._persons, self._households, self._institution_ids = Numbering[str](), Numbering[str](), Numbering[str]()
        self._tills, self._visitors, self._zones = Numbering[Till](), Numbering[str](), Numbering[str]()
        self._swipes: list[SwipeTable] = []
        self._observations: list[ObservationTable] = []
        self._faces: list[_FaceChunk] = []
        self._observation_count = 0
        self._people: list[Person] = []
        self._institutions: list[Institution] = []
        self._agents: list[AgentRegistration] = []

    def add_swipes(self, swipes: Sequence[Swipe]) -> None:
        """Adds swipes, each settlement once in the builder's life."""
        self._swipes.append(
            SwipeTable(
                settlement_id=_texts([swipe.settlement_id for swipe in swipes]),
                time_ms=_ints64(swipe.occurred_at_ms for swipe in swipes),
                person=_ints32(self._persons.code(swipe.person_id) for swipe in swipes),
                institution=_ints32(self._institution_ids.code(swipe.institution_id) for swipe in swipes),
                till=_ints32(self._tills.code((swipe.institution_id, swipe.till_id)) for swipe in swipes),
                credential=_ints32(_CREDENTIAL_CODE[swipe.credential] for swipe in swipes),
                agent=_ints32(self._persons.code_or_null(swipe.agent_person_id) for swipe in swipes),
                fund_fen=_ints64(swipe.fund_fen for swipe in swipes),
                delivery=_bools(swipe.delivery is True for swipe in swipes),
            )
        )

    def add_observations(self, observations: Sequence[FaceObserved]) -> None:
        """Adds observations, each once in the builder's life."""
        self._observations.append(
            ObservationTable(
                event_id=_texts([observed.event_id for observed in observations]),
                time_ms=_ints64(observed.occurred_at_ms for observed in observations),
                till=_ints32(self._tills.code((seen.institution_id, seen.till_id)) for seen in observations),
                healthy=_bools(observed.healthy for observed in observations),
                people=_ints64(observed.people for observed in observations),
            )
        )
        self._faces.append(self._face_chunk(observations))
        self._observation_count += len(observations)

    def add_references(
        self,
        people: Iterable[Person] = (),
        institutions: Iterable[Institution] = (),
        agents: Iterable[AgentRegistration] = (),
    ) -> None:
        """Adds versions of persons and institutions, and agents."""
        self._people.extend(people)
        self._institutions.extend(institutions)
        self._agents.extend(agents)

    def owners_of(self, settlement_ids: Collection[str]) -> dict[str, tuple[str, str]]:
        """Returns (institution_id, person_id) of each of these settlements that was added."""
        if not settlement_ids:
            return {}
        swipes = _joined(SwipeTable, self._swipes)
        return {
            name: (self._institution_ids.names[swipes.institution[row]], self._persons.names[swipes.person[row]])
            for row, name in enumerate(swipes.settlement_id.tolist())
            if name in settlement_ids
        }

    def build(
        self, *, reversed_ids: Collection[str] = (), corrections: Corrections | None = None, watermark_ms: int
    ) -> Slab:
        """Returns the slab of all that was added, without the swipes in `reversed_ids`."""
        swipes = _in_order(_joined(SwipeTable, self._swipes), reversed_ids)
        observations, place_of = _observations_in_order(_joined(ObservationTable, self._observations))
        faces = _joined(_FaceChunk, self._faces)
        _correct(faces, _joined(ObservationTable, self._observations), corrections or {}, self._visitors)
        return Slab(
            swipes=swipes,
            people=self._person_versions(),
            institutions=self._institution_versions(),
            observations=observations,
            faces=_face_table(faces, place_of, swipes),
            agents=tuple(sorted(self._agents, key=lambda agent: (agent.occurred_at_ms, agent.event_id))),
            persons=self._persons,
            households=self._households,
            institution_ids=self._institution_ids,
            tills=self._tills,
            visitors=self._visitors,
            zones=self._zones,
            watermark_ms=watermark_ms,
        )

    def _face_chunk(self, observations: Sequence[FaceObserved]) -> _FaceChunk:
        first = self._observation_count
        faces = [
            (first + number, face_no, face)
            for number, observed in enumerate(observations)
            for face_no, face in enumerate(observed.faces)
        ]
        return _FaceChunk(
            observation=_ints64(row for row, _, _ in faces),
            face_no=_ints64(face_no for _, face_no, _ in faces),
            quality=np.array([face.quality for _, _, face in faces], dtype=np.float64),
            visitor=_ints32(self._visitors.code_or_null(face.visitor_id) for _, _, face in faces),
            staff=_bools(face.staff is True for _, _, face in faces),
            settlement_id=_texts([face.settlement_id for _, _, face in faces]),
            verdict=_ints32(-1 if face.verdict is None else _VERDICT_CODE[face.verdict] for _, _, face in faces),
        )

    def _person_versions(self) -> PersonVersions:
        """Returns the versions of those who swipe; nobody else is asked for."""
        known = [person for person in self._people if person.person_id in self._persons]
        known.sort(key=lambda v: (self._persons.code(v.person_id), v.effective_from_ms, v.event_id))
        return PersonVersions(
            person=_ints32(self._persons.code(version.person_id) for version in known),
            effective_from_ms=_ints64(version.effective_from_ms for version in known),
            household=_ints32(self._households.code_or_null(version.household_id) for version in known),
        )

    def _institution_versions(self) -> InstitutionVersions:
        ids = self._institution_ids
        known = [version for version in self._institutions if version.institution_id in ids]
        known.sort(key=lambda v: (ids.code(v.institution_id), v.effective_from_ms, v.event_id))
        return InstitutionVersions(
            institution=_ints32(ids.code(version.institution_id) for version in known),
            effective_from_ms=_ints64(version.effective_from_ms for version in known),
            latitude=np.array([_or_nan(version.latitude) for version in known], dtype=np.float64),
            longitude=np.array([_or_nan(version.longitude) for version in known], dtype=np.float64),
            opens_minute=_ints32(_minute(version.opens_at) for version in known),
            closes_minute=_ints32(_minute(version.closes_at) for version in known),
            zone=_ints32(self._zones.code(version.time_zone or "Asia/Shanghai") for version in known),
        )


def slab_of(
    *,
    swipes: Sequence[Swipe],
    people: Iterable[Person] = (),
    institutions: Iterable[Institution] = (),
    observations: Sequence[FaceObserved] = (),
    corrections: Corrections | None = None,
    agents: Iterable[AgentRegistration] = (),
    watermark_ms: int = END_OF_TIME_MS,
) -> Slab:
    """Returns the slab of these events, each given once and no swipe reversed; their order does not matter.

    Args:
        swipes: the standing ones.
        people: versions of persons.
        institutions: versions of institutions.
        observations: what the cameras saw.
        agents: registered agents.
        corrections: (observation event_id, face number) → the visitor that holds, None for none.
        watermark_ms: everything that happened before it is given.
    """
    builder = SlabBuilder()
    builder.add_swipes(swipes)
    builder.add_observations(observations)
    builder.add_references(people, institutions, agents)
    return builder.build(corrections=corrections, watermark_ms=watermark_ms)


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


_Table = TypeVar("_Table", SwipeTable, ObservationTable, _FaceChunk)


def _joined(kind: type[_Table], chunks: list[_Table]) -> _Table:
    """Returns the chunks as one table; the chunks are replaced by it, so joining again costs nothing."""
    if len(chunks) != 1:
        names = [column.name for column in fields(kind)]
        chunks[:] = [kind(**{name: np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in names})]
    return chunks[0]


def _taken(table: _Table, rows: Int64s) -> _Table:
    return type(table)(**{column.name: getattr(table, column.name)[rows] for column in fields(table)})


def _in_order(swipes: SwipeTable, reversed_ids: Collection[str]) -> SwipeTable:
    order = order_by_time_and_id(swipes.time_ms, swipes.settlement_id)
    if reversed_ids:
        names = swipes.settlement_id[order].tolist()
        order = order[_bools(name not in reversed_ids for name in names)]
    return _taken(swipes, order)


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
            NO_SETTLEMENT if name is None else row_of.get(name, OTHER_SETTLEMENT)
            for name in faces.settlement_id[order].tolist()
        ),
        verdict=faces.verdict[order],
    )


def _texts(values: Sequence[str | None]) -> Texts:
    column = np.empty(len(values), dtype=np.object_)
    column[:] = values
    return column


def _ints32(values: Iterable[int]) -> Int32s:
    return np.fromiter(values, dtype=np.int32)


def _ints64(values: Iterable[int]) -> Int64s:
    return np.fromiter(values, dtype=np.int64)


def _bools(values: Iterable[bool]) -> Bools:
    return np.fromiter(values, dtype=np.bool_)


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _minute(hour: str | None) -> int:
    return -1 if hour is None else int(hour[:2]) * 60 + int(hour[3:])
