"""The simulated city says only what a real one could, and about nobody who exists."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import msgspec

from config.settings import load_registry, packaged
from events.codec import decode_event
from events.types import Swipe
from simulator.city import CLIP_SECONDS, PEOPLE, POSITIONS, City, Due, Place, counter_scenes

START_MS = 1_790_000_000_000
FIRST_SWIPES = 32


def places() -> list[Place]:
    registry = load_registry(packaged("demo.yaml"))
    return [
        Place(
            institution_id=one.institution_id,
            kind=one.kind,
            name=one.name_zh,
            latitude=POSITIONS[one.institution_id][0],
            longitude=POSITIONS[one.institution_id][1],
            tills=tuple(till.till_id for till in one.tills),
            watched=tuple(till.till_id for till in one.tills if till.cameras),
        )
        for one in registry.institutions
    ]


def first_minutes(earlier_lives: int = 0) -> list[Due]:
    return list(islice(City(places(), START_MS, earlier_lives=earlier_lives).life(), FIRST_SWIPES))


def test_every_event_is_good_input_and_names_synthetic_people_only():
    city = City(places(), START_MS)
    events = [*city.references(), *(due.event for due in islice(city.life(), 200))]
    for event in events:
        decoded = decode_event(msgspec.json.encode({**event, "occurred_at_ms": START_MS}))
        assert event["type"] == decoded.__struct_config__.tag
        assert str(event.get("person_id", "329900")).startswith("329900")
    people = {event["person_id"] for event in events if event["type"] == "person"}
    institutions = {event["institution_id"] for event in events if event["type"] == "institution"}
    assert (len(people), len(institutions)) == (PEOPLE, 8)
    assert {event["person_id"] for event in events if event["type"] == "swipe"} <= people


def test_life_goes_forward_and_a_start_gives_it_once():
    times = [due.after_s for due in first_minutes()]
    assert times == sorted(times)
    assert first_minutes() == first_minutes()
    names = [due.event["settlement_id"] for due in first_minutes()]
    assert len(set(names)) == len(names)


def test_lives_that_follow_each_other_give_the_parts_to_others():
    first, second = ({due.event["person_id"] for due in first_minutes(lives)} for lives in (0, 1))
    assert len(first & second) < len(first) / 2
    rush, quiet = (sum(due.after_s < 100 for due in first_minutes(lives)) for lives in (0, 1))
    assert quiet < rush


def test_counters_with_a_camera_see_only_the_swipes_of_their_story():
    watched = {(place.institution_id, till) for place in places() for till in place.watched}
    after_the_cases = [due for due in islice(City(places(), START_MS).life(), 200) if due.after_s > CLIP_SECONDS]
    assert after_the_cases
    for due in after_the_cases:
        swipe = decode_event(msgspec.json.encode({**due.event, "occurred_at_ms": START_MS}))
        assert isinstance(swipe, Swipe)
        assert (swipe.institution_id, swipe.till_id) not in watched


def test_every_clip_lasts_as_long_as_the_others():
    for scenes in counter_scenes(Path()).values():
        assert sum(scene.seconds for scene in scenes) == CLIP_SECONDS
