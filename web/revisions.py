"""What a later event changed in a finding: each value before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from events.findings import Finding
from storage.queries.alerts import Revision
from web.dossier import values_of
from web.ports import Language


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One value that a revision changed; `name` is a measure's, or one of severity, evidence, status, rules."""

    name: str
    before: str
    after: str


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of a finding after its first, with what it changed."""

    revision: Revision
    changes: tuple[Change, ...]


def steps_of(revisions: Sequence[Revision], language: Language) -> list[Step]:
    """Returns each revision after the first, the oldest first, with what it changed of the one before."""
    return [
        Step(revision=now, changes=tuple(_changes(before.finding, now.finding, language)))
        for before, now in pairwise(revisions)
    ]


def _changes(before: Finding, after: Finding, language: Language) -> Iterator[Change]:
    if before.status != after.status:
        yield Change(name="status", before=before.status, after=after.status)
    if before.severity != after.severity:
        yield Change(name="severity", before=before.severity, after=after.severity)
    values = {one.name: one for one in values_of(before, language)}
    for value in values_of(after, language):
        known = values.get(value.name)
        if known is None or known.measured != value.measured:
            yield Change(name=value.name, before=known.measured if known else "", after=value.measured)
    if before.evidence != after.evidence:
        gained = len(set(after.evidence) - set(before.evidence))
        lost = len(set(before.evidence) - set(after.evidence))
        said = " ".join(part for part in (f"+{gained}" if gained else "", f"−{lost}" if lost else "") if part)
        yield Change(name="evidence", before=str(len(before.evidence)), after=f"{len(after.evidence)} ({said})")
    if before.rules_version != after.rules_version:
        yield Change(name="rules", before=before.rules_version[:12], after=after.rules_version[:12])
