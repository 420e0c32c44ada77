"""Rules as files: one for all time, or a folder of versions; each is validated whole, its texts included."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from alerts.texts import validate_texts, validate_title, value_names
from config.settings import parse_yaml, read_text
from detectors.catalogue import EFFECTIVE_FROM, Entry, Rulebook, Ruleset, read_ruleset, rulebook_of
from detectors.rule import SaysMeasures
from events.dead_letters import Place
from events.errors import ConfigError
from streams.replay import replay

FILES = "*.yaml"


class RuleFile(msgspec.Struct, frozen=True, kw_only=True):
    """A version as somebody wrote it: where it stands, its text, and the validated rules that it says."""

    source: str
    content: str
    ruleset: Ruleset


def read_rules(path: Path) -> Rulebook:
    """Returns one file's rules for all time, or the versions of a folder. Raises: ConfigError."""
    return rulebook_of_files(read_rule_files(path), path)


def rulebook_of_files(files: Sequence[RuleFile], path: Path) -> Rulebook:
    """Returns the rules of the files that were read from a path: for all time where it is no folder."""
    if path.is_dir():
        return Rulebook(versions=tuple(file.ruleset for file in files))
    return rulebook_of(files[0].ruleset)


def read_rule_files(path: Path) -> tuple[RuleFile, ...]:
    """Returns a file's version, or those of a folder's *.yaml files by the time from which they are in force.

    Raises: ConfigError for what is wrong in any of them, for a folder without versions and for two of one time.
    """
    if not path.is_dir():
        return (read_rule_file(path),)
    files = [read_rule_file(file) for file in sorted(path.glob(FILES))]
    if not files:
        raise ConfigError(str(path), "--rules", str(path), f"a rule file, or a folder of versions ({FILES})")
    by_time: dict[int, RuleFile] = {}
    for file in files:
        since_ms = file.ruleset.effective_from_ms
        if since_ms in by_time:
            allowed = f"a time of its own; {by_time[since_ms].source} has the same"
            raise ConfigError(file.source, EFFECTIVE_FROM, since_ms, allowed)
        by_time[since_ms] = file
    return tuple(by_time[since_ms] for since_ms in sorted(by_time))


def read_rule_file(file: Path) -> RuleFile:
    """Returns one file's version. Raises: ConfigError."""
    content = read_text(file)
    return RuleFile(source=str(file), content=content, ruleset=parse_rules(content, str(file)))


def parse_rules(content: str, source: str) -> Ruleset:
    """Returns the rules of a text if all that it says can be used: settings, parameters, reminders.

    Raises: ConfigError naming the source, the key, the value and what is allowed.
    """
    ruleset = read_ruleset(parse_yaml(content, source), source)
    for entry in ruleset.entries:
        validate_texts(source, entry.name, entry.settings.texts, names_in_texts(entry))
        if entry.settings.title is not None:
            validate_title(source, entry.name, entry.settings.title)
    return ruleset


def names_in_texts(entry: Entry) -> frozenset[str]:
    """Returns the values that a rule's texts may name: those that each of its findings has."""
    return entry.rule.measured if isinstance(entry.rule, SaysMeasures) else _names_in_examples(entry)


def _names_in_examples(entry: Entry) -> frozenset[str]:
    """Returns what a rule measures, from all that its examples fire with its defaults."""
    known = _NAMES_BY_RULE.get(entry.name)
    if known is None:
        settings = msgspec.structs.replace(entry.settings, mode="live")
        as_shipped = msgspec.structs.replace(entry, settings=settings, parameters=entry.rule.Parameters())
        rulebook = rulebook_of(Ruleset(version="examples", entries=(as_shipped,)))
        stories = [[(msgspec.json.encode(event), Place()) for event in one.events] for one in entry.rule.EXAMPLES]
        found = [finding for story in stories for finding in replay(story, rulebook).findings]
        known = frozenset.intersection(*(value_names([finding]) for finding in found))
        _NAMES_BY_RULE[entry.name] = known
    return known


_NAMES_BY_RULE: dict[str, frozenset[str]] = {}
