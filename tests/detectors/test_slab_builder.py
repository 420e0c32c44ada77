"""Slabs: events in any order and any pieces become the same tables, and what was reversed stands apart."""

from __future__ import annotations

import pytest

from detectors.slab import END_OF_TIME_MS, Slab
from detectors.slab_builder import SlabBuilder, slab_of
from tests.brute_force.stories import NOON, event, person, seen, swipe
from tests.detectors.test_laws import accepted_events
from tests.worlds import encode

ITEMS = [{"line_no": 1, "drug_code": "d", "quantity": 1, "unit_price_fen": 1, "amount_fen": 1, "trace_codes": ["c"]}]
STORY = [
    swipe("b", 1, items=ITEMS),
    swipe("a", 1, person="p2"),
    swipe("c", 0, items=ITEMS),
    seen("o2", 1, {"quality": 0.5, "visitor_id": "v"}),
    seen("o1", 1, {"quality": 0.6}, {"quality": 0.7}),
    person("p1", "h", since=1),
    person("p1"),
    *[event("account_injection", f"i{at}", NOON + at, person_id="p1", year=2024, amount_fen=at) for at in (2, 1)],
]


def told_by(slab: Slab) -> list[object]:
    """Returns what a slab says in words, whatever its numbers."""
    swipes, items, faces = slab.swipes, slab.items, slab.faces
    return [
        swipes.settlement_id.tolist(),
        [slab.persons.names[code] for code in swipes.person.tolist()],
        [swipes.settlement_id[row] for row in items.swipe.tolist()],
        [(swipes.settlement_id[row], code) for row, code in zip(slab.traces.swipe, slab.traces.code, strict=True)],
        [(slab.observations.event_id[row], q) for row, q in zip(faces.observation, faces.quality, strict=True)],
        slab.people.effective_from_ms.tolist(),
        slab.injections.event_id.tolist(),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 5, len(STORY)])
def test_events_in_pieces_of_any_size_make_the_same_slab(size):
    events = accepted_events(encode(STORY))
    builder = SlabBuilder()
    for start in range(0, len(events), size):
        builder.add(events[start : start + size])
    told = told_by(builder.build(watermark_ms=END_OF_TIME_MS))
    assert told == told_by(slab_of(events)) == told_by(slab_of(events[::-1]))
    assert told[0] == ["c", "a", "b"]
    assert told[4] == [("o1", 0.6), ("o1", 0.7), ("o2", 0.5)]


def test_reversed_swipes_stand_apart_with_their_time_and_nothing_of_theirs_stands():
    slab = slab_of(accepted_events(encode(STORY)), reversed_at_ms={"b": NOON + 9, "nothing": NOON})
    assert slab.swipes.settlement_id.tolist() == ["c", "a"]
    assert slab.reversed_swipes.settlement_id.tolist() == ["b"]
    assert slab.reversed_at_ms.tolist() == [NOON + 9]
    assert told_by(slab)[2] == ["c"]


def test_owners_are_told_of_swipes_that_are_there():
    builder = SlabBuilder()
    assert builder.owners_of(["a"]) == {}
    builder.add(accepted_events(encode(STORY)))
    assert builder.owners_of(["a", "nothing"]) == {"a": ("A", "p2")}
    assert builder.owners_of([]) == {}
