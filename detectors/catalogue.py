"""The rules that exist, the configuration that is in force, and the judgement of a slab by both."""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Literal, cast

import msgspec
import numpy as np
from msgspec import Meta, Struct

from detectors import rules
from detectors.meetings import MeetingParameters, MeetingReach
from detectors.rule import (
    SCOPES,
    AtLeastOne,
    Duration,
    Firing,
    Reach,
    Rule,
    RuleParameters,
    Scope,
    convert_parameters,
    read_duration,
)
from detectors.slab import END_OF_TIME_MS, Slab
from detectors.ties import TieParameters
from events.errors import ConfigError, InvariantError
from events.findings import Finding, finding_id_of
from events.validation import config_error

RuleMode = Literal["live", "shadow", "off"]
Route = Literal["store", "centre", "both"]

EFFECTIVE_FROM = "effective_from_ms"
"""The key beside the rules that says from when on a version is in force."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_TIME_MS = 4_102_444_800_000
_CUSTOM_NAME = re.compile(r"[a-z][a-z0-9_]{2,40}")


class TextPair(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happened and what is asked for, in one language; the milder wording is for holders with a household."""

    fact: Annotated[str, Meta(min_length=1)]
    action: Annotated[str, Meta(min_length=1)]
    fact_household: str | None = None
    action_household: str | None = None


class RuleTexts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule's reminder texts in both languages."""

    zh: TextPair
    en: TextPair


class RuleTitle(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How screens call a rule, in both languages."""

    zh: Annotated[str, Meta(min_length=1, max_length=60)]
    en: Annotated[str, Meta(min_length=1, max_length=60)]


class RuleSettings(Struct, frozen=True, kw_only=True):
    """What every rule's entry in rules.yaml holds beside its parameters.

    `title` None leaves the name to the screens: a built-in rule has one there, any other is called by its key.
    `breaker` is how many findings an hour may become alerts before the rule is halted; None leaves it to the settings.
    """

    mode: RuleMode
    route: Route
    texts: RuleTexts
    basis_code: Annotated[str, Meta(pattern=r"^[0-9A-Za-z._-]{1,64}\Z")] | None = None
    escalate_after: Duration = Duration(600_000)
    title: RuleTitle | None = None
    breaker: AtLeastOne | None = None


class Entry(Struct, frozen=True, kw_only=True):
    """One rule with its settings and validated parameters."""

    name: str
    rule: Rule
    settings: RuleSettings
    parameters: RuleParameters


class Ruleset(Struct, frozen=True, kw_only=True):
    """A validated rules.yaml; `version` is the hash of what it says about rules."""

    version: str
    entries: tuple[Entry, ...]
    effective_from_ms: int = 0

    def active(self) -> Iterator[Entry]:
        """Yields the entries that are not off."""
        return (entry for entry in self.entries if entry.settings.mode != "off")


class Rulebook(Struct, frozen=True, kw_only=True):
    """Versions of the rules, at least one, by effective_from_ms, each in force until the next one is."""

    versions: tuple[Ruleset, ...]

    @property
    def version_starts(self) -> tuple[int, ...]:
        """The times from which the versions are in force, ascending."""
        return tuple(ruleset.effective_from_ms for ruleset in self.versions)

    def in_force_at(self, at_ms: int) -> Ruleset | None:
        """Returns the version that judges an anchor at this time, or None before the first."""
        number = bisect_right(self.version_starts, at_ms)
        return self.versions[number - 1] if number else None

    def terms(self) -> Iterator[tuple[Ruleset, int, int]]:
        """Yields each version with the first time of its anchors and the first that is no longer one."""
        ends = (*self.version_starts[1:], END_OF_TIME_MS)
        for ruleset, end_ms in zip(self.versions, ends, strict=True):
            yield ruleset, ruleset.effective_from_ms, end_ms

    def active(self) -> Iterator[Entry]:
        """Yields the entries of all versions that are not off."""
        return (entry for ruleset in self.versions for entry in ruleset.active())


def rulebook_of(ruleset: Ruleset) -> Rulebook:
    """Returns one version that is in force for all time."""
    return Rulebook(versions=(msgspec.structs.replace(ruleset, effective_from_ms=0),))


def first_difference_ms(one: Rulebook, other: Rulebook) -> int | None:
    """Returns the earliest time at which another version is in force in one than in the other, or None."""
    for start_ms in sorted({*one.version_starts, *other.version_starts}):
        first, second = one.in_force_at(start_ms), other.in_force_at(start_ms)
        if first is None or second is None or first.version != second.version:
            return start_ms
    return None


@lru_cache(maxsize=1)
def rule_modules() -> Mapping[str, Rule]:
    """Returns every rule by its name: the modules of detectors/rules."""
    names = sorted(found.name for found in pkgutil.iter_modules(rules.__path__))
    return {name: cast("Rule", importlib.import_module(f"{rules.__name__}.{name}")) for name in names}


def read_ruleset(written: Mapping[str, object], source: str) -> Ruleset:
    """Returns the validated rules of one file's content; a rule that it does not mention is off.

    Raises: ConfigError naming the file, the key, the value and what is allowed.
    """
    said = {name: entry for name, entry in written.items() if name != EFFECTIVE_FROM}
    entries = tuple(_read_entry(name, entry, source) for name, entry in said.items())
    canonical = msgspec.json.encode(said, order="deterministic")
    return Ruleset(
        version=hashlib.sha256(canonical).hexdigest()[:16],
        entries=entries,
        effective_from_ms=read_time(written.get(EFFECTIVE_FROM, 0), source, EFFECTIVE_FROM),
    )


def read_time(written: object, source: str, key: str) -> int:
    """Returns the time in ms UTC that is written so, or as a date with time and offset. Raises: ConfigError."""
    moment = written
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            moment = None
    if isinstance(moment, datetime) and moment.tzinfo is not None:
        moment = (moment - _EPOCH) // timedelta(milliseconds=1)
    if not isinstance(moment, int) or isinstance(moment, bool) or not 0 <= moment < _LAST_TIME_MS:
        allowed = "milliseconds UTC, or a date with time and offset such as 2026-03-01T00:00:00+08:00, before 2100"
        raise ConfigError(source, key, written, allowed)
    return moment


def _read_entry(name: str, written: object, source: str) -> Entry:
    if not isinstance(written, Mapping):
        raise ConfigError(source, name, written, "a rule is a mapping of settings")
    settings = {key: value for key, value in written.items() if key in RuleSettings.__struct_fields__}
    parameters = {key: value for key, value in written.items() if key not in settings}
    kind: type[Struct] = RuleSettings
    try:
        read_settings = msgspec.convert(settings, RuleSettings, dec_hook=read_duration)
        kind = _parameters_of(name, parameters, source)
        read_parameters = convert_parameters(kind, parameters)
        rule = _rule_of(name, read_parameters)
    except msgspec.ValidationError as error:
        raise config_error(source, name, written, kind, str(error)) from error
    return Entry(name=name, rule=rule, settings=read_settings, parameters=read_parameters)


def _parameters_of(name: str, written: Mapping[str, object], source: str) -> type[RuleParameters]:
    """Returns the parameters of a rule in detectors/rules, or those of a custom rule: it says its key."""
    known = rule_modules()
    if name in known:
        return known[name].Parameters
    if "key" not in written:
        allowed = f"no such rule; the rules are {', '.join(known)}, and custom rules say their key"
        raise ConfigError(source, name, written, allowed)
    if _CUSTOM_NAME.fullmatch(name) is None:
        raise ConfigError(source, name, name, "a custom rule's name is 3 to 41 of a-z, 0-9 and _, from a letter")
    from detectors.custom import CustomParameters  # noqa: PLC0415 - half a second of CEL for whoever has custom rules

    return CustomParameters


def _rule_of(name: str, parameters: RuleParameters) -> Rule:
    known = rule_modules()
    if name in known:
        return known[name]
    from detectors.custom import CustomParameters, CustomRule  # noqa: PLC0415 - as above

    return CustomRule(cast("CustomParameters", parameters))


def reach_of(rulebook: Rulebook, scope: Scope) -> Reach:
    """Returns how far the active rules of a scope look around an anchor, the widest of all versions."""
    reaches = [entry.rule.reach(entry.parameters) for entry in rulebook.active() if scope == entry.rule.SCOPE]
    return Reach(
        back_ms=max((reach.back_ms for reach in reaches), default=0),
        ahead_ms=max((reach.ahead_ms for reach in reaches), default=0),
        waits_ms=max((reach.waits_ms for reach in reaches), default=0),
    )


def tie_reach(rulebook: Rulebook) -> Reach | None:
    """Returns how far from a swipe the faces lie that may tie it to a visitor, or None where no version asks."""
    ties = [entry.parameters for entry in rulebook.active() if isinstance(entry.parameters, TieParameters)]
    if not ties:
        return None
    return Reach(back_ms=int(max(tie.before for tie in ties)), ahead_ms=int(max(tie.after for tie in ties)))


def meeting_reach(rulebook: Rulebook) -> MeetingReach | None:
    """Returns the widest that any version calls a meeting, or None where none asks for meetings."""
    asked = [entry.parameters for entry in rulebook.active() if isinstance(entry.parameters, MeetingParameters)]
    if not asked:
        return None
    return MeetingReach(
        meeting_ms=int(max(one.meeting for one in asked)), institutions=min(one.institutions for one in asked)
    )


def scopes_of(rulebook: Rulebook) -> frozenset[Scope]:
    """Returns the scopes of the active rules of all versions."""
    return frozenset(entry.rule.SCOPE for entry in rulebook.active())


def judge(slab: Slab, rulebook: Rulebook, scopes: Collection[Scope] = SCOPES) -> list[Finding]:
    """Returns every finding of the scopes' active rules at the slab's swipes, in no particular order.

    A swipe is judged by the version in force at its own time, counting all history; before the first version by none.
    """
    detected = _Detected(slab)
    findings = []
    for ruleset, first_ms, end_ms in rulebook.terms():
        is_for_all_time = first_ms <= 0 and end_ms == END_OF_TIME_MS
        if not is_for_all_time and not _holds_anchors(slab, first_ms, end_ms):
            continue
        for entry in ruleset.active():
            if entry.rule.SCOPE in scopes:
                findings += [
                    _finding(slab, ruleset, entry, firing)
                    for firing in detected.firings(entry)
                    if is_for_all_time or first_ms <= _swiped_at_ms(slab, firing) < end_ms
                ]
    return findings


class _Detected:
    """What rules fire at in a slab; a rule that several versions have with the same parameters looks once."""

    def __init__(self, slab: Slab) -> None:
        self._slab = slab
        self._known: dict[str, list[tuple[RuleParameters, list[Firing]]]] = {}

    def firings(self, entry: Entry) -> list[Firing]:
        """Returns every firing of an entry, whichever version its anchor lies in."""
        known = self._known.setdefault(entry.name, [])
        for parameters, firings in known:
            if parameters == entry.parameters:
                return firings
        try:
            firings = entry.rule.detect(self._slab, entry.parameters)
        except Exception as error:  # whatever a rule raises, whoever reads of it wants to know which rule it was
            raise InvariantError(f"rule {entry.name} failed: {error!r}") from error
        known.append((entry.parameters, firings))
        return firings


def _holds_anchors(slab: Slab, first_ms: int, end_ms: int) -> bool:
    return any(
        bool(np.any((swipes.time_ms >= first_ms) & (swipes.time_ms < end_ms)))
        for swipes in (slab.swipes, slab.reversed_swipes)
    )


def _swiped_at_ms(slab: Slab, firing: Firing) -> int:
    swipes = slab.reversed_swipes if firing.of_reversed else slab.swipes
    return int(swipes.time_ms[firing.row])


def _finding(slab: Slab, ruleset: Ruleset, entry: Entry, firing: Firing) -> Finding:
    swipes = slab.reversed_swipes if firing.of_reversed else slab.swipes
    time_ms = slab.reversed_at_ms if firing.of_reversed else swipes.time_ms
    settlement_id = swipes.settlement_id[firing.row]
    return Finding(
        finding_id=finding_id_of(entry.name, firing.key, settlement_id),
        detector=entry.name,
        status="raised",
        key=firing.key,
        settlement_id=settlement_id,
        institution_id=slab.institution_ids.names[swipes.institution[firing.row]],
        occurred_at_ms=int(time_ms[firing.row]),
        severity=firing.severity,
        measure=firing.measure,
        threshold=firing.threshold,
        evidence=firing.evidence,
        basis_code=entry.settings.basis_code if firing.has_basis else None,
        rules_version=ruleset.version,
        mode="shadow" if entry.settings.mode == "shadow" else "live",
    )
