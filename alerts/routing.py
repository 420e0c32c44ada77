"""Who is told: the store's terminal, the centre, both, or nobody."""

from __future__ import annotations

from collections.abc import Iterable

from detectors.catalogue import Route
from events.findings import Finding


def is_alertable(finding: Finding) -> bool:
    """Returns whether a finding stands and may become an alert; one in shadow mode never does."""
    return finding.status == "raised" and finding.mode == "live"


def is_stale(finding: Finding, decided_at_ms: int, stale_ms: int) -> bool:
    """Returns whether the anchor was older than `stale_ms` when the finding was raised; exactly as old is not."""
    return decided_at_ms - finding.occurred_at_ms > stale_ms


def route_of(rule_route: Route, finding: Finding, decided_at_ms: int, stale_ms: int) -> Route:
    """Returns the rule's route, or `centre` for what is too old to be asked about at the till."""
    return "centre" if is_stale(finding, decided_at_ms, stale_ms) else rule_route


def joined_route(routes: Iterable[Route]) -> Route:
    """Returns the route that reaches everybody whom one of the routes reaches; the centre where there is none."""
    distinct = set(routes)
    if not distinct:
        return "centre"
    return distinct.pop() if len(distinct) == 1 else "both"
