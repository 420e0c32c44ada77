"""What a rule is: the types that every module in detectors/rules is written with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Protocol, get_args, runtime_checkable

import msgspec
from msgspec import Meta, Struct

from detectors.slab import Slab
from events.durations import duration_ms
from events.findings import SEVERITIES, Key, Severity

Scope = Literal["person", "till", "visitor", "weekday", "stock", "trace_code", "pair", "institution", "supply"]
"""By what a rule gathers swipes: its slab must hold every swipe within reach of the same person, till, visitor,
institution and local weekday, institution and drug, trace code, of both persons of a pair, of the institution, or
(supply) of the person with the same medicine."""
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

AtLeastOne = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[float, Meta(ge=0, le=1e12)]
Positive = Annotated[float, Meta(gt=0, le=1e12)]
FenBound = Annotated[int, Meta(ge=0, le=10**12)]
Ratio = Annotated[float, Meta(ge=0, le=1)]


class Duration(int):
    """A length of time in milliseconds, written `90s`, `10m`, `24h` or `7d` in the configuration."""


class Window(Duration):
    """A duration longer than 0s."""


def read_duration(kind: type, written: object) -> Duration:
    """Returns the duration that a configuration value says; the hook of msgspec for `Duration` and `Window`."""
    if not issubclass(kind, Duration) or not isinstance(written, str):
        raise ValueError("a duration is a whole number and a unit: 90s, 10m, 24h or 7d")
    duration = kind(duration_ms(written))
    if kind is Window and duration <= 0:
        raise ValueError("a window must be longer than 0s")
    return duration


class RuleParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every rule's parameters; defaults are those of docs/rules.md."""


class CountTier(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Reached when the window holds at least `count` swipes."""

    window: Window
    count: AtLeastOne
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """An anchor at t depends on no event outside [t − back_ms, t + ahead_ms], references and corrections aside.

    A finding lies in that range too: at its anchor, or at the reversal of it.

    A rule that waits decides about t only when time has passed t + waits_ms.
    """

    back_ms: int
    ahead_ms: int
    waits_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One anchor at which a rule fires: the row of its swipe and what was counted.

    The row is one of the standing swipes, or with `of_reversed` one of the reversed ones: the time is the reversal's
    then. `has_basis` is false where the rule's basis code does not cover what was found.
    """

    row: int
    key: Key
    severity: Severity
    measure: dict[str, object]
    threshold: dict[str, object]
    evidence: list[str]
    of_reversed: bool = False
    has_basis: bool = True


class Example(Struct, frozen=True, kw_only=True):
    """A small story: events, and the anchors (settlement_id → severity) at which the rule fires with its defaults."""

    title: str
    events: Sequence[dict[str, object]]
    fires: dict[str, Severity]


class Rule(Protocol):
    """What a module in detectors/rules offers."""

    SCOPE: Scope
    Parameters: type[RuleParameters]
    EXAMPLES: Sequence[Example]

    @staticmethod
    def reach(parameters: RuleParameters) -> Reach:
        """Returns how far around an anchor the rule looks."""

    @staticmethod
    def detect(slab: Slab, parameters: RuleParameters) -> list[Firing]:
        """Returns every anchor of the slab at which the rule fires."""


@runtime_checkable
class SaysMeasures(Protocol):
    """A rule without examples to learn from what it measures: `measured` are the names in its measure and threshold."""

    measured: frozenset[str]


def highest_first(severities: Sequence[Severity]) -> list[int]:
    """Returns tier numbers from the highest severity to the lowest; of equal ones the first listed comes first."""
    return sorted(range(len(severities)), key=lambda number: -SEVERITIES.index(severities[number]))


def convert_parameters(kind: type[RuleParameters], written: object) -> RuleParameters:
    """Returns validated parameters. Raises: msgspec.ValidationError, naming the path of what is wrong."""
    return msgspec.convert(written, kind, dec_hook=read_duration)
