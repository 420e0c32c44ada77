"""Rules that are written in rules.yaml without code: a key, a filter, a window and an aggregate.

Rule: at a swipe that passes the filter, the aggregate over the swipes of its key that pass the filter in the tier's
window reaches the tier's threshold. One finding an anchor, of the highest severity reached, of equal ones the first
listed.
Source: docs/rules.md, Custom rules.
Edges: the window is open at its start and closed at the anchor, swipes at one instant count whatever their order;
reversed swipes are invisible; what the filter needs and nobody knows is not met; sums are exact.
Misses: anything but swipes: cameras, stock, trace codes and reversals have their own rules.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import numpy as np
from msgspec import Meta, Struct

from detectors.exact import Units, fraction_of, shown
from detectors.filters.fields import SwipeFacts
from detectors.filters.filter import filter_of
from detectors.measures import ALLOWED, Aggregate, Of, measure_name, reaches, shown_value, values_in
from detectors.rule import Example, Firing, Positive, Reach, RuleParameters, Scope, Window, highest_first
from detectors.slab import Slab
from detectors.windows import Bools, Groups, Int64s, Spans, trailing_window
from events.errors import InvariantError
from events.findings import Severity

KeyField = Literal["person_id", "institution_id", "till_id"]

LONGEST_WINDOW_MS: Final = 60 * 86_400_000
"""As long as swipes stay in memory."""
SCOPE_OF_KEY: Final[Mapping[frozenset[KeyField], Scope]] = {
    frozenset({"person_id"}): "person",
    frozenset({"person_id", "institution_id"}): "person",
    frozenset({"institution_id"}): "institution",
    frozenset({"institution_id", "till_id"}): "institution",
}
"""Tills too are gathered by institution: what the scope "till" gathers are the looks of cameras around a swipe."""


class CustomTier(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Reached when the aggregate is at least `threshold`; its own `window`, or the rule's."""

    threshold: Positive
    severity: Severity
    window: Window | None = None


class CustomParameters(RuleParameters, frozen=True, kw_only=True):
    """A whole custom rule: one `threshold` and `severity`, or `tiers` of them.

    Raises: ValueError, ending in the place of what is wrong as msgspec writes it.
    """

    key: tuple[KeyField, ...]
    aggregate: Aggregate
    of: Of | None = None
    filter: str | None = None
    window: Window | None = None
    threshold: Positive | None = None
    severity: Severity | None = None
    tiers: Annotated[tuple[CustomTier, ...], Meta(min_length=1)] | None = None

    def __post_init__(self) -> None:
        _check_key(self)
        _check_of(self)
        _check_tiers(self)
        _check_filter(self)

    @property
    def scope(self) -> Scope:
        """By what the rule gathers swipes."""
        return SCOPE_OF_KEY[frozenset(self.key)]

    @property
    def steps(self) -> tuple[CustomTier, ...]:
        """The tiers, each with its window; a single threshold is one tier."""
        if self.tiers is None and self.threshold is not None and self.severity is not None:
            return (CustomTier(threshold=self.threshold, severity=self.severity, window=self.window),)
        return tuple(
            CustomTier(threshold=tier.threshold, severity=tier.severity, window=tier.window or self.window)
            for tier in self.tiers or ()
        )

    @property
    def measure_name(self) -> str:
        """How the value that is compared with the threshold is called in findings and texts."""
        return measure_name(self.aggregate, self.of)


def _check_key(rule: CustomParameters) -> None:
    if frozenset(rule.key) not in SCOPE_OF_KEY or len(set(rule.key)) < len(rule.key):
        allowed = "[person_id], [person_id, institution_id], [institution_id] or [institution_id, till_id]"
        raise _error(allowed, "key")


def _check_of(rule: CustomParameters) -> None:
    allowed = ALLOWED[rule.aggregate]
    if rule.of is None and not allowed:
        return
    if not allowed:
        raise _error("count counts swipes: it is of nothing", "of")
    if rule.of not in allowed:
        raise _error(f"{rule.aggregate} is of one of {', '.join(allowed)}", "of")
    if rule.of in rule.key:
        raise _error(f"a key has one {rule.of}: the number of different ones is always 1", "of")


def _check_tiers(rule: CustomParameters) -> None:
    """Either one threshold with its severity and window, or tiers."""
    _check_window(rule.window, "window")
    if rule.tiers is None:
        for name, value in (("threshold", rule.threshold), ("severity", rule.severity), ("window", rule.window)):
            if value is None:
                raise _error("needed, unless there are tiers", name)
        _check_threshold(rule, rule.threshold, "threshold")
        return
    for name, value in (("threshold", rule.threshold), ("severity", rule.severity)):
        if value is not None:
            raise _error("not beside tiers: each of them says its own", name)
    for number, tier in enumerate(rule.tiers):
        _check_window(tier.window, f"tiers[{number}].window")
        _check_threshold(rule, tier.threshold, f"tiers[{number}].threshold")
        if (tier.window or rule.window) is None:
            raise _error("needed, here or for the whole rule", f"tiers[{number}].window")


def _check_window(window: Window | None, place: str) -> None:
    if window is not None and window > LONGEST_WINDOW_MS:
        raise _error("at most 60d: that is how long swipes are at hand", place)


def _check_threshold(rule: CustomParameters, threshold: float | None, place: str) -> None:
    if threshold is not None and not threshold.is_integer() and rule.of != "quantity":
        raise _error("a whole number; only quantity has parts", place)


def _check_filter(rule: CustomParameters) -> None:
    if rule.filter is None:
        return
    try:
        filter_of(rule.filter, of_person="person_id" in rule.key)
    except ValueError as error:
        raise _error(str(error), "filter") from error


def _error(allowed: str, place: str) -> ValueError:
    """Returns what msgspec passes on as an error at this place."""
    return ValueError(f"{allowed} - at `$.{place}`")


class CustomRule:
    """The rule that some parameters say; `measured` names what its findings hold."""

    Parameters: type[RuleParameters] = CustomParameters
    EXAMPLES: Sequence[Example] = ()

    def __init__(self, parameters: CustomParameters) -> None:
        self.SCOPE: Scope = parameters.scope
        self.measured = frozenset({parameters.measure_name, "window_ms"} | _beside(parameters))

    @staticmethod
    def reach(parameters: RuleParameters) -> Reach:
        """Looks back the longest window."""
        return Reach(back_ms=max(step.window or 0 for step in _own(parameters).steps), ahead_ms=0)

    @staticmethod
    def detect(slab: Slab, parameters: RuleParameters) -> list[Firing]:
        """Returns a firing at every swipe that passes the filter and whose key has reached a tier."""
        return _Detection(slab, _own(parameters)).firings()


def _own(parameters: RuleParameters) -> CustomParameters:
    if not isinstance(parameters, CustomParameters):
        raise InvariantError(f"{type(parameters).__name__} are no custom rule's")
    return parameters


def _beside(rule: CustomParameters) -> set[str]:
    """Returns what is measured beside the aggregate: of how many swipes it is."""
    return set() if rule.aggregate == "count" else {"swipes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One tier applied: its windows, and for each position the aggregate and whether it reaches the tier."""

    tier: CustomTier
    spans: Spans
    values: Units
    is_reached: Bools


class _Detection:
    """One rule applied to one slab; positions count the swipes that pass the filter, gathered by key."""

    def __init__(self, slab: Slab, rule: CustomParameters) -> None:
        self._slab, self._rule = slab, rule
        self._facts = SwipeFacts(slab)
        self._codes = _key_codes(slab, rule.key)
        self._groups = Groups.of(self._codes, self._passing())

    def firings(self) -> list[Firing]:
        """Returns a firing at every position that reaches a tier, of the highest of them."""
        steps = [self._step(tier) for tier in self._rule.steps]
        reached_by = np.full(len(self._groups.rows), -1, dtype=np.int64)
        for number in reversed(highest_first([step.tier.severity for step in steps])):
            reached_by[steps[number].is_reached] = number
        reached_by[self._slab.swipes.time_ms[self._groups.rows] < self._slab.asked_from_ms] = -1
        return [
            self._firing(position, steps[reached_by[position]]) for position in np.flatnonzero(reached_by >= 0).tolist()
        ]

    def _passing(self) -> Int64s:
        """Returns the rows of the swipes that the rule looks at."""
        if self._rule.filter is None:
            return np.arange(len(self._slab.swipes), dtype=np.int64)
        asked = filter_of(self._rule.filter, of_person=self._rule.scope == "person")
        return np.flatnonzero(asked.met_by(self._facts))

    def _step(self, tier: CustomTier) -> _Step:
        spans = trailing_window(self._slab.swipes.time_ms, self._codes, tier.window or 0, self._groups)
        values = values_in(spans, self._rule.aggregate, self._rule.of, self._facts)
        return _Step(tier=tier, spans=spans, values=values, is_reached=reaches(values, tier.threshold, self._rule.of))

    def _firing(self, position: int, step: _Step) -> Firing:
        row = int(self._groups.rows[position])
        counted = self._slab.swipes.settlement_id[step.spans.rows_of(row)].tolist()
        name, of = self._rule.measure_name, self._rule.of
        measure: dict[str, object] = {name: shown_value(step.values[position], of)}
        if self._rule.aggregate != "count":
            measure["swipes"] = len(counted)
        return Firing(
            row=row,
            key={field: _NAMED[field](self._slab, row) for field in self._rule.key},
            severity=step.tier.severity,
            measure=measure,
            threshold={name: shown(fraction_of(step.tier.threshold)), "window_ms": int(step.tier.window or 0)},
            evidence=counted,
        )


def _key_codes(slab: Slab, key: Collection[KeyField]) -> Int64s:
    """Returns a number for each swipe's key."""
    swipes = slab.swipes
    if "till_id" in key:
        return swipes.till.astype(np.int64)
    if "person_id" not in key:
        return swipes.institution.astype(np.int64)
    person = swipes.person.astype(np.int64)
    return person * len(slab.institution_ids.names) + swipes.institution if "institution_id" in key else person


_NAMED: Final[Mapping[KeyField, Callable[[Slab, int], str]]] = {
    "person_id": lambda slab, row: slab.persons.names[slab.swipes.person[row]],
    "institution_id": lambda slab, row: slab.institution_ids.names[slab.swipes.institution[row]],
    "till_id": lambda slab, row: slab.tills.names[slab.swipes.till[row]][1],
}
