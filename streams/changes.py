"""What a batch of events changed in the findings that stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from events.findings import Finding
from events.types import Reversal
from streams.parcels import Parcel

TICK: Final = "time"
"""The cause of a change that came with the passing of time alone."""

RULES: Final = "rules"
"""The cause of a change that came with another version of the rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a batch changed.

    `causes` names, by finding_id, the identity of an event that touched the finding's key. `parcels` go to partitions
    that are held elsewhere, by their numbers.
    """

    raised: list[Finding] = field(default_factory=list)
    withdrawn: list[Finding] = field(default_factory=list)
    mismatched: list[Reversal] = field(default_factory=list)
    causes: dict[str, str] = field(default_factory=dict)
    parcels: dict[int, Parcel] = field(default_factory=dict)
