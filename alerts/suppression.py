"""Rules that are silenced for one entity: the finding stays, no alert comes of it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from events.findings import Finding


class Snooze(msgspec.Struct, frozen=True, kw_only=True):
    """One rule silenced for one entity until a moment (UTC ms, itself no longer silenced)."""

    detector: str
    entity: str
    until_ms: int


def entities_of(finding: Finding) -> frozenset[str]:
    """Returns what a finding may be silenced for, as `field=value`: its institution and each value of its key.

    A till's name counts within its institution: `till_id=P32020000001/1`.
    """
    entities = {f"institution_id={finding.institution_id}"}
    for field, value in finding.key.items():
        for one in [value] if isinstance(value, str) else value:
            entities.add(f"{field}={finding.institution_id}/{one}" if field == "till_id" else f"{field}={one}")
    return frozenset(entities)


def is_snoozed(finding: Finding, snoozes: Iterable[Snooze], at_ms: int) -> bool:
    """Returns whether, at the moment of decision, the finding's rule was silenced for one of its entities."""
    entities = entities_of(finding)
    return any(
        snooze.detector == finding.detector and snooze.entity in entities and at_ms < snooze.until_ms
        for snooze in snoozes
    )
