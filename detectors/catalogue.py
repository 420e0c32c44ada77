"""The rules that exist, the configuration that is in force, and the judgement of a slab by both."""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Literal, cast

import msgspec
from msgspec import Meta, Struct

from detectors import rules
from detectors.meetings import MeetingParameters
from detectors.rule import (
    SCOPES,
    Duration,
    Firing,
    Reach,
    Rule,
    RuleParameters,
    Scope,
    convert_parameters,
    read_duration,
)
from detectors.slab import Slab
from detectors.ties import TieParameters
from events.errors import ConfigError
from events.findings import Finding, finding_id_of
from events.validation import config_error

RuleMode = Literal["live", "shadow", "off"]
Route = Literal["store", "centre", "both"]


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


class RuleSettings(Struct, frozen=True, kw_only=True):
    """What every rule's entry in rules.yaml holds beside its parameters."""

    mode: RuleMode
    route: Route
    texts: RuleTexts
    basis_code: str | None = None
    escalate_after: Duration = Duration(600_000)


class Entry(Struct, frozen=True, kw_only=True):
    """One rule with its settings and validated parameters."""

    name: str
    settings: RuleSettings
    parameters: RuleParameters


class Ruleset(Struct, frozen=True, kw_only=True):
    """A validated rules.yaml; `version` is the hash of what it says."""

    version: str
    entries: tuple[Entry, ...]

    def active(self) -> Iterator[Entry]:
        """Yields the entries that are not off."""
        return (entry for entry in self.entries if entry.settings.mode != "off")


@lru_cache(maxsize=1)
def rule_modules() -> Mapping[str, Rule]:
    """Returns every rule by its name: the modules of detectors/rules."""
    names = sorted(found.name for found in pkgutil.iter_modules(rules.__path__))
    return {name: cast("Rule", importlib.import_module(f"{rules.__name__}.{name}")) for name in names}


def read_ruleset(written: Mapping[str, object], source: str) -> Ruleset:
    """Returns the validated rules of one file's content; a rule that it does not mention is off.

    Raises: ConfigError naming the file, the key, the value and what is allowed.
    """
    known = rule_modules()
    entries = []
    for name, entry in written.items():
        if name not in known:
            raise ConfigError(source, str(name), entry, f"no such rule; the rules are {', '.join(known)}")
        if not isinstance(entry, Mapping):
            raise ConfigError(source, name, entry, "a rule is a mapping of settings")
        entries.append(_read_entry(name, entry, source))
    canonical = msgspec.json.encode(written, order="deterministic")
    return Ruleset(version=hashlib.sha256(canonical).hexdigest()[:16], entries=tuple(entries))


def _read_entry(name: str, written: Mapping[str, object], source: str) -> Entry:
    settings = {key: value for key, value in written.items() if key in RuleSettings.__struct_fields__}
    parameters = {key: value for key, value in written.items() if key not in settings}
    kind: type[Struct] = RuleSettings
    try:
        read_settings = msgspec.convert(settings, RuleSettings, dec_hook=read_duration)
        kind = rule_modules()[name].Parameters
        return Entry(name=name, settings=read_settings, parameters=convert_parameters(kind, parameters))
    except msgspec.ValidationError as error:
        raise config_error(source, name, written, kind, str(error)) from error


def reach_of(ruleset: Ruleset, scope: Scope) -> Reach:
    """Returns how far the active rules of a scope look around an anchor."""
    reaches = [module.reach(entry.parameters) for entry, module in _of_scope(ruleset, [scope])]
    return Reach(
        back_ms=max((reach.back_ms for reach in reaches), default=0),
        ahead_ms=max((reach.ahead_ms for reach in reaches), default=0),
        waits_ms=max((reach.waits_ms for reach in reaches), default=0),
    )


def tie_parameters(ruleset: Ruleset) -> TieParameters | None:
    """Returns how swipes are tied to visitors, or None where no active rule asks for it."""
    for entry in ruleset.active():
        if isinstance(entry.parameters, TieParameters):
            return entry.parameters
    return None


def meeting_parameters(ruleset: Ruleset) -> MeetingParameters | None:
    """Returns what a meeting is, or None where no active rule asks for it."""
    for entry in ruleset.active():
        if isinstance(entry.parameters, MeetingParameters):
            return entry.parameters
    return None


def scopes_of(ruleset: Ruleset) -> frozenset[Scope]:
    """Returns the scopes of the active rules."""
    return frozenset(rule_modules()[entry.name].SCOPE for entry in ruleset.active())


def judge(slab: Slab, ruleset: Ruleset, scopes: Collection[Scope] = SCOPES) -> list[Finding]:
    """Returns every finding of the scopes' active rules at the slab's swipes, in no particular order."""
    return [
        _finding(slab, ruleset, entry, firing)
        for entry, module in _of_scope(ruleset, scopes)
        for firing in module.detect(slab, entry.parameters)
    ]


def _of_scope(ruleset: Ruleset, scopes: Collection[Scope]) -> Iterator[tuple[Entry, Rule]]:
    for entry in ruleset.active():
        module = rule_modules()[entry.name]
        if module.SCOPE in scopes:
            yield entry, module


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
