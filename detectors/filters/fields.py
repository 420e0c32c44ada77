"""What a filter may ask of a swipe: the fields, their kinds, and the columns that they are in a slab.

Source: docs/rules.md, Custom rules. What is in force at the swipe's own time counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np

from detectors.filters.columns import Column, Numbers, WordLists, Words
from detectors.filters.syntax import Scalar
from detectors.local_time import DAY_MS, MINUTE_MS, date_numbers
from detectors.slab import CREDENTIALS, SEXES, STATUSES, Slab
from detectors.windows import Bools, Int32s, Int64s

Kind = Literal["flag", "number", "text", "texts"]

_HOUR_MINUTES: Final = 60
_DAY_MINUTES: Final = 24 * _HOUR_MINUTES
_TIMES: Final = tuple(f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(60))
_WEEK_DAYS: Final = 7
_THURSDAY: Final = 3
"""1 January 1970, counted from Monday as 0."""
_BIRTHDAY_NUMBERS: Final = 10_000
"""Of dates written yyyymmdd: as many as a year; who is born on 29 February is a year older on 1 March."""


class SwipeFacts:
    """What is known of each swipe of a slab; what several fields need is made once."""

    def __init__(self, slab: Slab) -> None:
        self.slab = slab
        self._columns: dict[str, Column] = {}

    def column(self, name: str) -> Column:
        """Returns a field of every swipe."""
        known = self._columns.get(name)
        if known is None:
            known = self._columns[name] = FIELDS[name].column(self)
        return known

    @cached_property
    def everywhere(self) -> Bools:
        """True for every swipe."""
        return np.ones(len(self.slab.swipes), dtype=np.bool_)

    @cached_property
    def store_version(self) -> Int64s:
        """The row of the institution's version in force at each swipe, or −1."""
        return self.slab.institution_versions_at_swipes()

    @cached_property
    def person_version(self) -> Int64s:
        """The row of the person's version in force at each swipe, or −1."""
        return self.slab.person_versions_at_swipes()

    @cached_property
    def has_clock(self) -> Bools:
        """Which swipes have a local time: those of a known institution."""
        return self.store_version >= 0

    @cached_property
    def local_ms(self) -> Int64s:
        """What the institution's wall clock shows at each swipe; 0 where nobody knows."""
        local = np.zeros(len(self.slab.swipes), dtype=np.int64)
        rows = np.flatnonzero(self.has_clock)
        local[rows] = self.slab.local_ms_at(rows, self.store_version[rows])
        return local


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field: its kind, its column, and what its values look like.

    Fields:
        kind: what it may be compared with.
        column: makes it of a slab.
        values: matches whole texts or numbers that the field can have; others are a slip of the pen.
        written: how such values are written, for people.
        of_person: needs more of a person than the household: only rules with a person's key have it.
    """

    kind: Kind
    column: Callable[[SwipeFacts], Column]
    values: re.Pattern[str] | None = None
    written: str = ""
    of_person: bool = False

    def can_be(self, value: Scalar) -> bool:
        """Returns whether a swipe can have this value."""
        return self.values is None or self.values.fullmatch(str(value)) is not None


def fields_for(*, of_person: bool) -> Mapping[str, Field]:
    """Returns the fields of rules with a person's key, or of others."""
    return {name: field for name, field in FIELDS.items() if of_person or not field.of_person}


# ------------------------------------------------------------------------------------------------ columns of a slab


def _total_fen(facts: SwipeFacts) -> Column:
    return Numbers(values=facts.slab.swipes.total_fen, known=facts.everywhere)


def _fund_fen(facts: SwipeFacts) -> Column:
    return Numbers(values=facts.slab.swipes.fund_fen, known=facts.everywhere)


def _account_fen(facts: SwipeFacts) -> Column:
    return Numbers(values=facts.slab.swipes.account_fen, known=facts.everywhere)


def _items(facts: SwipeFacts) -> Column:
    count = np.bincount(facts.slab.items.swipe, minlength=len(facts.slab.swipes))
    return Numbers(values=count.astype(np.int64), known=facts.everywhere)


def _drug_codes(facts: SwipeFacts) -> Column:
    items = facts.slab.items
    return WordLists(owner=items.swipe, codes=items.drug, names=facts.slab.drugs.names, size=len(facts.slab.swipes))


def _credential(facts: SwipeFacts) -> Column:
    return Words(codes=facts.slab.swipes.credential, names=CREDENTIALS)


def _category(facts: SwipeFacts) -> Column:
    return Words(codes=facts.slab.swipes.category, names=facts.slab.categories.names)


def _delivery(facts: SwipeFacts) -> Column:
    return Numbers(values=facts.slab.swipes.delivery, known=facts.everywhere)


def _has_agent(facts: SwipeFacts) -> Column:
    swipes = facts.slab.swipes
    return Numbers(values=(swipes.agent >= 0) & (swipes.agent != swipes.person), known=facts.everywhere)


def _has_household(facts: SwipeFacts) -> Column:
    return Numbers(values=facts.slab.households_at_swipes() >= 0, known=facts.everywhere)


def _insured_region(facts: SwipeFacts) -> Column:
    return Words(codes=facts.slab.swipes.insured_region, names=facts.slab.regions.names)


def _institution_region(facts: SwipeFacts) -> Column:
    codes = _of_version(facts.store_version, facts.slab.institutions.region)
    return Words(codes=codes, names=facts.slab.regions.names)


def _institution_suspended(facts: SwipeFacts) -> Column:
    suspended = _of_version(facts.store_version, facts.slab.institutions.suspended.astype(np.int32))
    return Numbers(values=suspended == 1, known=facts.store_version >= 0)


def _person_id(facts: SwipeFacts) -> Column:
    return Words(codes=facts.slab.swipes.person, names=facts.slab.persons.names)


def _institution_id(facts: SwipeFacts) -> Column:
    return Words(codes=facts.slab.swipes.institution, names=facts.slab.institution_ids.names)


def _till_id(facts: SwipeFacts) -> Column:
    return Words(codes=facts.slab.swipes.till, names=[till_id for _, till_id in facts.slab.tills.names])


def _local_hour(facts: SwipeFacts) -> Column:
    hour = facts.local_ms // MINUTE_MS % _DAY_MINUTES // _HOUR_MINUTES
    return Numbers(values=hour, known=facts.has_clock)


def _local_time(facts: SwipeFacts) -> Column:
    minute = facts.local_ms // MINUTE_MS % _DAY_MINUTES
    return Words(codes=np.where(facts.has_clock, minute, -1), names=_TIMES)


def _local_date(facts: SwipeFacts) -> Column:
    days, codes = np.unique(facts.local_ms // DAY_MS, return_inverse=True)
    return Words(codes=np.where(facts.has_clock, codes, -1), names=days.astype("datetime64[D]").astype(str).tolist())


def _weekday(facts: SwipeFacts) -> Column:
    weekday = (facts.local_ms // DAY_MS + _THURSDAY) % _WEEK_DAYS + 1
    return Numbers(values=weekday, known=facts.has_clock)


def _person_status(facts: SwipeFacts) -> Column:
    return Words(codes=_of_version(facts.person_version, facts.slab.people.status), names=STATUSES)


def _person_sex(facts: SwipeFacts) -> Column:
    return Words(codes=_of_version(facts.person_version, facts.slab.people.sex), names=SEXES)


def _age_years(facts: SwipeFacts) -> Column:
    born = _of_version(facts.person_version, facts.slab.people.born)
    age = (date_numbers(facts.local_ms) - born) // _BIRTHDAY_NUMBERS
    return Numbers(values=age, known=(born > 0) & facts.has_clock)


def _of_version(version: Int64s, column: Int32s) -> Int32s:
    """Returns the column's value in each version, −1 where there is no version."""
    values = np.full(len(version), -1, dtype=np.int32)
    known = np.flatnonzero(version >= 0)
    values[known] = column[version[known]]
    return values


FIELDS: Final[Mapping[str, Field]] = {
    "total_fen": Field(kind="number", column=_total_fen),
    "fund_fen": Field(kind="number", column=_fund_fen),
    "account_fen": Field(kind="number", column=_account_fen),
    "items": Field(kind="number", column=_items),
    "drug_codes": Field(kind="texts", column=_drug_codes),
    "credential": Field(
        kind="text", column=_credential, values=re.compile("|".join(CREDENTIALS)), written=", ".join(CREDENTIALS)
    ),
    "category": Field(kind="text", column=_category),
    "delivery": Field(kind="flag", column=_delivery),
    "has_agent": Field(kind="flag", column=_has_agent),
    "has_household": Field(kind="flag", column=_has_household),
    "insured_region4": Field(
        kind="text", column=_insured_region, values=re.compile(".{0,4}"), written="at most four characters"
    ),
    "institution_region4": Field(
        kind="text", column=_institution_region, values=re.compile(".{0,4}"), written="at most four characters"
    ),
    "institution_suspended": Field(kind="flag", column=_institution_suspended),
    "person_id": Field(kind="text", column=_person_id),
    "institution_id": Field(kind="text", column=_institution_id),
    "till_id": Field(kind="text", column=_till_id),
    "local_hour": Field(kind="number", column=_local_hour, values=re.compile("[0-9]|1[0-9]|2[0-3]"), written="0 to 23"),
    "local_time": Field(
        kind="text", column=_local_time, values=re.compile("([01][0-9]|2[0-3]):[0-5][0-9]"), written="00:00 to 23:59"
    ),
    "local_date": Field(
        kind="text",
        column=_local_date,
        values=re.compile("20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"),
        written="as 2026-01-31",
    ),
    "weekday": Field(kind="number", column=_weekday, values=re.compile("[1-7]"), written="1 (Monday) to 7 (Sunday)"),
    "person_status": Field(
        kind="text",
        column=_person_status,
        values=re.compile("|".join(STATUSES)),
        written=", ".join(STATUSES),
        of_person=True,
    ),
    "person_sex": Field(
        kind="text", column=_person_sex, values=re.compile("|".join(SEXES)), written=", ".join(SEXES), of_person=True
    ),
    "age_years": Field(kind="number", column=_age_years, of_person=True),
}
