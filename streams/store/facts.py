"""Everything accepted that is no swipe: kept as packed events, found by what they are about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

import msgspec
import numpy as np

from detectors.slab import Till
from detectors.slab_builder import keep_latest_drug
from events.identity import identity_of
from events.types import (
    AccountInjection,
    AgentRegistration,
    CrossRegionFiling,
    Drug,
    Event,
    FaceObserved,
    Institution,
    Person,
    Reversal,
    StockMovement,
    VisitorCorrection,
)
from streams.store.files import Files
from streams.store.key_index import hash_of
from streams.store.swipes import Stock

QUARTER_MS = 900_000
"""Observations of a till are found by the quarter of an hour."""

Fact = TypeVar("Fact", bound=Event)
Lasting = Person | AccountInjection | CrossRegionFiling | AgentRegistration | StockMovement | Institution | Drug
FactKey = tuple[str, ...]


class FactTable(Generic[Fact]):
    """Events of one type in order of arrival, each found by one or more keys.

    Args: `key_of` returns for each index the texts by which an event is found.
    """

    def __init__(self, files: Files, name: str, kind: type[Fact], **key_of: Callable[[Fact], FactKey]) -> None:
        self._packed = files.blobs(name)
        self._indexes = {by: (files.index(f"{name}_by_{by}"), of) for by, of in key_of.items()}
        self._decoder = msgspec.msgpack.Decoder(kind)

    def __len__(self) -> int:
        return len(self._packed)

    def add(self, facts: Sequence[Fact]) -> None:
        """Adds events."""
        for index, key_of in self._indexes.values():
            index.add([hash_of(*key_of(fact)) for fact in facts], len(self._packed))
        self._packed.extend([msgspec.msgpack.encode(fact) for fact in facts])

    def find(self, by: str, keys: Sequence[FactKey]) -> dict[FactKey, list[Fact]]:
        """Returns the events of each key, in order of arrival; keys without any are left out."""
        found: dict[FactKey, list[Fact]] = {}
        if len(self._packed) == 0:
            return found
        index, key_of = self._indexes[by]
        owner, row = index.find([hash_of(*key) for key in keys])
        order = np.argsort(row, kind="stable")
        for number, packed in zip(owner[order].tolist(), self._packed.at(row[order]), strict=True):
            fact = self._decoder.decode(packed)
            if key_of(fact) == keys[number]:
                found.setdefault(keys[number], []).append(fact)
        return found

    def of(self, by: str, *key: str) -> list[Fact]:
        """Returns the events of one key, in order of arrival."""
        return self.find(by, [key]).get(key, [])

    def all(self) -> Iterator[Fact]:
        """Yields every event, in order of arrival."""
        return (self._decoder.decode(packed) for packed in self._packed.at(np.arange(len(self._packed))))


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Since when facts are kept (UTC ms): those of persons, of tills and of stocks."""

    persons_since_ms: int
    tills_since_ms: int
    stocks_since_ms: int


class FactStore:
    """What is known beside the swipes, in whatever order it comes; whoever may be told twice asks `knows` first."""

    def __init__(self, files: Files) -> None:
        self._versions = FactTable(files, "person_version", Person, person=lambda version: (version.person_id,))
        self._injections = FactTable(files, "injection", AccountInjection, person=lambda given: (given.person_id,))
        self._filings = FactTable(files, "filing", CrossRegionFiling, person=lambda filing: (filing.person_id,))
        self._agents = FactTable(
            files, "agent", AgentRegistration, holder=lambda agent: (agent.institution_id, agent.holder_person_id)
        )
        self._reversals = FactTable(files, "reversal", Reversal, settlement=lambda undone: (undone.settlement_id,))
        self._corrections = FactTable(
            files, "correction", VisitorCorrection, observation=lambda correction: (correction.observation_id,)
        )
        self._movements = FactTable(
            files,
            "movement",
            StockMovement,
            stock=lambda moved: (moved.institution_id, moved.drug_code),
            id=lambda moved: (moved.institution_id, moved.event_id),
        )
        self._deletions = FactTable(
            files,
            "deletion",
            StockMovement,
            removes=lambda deletion: (deletion.institution_id, str(deletion.refers_to)),
        )
        self._observations = FactTable(
            files, "observation", FaceObserved, quarter=_quarter_of, id=lambda observed: (observed.event_id,)
        )
        self._institutions = FactTable(files, "institution_version", Institution)
        self._drugs = FactTable(files, "drug_fact", Drug, code=lambda drug: (drug.drug_code,))
        self.institutions: dict[str, list[Institution]] = {}
        self.drugs: dict[str, Drug] = {}
        for version in self._institutions.all():
            self.institutions.setdefault(version.institution_id, []).append(version)
        for drug in self._drugs.all():
            keep_latest_drug(self.drugs, drug)

    def keep(self, other: FactStore, kept: Kept, is_known: Callable[[Sequence[str]], Sequence[bool]]) -> list[str]:
        """Takes over what may still be asked for, and returns the identities of the events that are left out.

        Versions, filings, places and drugs stay for ever. `is_known` says of settlements whether their swipes are
        kept: a reversal goes with its swipe.
        """
        for name in ("_versions", "_filings"):
            getattr(self, name).add(list(getattr(other, name).all()))
        for version in other._institutions.all():
            self.add_institution(version)
        for drug in other._drugs.all():
            self.add_drug(drug)
        forgotten = self._keep_since(other, ("_injections",), kept.persons_since_ms)
        forgotten += self._keep_since(other, ("_agents", "_observations", "_corrections"), kept.tills_since_ms)
        forgotten += self._keep_since(other, ("_movements", "_deletions"), kept.stocks_since_ms)
        reversals = list(other._reversals.all())
        known = is_known([reversal.settlement_id for reversal in reversals])
        for reversal, has_swipe in zip(reversals, known, strict=True):
            if has_swipe or reversal.occurred_at_ms >= kept.persons_since_ms:
                self._reversals.add([reversal])
            else:
                forgotten.append(identity_of(reversal))
        return forgotten

    def _keep_since(self, other: FactStore, tables: Iterable[str], since_ms: int) -> list[str]:
        forgotten = []
        for name in tables:
            facts = list(getattr(other, name).all())
            getattr(self, name).add([fact for fact in facts if fact.occurred_at_ms >= since_ms])
            forgotten += [identity_of(fact) for fact in facts if fact.occurred_at_ms < since_ms]
        return forgotten

    def knows(self, fact: Lasting) -> bool:
        """Returns whether an event was added before."""
        match fact:
            case Person():
                known: Iterable[Event] = self._versions.of("person", fact.person_id)
            case AccountInjection():
                known = self._injections.of("person", fact.person_id)
            case CrossRegionFiling():
                known = self._filings.of("person", fact.person_id)
            case AgentRegistration():
                known = self._agents.of("holder", fact.institution_id, fact.holder_person_id)
            case StockMovement(kind="deletion"):
                known = self._deletions.of("removes", fact.institution_id, str(fact.refers_to))
            case StockMovement():
                known = self._movements.of("id", fact.institution_id, fact.event_id)
            case Institution():
                known = self.institutions.get(fact.institution_id, ())
            case _:
                known = self._drugs.of("code", fact.drug_code)
        return any(one.event_id == fact.event_id for one in known)

    # ---------------------------------------------------------------------------------------------------- persons

    def add_version(self, version: Person) -> None:
        """Adds a version of a person."""
        self._versions.add([version])

    def versions_of(self, person_ids: Iterable[str]) -> dict[str, list[Person]]:
        """Returns what is known of each person; those of whom nothing is known are left out."""
        return _by_name(self._versions.find("person", [(name,) for name in person_ids]))

    def add_of_person(self, fact: AccountInjection | CrossRegionFiling) -> None:
        """Adds an injection or a filing."""
        if isinstance(fact, AccountInjection):
            self._injections.add([fact])
        else:
            self._filings.add([fact])

    def accounts_of(self, person_ids: Iterable[str]) -> Iterator[AccountInjection | CrossRegionFiling]:
        """Yields the injections and filings of these persons."""
        keys = [(name,) for name in person_ids]
        for injections in self._injections.find("person", keys).values():
            yield from injections
        for filings in self._filings.find("person", keys).values():
            yield from filings

    # ------------------------------------------------------------------------------------------ places and drugs

    def add_institution(self, version: Institution) -> None:
        """Adds a version of an institution."""
        self._institutions.add([version])
        self.institutions.setdefault(version.institution_id, []).append(version)

    def add_drug(self, drug: Drug) -> bool:
        """Adds what is known of a drug; returns whether anything that rules ask for has changed."""
        before = self.drugs.get(drug.drug_code)
        self._drugs.add([drug])
        keep_latest_drug(self.drugs, drug)
        return _said_of(before) != _said_of(self.drugs[drug.drug_code])

    def add_agent(self, agent: AgentRegistration) -> None:
        """Adds a registered agent."""
        self._agents.add([agent])

    def agents_of(self, holders: Iterable[tuple[str, str]]) -> Iterator[AgentRegistration]:
        """Yields the agents registered at each (institution, holder)."""
        for agents in self._agents.find("holder", list(holders)).values():
            yield from agents

    # ------------------------------------------------------------------------------------------------------ stock

    def add_movement(self, movement: StockMovement) -> StockMovement | None:
        """Adds a stock movement or deletion; returns the movement that now stands, or no longer, if there is one."""
        if movement.kind != "deletion":
            self._movements.add([movement])
            return movement
        if movement.refers_to is None:
            return None
        self._deletions.add([movement])
        return next(iter(self._movements.of("id", movement.institution_id, movement.refers_to)), None)

    def movements_of(self, stocks: Iterable[Stock]) -> dict[FactKey, list[StockMovement]]:
        """Returns the movements of each stock that stand."""
        moved = self._movements.find("stock", list(stocks))
        ids = [(movement.institution_id, movement.event_id) for of_stock in moved.values() for movement in of_stock]
        deleted = self._deletions.find("removes", ids)
        return {
            stock: [movement for movement in of_stock if (movement.institution_id, movement.event_id) not in deleted]
            for stock, of_stock in moved.items()
        }

    # ---------------------------------------------------------------------------------------------- observations

    def add_observation(self, observed: FaceObserved) -> None:
        """Adds an observation once."""
        if self.observation(observed.event_id) is None:
            self._observations.add([observed])

    def observation(self, event_id: str) -> FaceObserved | None:
        """Returns an observation, or None."""
        return next(iter(self._observations.of("id", event_id)), None)

    def observed_at(self, spans: Iterable[tuple[Till, int, int]]) -> dict[str, FaceObserved]:
        """Returns by event_id the observations of each till from first to last, both inside."""
        wanted: dict[FactKey, list[tuple[int, int]]] = {}
        if len(self._observations) == 0:
            return {}
        for till, first_ms, last_ms in spans:
            for quarter in range(first_ms // QUARTER_MS, last_ms // QUARTER_MS + 1):
                wanted.setdefault((*till, str(quarter)), []).append((first_ms, last_ms))
        found = self._observations.find("quarter", list(wanted))
        return {
            observed.event_id: observed
            for key, of_quarter in found.items()
            for observed in of_quarter
            if any(first_ms <= observed.occurred_at_ms <= last_ms for first_ms, last_ms in wanted[key])
        }

    def add_correction(self, correction: VisitorCorrection) -> None:
        """Adds a correction once."""
        known = self._corrections.of("observation", correction.observation_id)
        if all(other.event_id != correction.event_id for other in known):
            self._corrections.add([correction])

    def corrections_of(self, observation_ids: Iterable[str]) -> dict[str, list[VisitorCorrection]]:
        """Returns all corrections of each observation; those without any are left out."""
        return _by_name(self._corrections.find("observation", [(name,) for name in observation_ids]))

    # -------------------------------------------------------------------------------------------------- reversals

    def add_reversal(self, reversal: Reversal) -> None:
        """Adds a reversal, whether it fits its swipe or not."""
        self._reversals.add([reversal])

    def reversals_of(self, settlement_ids: Iterable[str]) -> dict[str, list[Reversal]]:
        """Returns the reversals that name each settlement; settlements without any are left out."""
        return _by_name(self._reversals.find("settlement", [(name,) for name in settlement_ids]))


def _quarter_of(observed: FaceObserved) -> FactKey:
    return (observed.institution_id, observed.till_id, str(observed.occurred_at_ms // QUARTER_MS))


def _by_name(found: dict[FactKey, list[Fact]]) -> dict[str, list[Fact]]:
    return {key[0]: facts for key, facts in found.items()}


def _said_of(drug: Drug | None) -> tuple[object, ...]:
    """Returns what rules ask of a drug."""
    if drug is None:
        return (None, None, None, None)
    return (drug.generic_code, drug.sex, drug.min_age_years, drug.max_age_years)
