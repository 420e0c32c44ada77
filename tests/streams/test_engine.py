"""How much the live engine judges anew: what an event may concern, and not a till's whole past."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest

from app.rule_files import read_rules
from config.settings import packaged
from detectors.examples import agent_registration, at, swipe
from detectors.slab import Slab
from events.codec import decode_event
from events.dead_letters import InvalidEvent
from events.types import AnyEvent, Swipe
from streams.engine import Engine

HOLDER = "329900-1"


def event_of(row: dict[str, object]) -> AnyEvent:
    event = decode_event(msgspec.json.encode(row))
    assert not isinstance(event, InvalidEvent)
    return event


@pytest.mark.parametrize(
    ("named", "judged"), [(None, {"near"}), ("old", {"old"}), ("unknown", set())], ids=["none", "old", "unknown"]
)
def test_agent_registration_looks_at_the_swipe_it_names_or_those_around_it(monkeypatch, named, judged):
    engine = Engine(read_rules(packaged("rules.yaml")))
    purchases = [event_of(swipe(name, offset, HOLDER)) for name, offset in (("old", "0d"), ("near", "90d"))]
    engine.apply(purchases, at("91d"))
    seen: set[str] = set()
    whole = engine.history.slab

    def slab(swipes: Iterable[Swipe], others: Iterable[AnyEvent], watermark_ms: int) -> Slab:
        given = list(swipes)
        seen.update(one.settlement_id for one in given)
        return whole(given, others, watermark_ms)

    monkeypatch.setattr(engine.history, "slab", slab)
    row = agent_registration("a", "90d", holder_person_id=HOLDER) | {"settlement_id": named}
    engine.apply([event_of(row)], at("91d"))
    assert seen == judged
