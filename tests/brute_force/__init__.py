"""An independent, naive reading of what docs/events.md and docs/rules.md say; it imports nothing of the product."""

from __future__ import annotations

from tests.brute_force.acceptance import accept
from tests.brute_force.rules import DEFAULTS, findings

__all__ = ["DEFAULTS", "accept", "findings"]
