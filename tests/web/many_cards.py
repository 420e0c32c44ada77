"""One face that pays with many cards, in a world: each swipe with its picture, and the finding that counts them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from events.findings import Finding, Severity
from tests.alerts.builders import STORE, VISITOR
from tests.web.world import World, observation_bytes, swipe_event


def use_card(world: World, person_id: str, at_ms: int, *, store: str = STORE, picture: bool = True) -> str:
    """The visitor pays with a person's card; returns the settlement."""
    settlement = world.settlement()
    world.log(msgspec.json.encode(swipe_event(settlement, at_ms=at_ms, person_id=person_id, institution_id=store)))
    if picture:
        faces = [{"quality": 0.8, "visitor_id": VISITOR, "settlement_id": settlement}]
        observation_id = f"fo-{settlement}"
        world.log(observation_bytes(observation_id, settlement, at_ms + 1_000, faces=faces, institution_id=store))
        world.keep_still(observation_id, settlement, at_ms + 1_000)
    return settlement


def finding_of(
    world: World, swipes: Sequence[str], at_ms: int, *, cards: int, severity: Severity = "medium", store: str = STORE
) -> Finding:
    """The rule's finding at the last of the swipes stands, and is an alert."""
    return world.raise_alert(
        "one_face_many_cards",
        settlement=swipes[-1],
        at_ms=at_ms,
        severity=severity,
        store=store,
        evidence=list(swipes),
        measure={"buyers": cards, "institutions": 1},
    )


def three_cards(world: World) -> tuple[list[str], Finding]:
    """Three cards within four minutes at one store."""
    now_ms = world.now_ms()
    times = [now_ms - 300_000, now_ms - 180_000, now_ms - 60_000]
    swipes = [use_card(world, f"329900-{number}-secret", at_ms) for number, at_ms in enumerate(times, 1)]
    return swipes, finding_of(world, swipes, times[-1], cards=3)
