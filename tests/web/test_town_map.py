from __future__ import annotations

import pytest

from storage.institution_places import Place
from web.town_map import HEIGHT, WIDTH, town_map


def place(name: str, latitude: float, longitude: float) -> Place:
    return Place(
        institution_id=name,
        event_id=name,
        effective_from_ms=0,
        kind="pharmacy",
        name=name,
        latitude=latitude,
        longitude=longitude,
    )


def test_north_is_above_and_east_is_right_and_all_are_on_the_drawing():
    drawn = town_map(
        [place("sw", 31.50, 120.20), place("ne", 31.60, 120.35), place("mid", 31.55, 120.25)], lambda p: p.name
    )
    by_name = {dot.name: dot for dot in drawn.dots}
    assert by_name["ne"].y < by_name["mid"].y < by_name["sw"].y
    assert by_name["sw"].x < by_name["mid"].x < by_name["ne"].x
    assert all(0 < dot.x < WIDTH and 0 < dot.y < HEIGHT for dot in drawn.dots)


def test_a_kilometre_is_as_long_to_the_east_as_to_the_north():
    # At 60° north a degree of longitude is half as long as one of latitude.
    drawn = town_map([place("a", 60.00, 10.0), place("b", 60.01, 10.0), place("c", 60.00, 10.02)], lambda p: p.name)
    a, b, c = drawn.dots
    assert a.y - b.y == pytest.approx(c.x - a.x, rel=0.01)
    assert drawn.scale_px / drawn.scale_km == pytest.approx((a.y - b.y) / 1.11195, rel=0.01)


def test_one_place_alone_lies_in_the_middle_and_none_is_no_map():
    (dot,) = town_map([place("a", 31.5, 120.2)], lambda p: p.name).dots
    assert (dot.x, dot.y) == (WIDTH / 2, HEIGHT / 2)
    assert town_map([], lambda p: p.name).dots == ()


def test_a_name_at_the_edge_stays_on_the_map() -> None:
    places = [place("a", 31.5, 120.0), place("b", 31.5, 120.1), place("c", 31.5, 120.2)]
    west, middle, east = town_map(places, lambda p: f"Pharmacy of the {p.name} quarter").dots
    assert (west.label_anchor, middle.label_anchor, east.label_anchor) == ("start", "middle", "end")
    assert 0 < west.label_left < west.x < middle.label_x < east.x < east.label_x < WIDTH


def test_a_name_that_would_lie_on_a_neighbours_stands_above_its_dot() -> None:
    places = [place("a", 31.50, 120.0), place("b", 31.501, 120.03), place("c", 31.6, 120.2)]
    assert [dot.label_above for dot in town_map(places, lambda p: p.name).dots] == [False, False, False]
    assert [dot.label_above for dot in town_map(places, lambda p: p.name * 20).dots] == [False, True, False]
