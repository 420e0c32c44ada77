"""A drug does not fit the sex or the age of the person it was bought for.

Rule: an item's drug is for the other sex, or the person's age in completed years on the local date of the swipe is
outside the drug's limits. One finding a swipe; pooled-fund money raises it.
Source: docs/rules.md, sex_age_conflict; NHSA rule library, 区分性别, whose code covers the sex alone.
Edges: both age limits are inclusive; born on 29 February, in common years a year older on 1 March; without a known
institution there is no local date and the age is not judged.
Misses: drugs of which no limit is known.
"""

from __future__ import annotations

import numpy as np

from detectors.examples import drug, institution, item, person, swipe
from detectors.local_time import date_numbers
from detectors.rule import Example, Firing, Reach, RuleParameters
from detectors.slab import Slab
from detectors.windows import Bools, Int64s
from events.findings import Severity

SCOPE = "person"

_YEAR = 10_000
_UNKNOWN_BIRTH = 0


class Parameters(RuleParameters, frozen=True, kw_only=True):
    """`fund_severity` holds where the pooled fund pays."""

    severity: Severity = "medium"
    fund_severity: Severity = "high"


def reach(_parameters: Parameters) -> Reach:
    """Looks at the anchor alone."""
    return Reach(back_ms=0, ahead_ms=0)


def detect(slab: Slab, parameters: Parameters) -> list[Firing]:
    """Returns a firing at every swipe with an item that does not fit."""
    swipes, items = slab.swipes, slab.items
    of_other_sex, of_other_age = _is_of_other_sex(slab), _is_of_other_age(slab)
    firings = []
    for row in np.unique(items.swipe[of_other_sex | of_other_age]).tolist():
        start, end = np.searchsorted(items.swipe, [row, row + 1]).tolist()
        wrong_sex, wrong_age = of_other_sex[start:end], of_other_age[start:end]
        fund_fen = int(swipes.fund_fen[row])
        firings.append(
            Firing(
                row=row,
                key={"person_id": slab.persons.names[swipes.person[row]]},
                severity=parameters.fund_severity if fund_fen > 0 else parameters.severity,
                measure={
                    "items": int((wrong_sex | wrong_age).sum()),
                    "sex_items": int(wrong_sex.sum()),
                    "age_items": int(wrong_age.sum()),
                    "fund_fen": fund_fen,
                },
                threshold={"items": 0},
                evidence=[swipes.settlement_id[row]],
                has_basis=bool(wrong_sex.any()),
            )
        )
    return firings


def _is_of_other_sex(slab: Slab) -> Bools:
    """Returns whether each item's drug is for the other sex."""
    is_wrong = np.zeros(len(slab.items), dtype=np.bool_)
    of_one_sex = np.flatnonzero((slab.drug_facts.sex >= 0)[slab.items.drug])
    version = slab.person_versions_at_swipes()[slab.items.swipe[of_one_sex]]
    judged = of_one_sex[version >= 0]
    sex = slab.people.sex[version[version >= 0]]
    is_wrong[judged] = (sex >= 0) & (sex != slab.drug_facts.sex[slab.items.drug[judged]])
    return is_wrong


def _is_of_other_age(slab: Slab) -> Bools:
    """Returns whether each item's drug is for the younger or the older."""
    items, known = slab.items, slab.drug_facts
    is_wrong = np.zeros(len(items), dtype=np.bool_)
    has_limit = (known.min_age_years > np.iinfo(np.int64).min) | (known.max_age_years < np.iinfo(np.int64).max)
    limited = np.flatnonzero(has_limit[items.drug])
    least, greatest = known.min_age_years[items.drug[limited]], known.max_age_years[items.drug[limited]]
    rows, place = np.unique(items.swipe[limited], return_inverse=True)
    age, has_age = _ages_at(slab, rows)
    of_item = age[place]
    is_wrong[limited] = has_age[place] & ((of_item < least) | (of_item > greatest))
    return is_wrong


def _ages_at(slab: Slab, rows: Int64s) -> tuple[Int64s, Bools]:
    """Returns the person's age in completed years at each of these swipes, and whether it is known."""
    age, has_age = np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows), dtype=np.bool_)
    person_version = slab.person_versions_at_swipes()[rows]
    store_version = slab.institution_versions_at_swipes()[rows]
    known = np.flatnonzero((person_version >= 0) & (store_version >= 0))
    born = slab.people.born[person_version[known]].astype(np.int64)
    date = date_numbers(slab.local_ms_at(rows[known], store_version[known]))
    age[known] = (date - born) // _YEAR
    has_age[known] = born != _UNKNOWN_BIRTH
    return age, has_age


_BOUGHT = swipe("a", "0h", items=[item()])

EXAMPLES = (
    Example(
        title="a man buys what is for women; pooled-fund money raises it",
        events=[
            drug(sex="F"),
            person(sex="M"),
            _BOUGHT,
            swipe("b", "1h", fund_fen=1, items=[item(line_no=1), item(line_no=2)]),
        ],
        fires={"a": "medium", "b": "high"},
    ),
    Example(
        title="a day before the eighteenth birthday",
        events=[institution(), drug(min_age_years=18), person(birth_date="2008-01-06"), _BOUGHT],
        fires={"a": "medium"},
    ),
    Example(
        title="on the eighteenth birthday, and on the last day of being 59",
        events=[
            institution(),
            drug(min_age_years=18, max_age_years=59),
            person(birth_date="2008-01-05"),
            person("329900-2", birth_date="1966-01-06"),
            _BOUGHT,
            swipe("b", "1h", person_id="329900-2", items=[item()]),
        ],
        fires={},
    ),
)
