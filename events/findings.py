"""A finding: one rule's conclusion about one anchor swipe, and its id for ever."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

Severity = Literal["low", "medium", "high", "critical"]
Mode = Literal["live", "shadow"]
Status = Literal["raised", "withdrawn"]
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")

Key = dict[str, str | list[str]]


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One rule's conclusion about one anchor; `evidence` holds the ids that were counted, in time order."""

    finding_id: str
    detector: str
    status: Status
    key: Key
    settlement_id: str
    institution_id: str
    occurred_at_ms: int
    severity: Severity
    measure: dict[str, object]
    threshold: dict[str, object]
    evidence: list[str]
    basis_code: str | None = None
    rules_version: str
    mode: Mode


def finding_id_of(detector: str, key: Key, settlement_id: str) -> str:
    """Returns the 32 hex digits that this decision has for ever: a hash of detector, key and anchor alone."""
    decision = msgspec.json.encode([detector, sorted(key.items()), settlement_id])
    return hashlib.sha256(decision).hexdigest()[:32]


def severity_rank(severity: Severity) -> int:
    """Returns 0 for low up to 3 for critical."""
    return SEVERITIES.index(severity)


def replay_order(finding: Finding) -> tuple[int, str, str]:
    """Returns the key by which findings are printed."""
    return (finding.occurred_at_ms, finding.detector, finding.finding_id)


def finding_json(finding: Finding) -> bytes:
    """Returns the finding as one JSON line's bytes; the same finding gives the same bytes."""
    return msgspec.json.encode(finding)
