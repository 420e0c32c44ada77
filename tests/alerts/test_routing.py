from __future__ import annotations

import pytest

from alerts.routing import is_alertable, is_stale, joined_route, route_of
from detectors.catalogue import Route
from tests.alerts.builders import NOON_MS, finding

STALE_MS = 15 * 60_000


def test_what_stands_and_is_live_may_become_an_alert():
    assert is_alertable(finding())


def test_shadow_mode_and_withdrawn_findings_never_become_an_alert():
    assert not is_alertable(finding(mode="shadow"))
    assert not is_alertable(finding(status="withdrawn"))


@pytest.mark.parametrize(
    ("age_ms", "stale"),
    [(-600_000, False), (0, False), (STALE_MS, False), (STALE_MS + 1, True), (7 * 86_400_000, True)],
)
def test_an_anchor_is_stale_when_older_than_the_limit(age_ms, stale):
    assert is_stale(finding(), NOON_MS + age_ms, STALE_MS) is stale


@pytest.mark.parametrize("route", ["store", "centre", "both"])
def test_a_stale_anchor_goes_to_the_centre_whatever_its_rule_says(route: Route):
    assert route_of(route, finding(), NOON_MS, STALE_MS) == route
    assert route_of(route, finding(), NOON_MS + STALE_MS + 1, STALE_MS) == "centre"


@pytest.mark.parametrize(
    ("routes", "joined"),
    [
        ([], "centre"),
        (["store"], "store"),
        (["store", "store"], "store"),
        (["centre", "centre"], "centre"),
        (["store", "centre"], "both"),
        (["centre", "both"], "both"),
    ],
)
def test_an_alert_goes_to_everybody_one_of_its_findings_goes_to(routes, joined):
    assert joined_route(routes) == joined
