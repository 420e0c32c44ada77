"""Versions of the rules in words: what another one changes, and from when on it is in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from detectors.catalogue import Entry, Rulebook, Ruleset, reach_of, rulebook_of
from detectors.rule import SCOPES
from events.durations import duration_text

NOTHING = "–"


def differences(old: Ruleset, new: Ruleset) -> Iterator[str]:
    """Yields a line for every rule that is new (+), gone (-) or changed (~), with each setting old → new."""
    before, after = ({entry.name: entry for entry in ruleset.entries} for ruleset in (old, new))
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield f"+ {name}: {after[name].settings.mode}, route {after[name].settings.route}"
        elif name not in after:
            yield f"- {name}: no such rule any longer"
        else:
            changes = list(_changes(flat(before[name]), flat(after[name])))
            if changes:
                yield f"~ {name}: {'; '.join(changes)}"


def longer_looks(old: Rulebook, new: Ruleset) -> Iterator[str]:
    """Yields a line for every scope in which rules look further back than any before."""
    for scope in SCOPES:
        back_ms, wanted_ms = reach_of(old, scope).back_ms, reach_of(rulebook_of(new), scope).back_ms
        if wanted_ms > back_ms:
            yield (
                f"note: by {scope} it looks back {duration_text(wanted_ms)}, further than any version before "
                f"({duration_text(back_ms)}); of older events only what is still kept counts"
            )


def flat(entry: Entry) -> dict[str, object]:
    """Returns every setting and parameter of a rule by its dotted key, as people write it."""
    both = {**_builtins(entry.settings), **_builtins(entry.parameters)}
    return dict(_leaves(both, ""))


def in_words(at_ms: int) -> str:
    """Returns a time with this machine's offset; 0 is the beginning."""
    if at_ms == 0:
        return "the beginning"
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone().isoformat(timespec="seconds")


def written(value: object) -> object:
    """Returns a duration as people write it; msgspec knows everything else."""
    if isinstance(value, int):
        return duration_text(value)
    raise NotImplementedError(type(value).__name__)


def _builtins(part: msgspec.Struct) -> dict[str, object]:
    said: dict[str, object] = msgspec.to_builtins(part, enc_hook=written)
    return said


def _leaves(value: object, key: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{key}[{number}]")
    else:
        yield key, value


def _changes(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[str]:
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        if old != new:
            yield f"{key} {NOTHING if old is None else old} → {NOTHING if new is None else new}"
