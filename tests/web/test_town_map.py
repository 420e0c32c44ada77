from __future__ import annotations

import random

import pytest

from storage.institution_places import Place
from web.town_map import HEIGHT, MARKS, NAMED_AT_MOST, WIDTH, Label, TownMap, town_map


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


def labels(drawn: TownMap) -> list[Label]:
    return [dot.label for dot in drawn.dots if dot.label is not None]


def test_a_name_at_the_edge_stays_on_the_map() -> None:
    places = [place("a", 31.5, 120.0), place("b", 31.5, 120.1), place("c", 31.5, 120.2)]
    drawn = town_map(places, lambda p: f"Pharmacy of the {p.name} quarter")
    assert len(labels(drawn)) == 3
    for label in labels(drawn):
        assert label.box.left > 0
        assert label.box.right < WIDTH


def test_a_name_stands_below_its_dot_unless_something_is_there() -> None:
    places = [place("a", 31.50, 120.2), place("b", 31.501, 120.17), place("c", 31.6, 120.0)]
    assert all(dot.label and dot.label.y > dot.y for dot in town_map(places, lambda p: p.name).dots)
    first, second, _ = town_map(places, lambda p: p.name * 12).dots
    assert first.label is not None
    assert second.label is not None
    assert not first.label.box.meets(second.label.box)


@pytest.mark.parametrize("seed", range(40))
def test_no_name_lies_on_another_or_on_a_dot_or_on_the_scale(seed: int) -> None:
    rnd = random.Random(seed)
    crowd = rnd.choice([0.004, 0.02, 0.1])
    places = [
        place(f"{number}", 31.5 + rnd.uniform(-crowd, crowd), 120.2 + rnd.uniform(-crowd, crowd))
        for number in range(rnd.randint(2, NAMED_AT_MOST))
    ]
    names = ["梅园社区卫生服务站", "河埒口药店", "Meiyuan Community Clinic", "Helie Pharmacy", "安康"]
    drawn = town_map(places, lambda p: names[int(p.institution_id) % len(names)])
    boxes = [label.box for label in labels(drawn)] + [dot.core for dot in drawn.dots] + list(MARKS)
    named = len(labels(drawn))
    assert named > 0
    for number, box in enumerate(boxes[:named]):
        assert box.left >= 0
        assert box.top >= 0
        assert box.right <= WIDTH
        assert box.bottom <= HEIGHT
        assert not any(box.meets(other) for other in boxes[:number] + boxes[number + 1 :])


def test_a_few_stores_that_lie_close_together_are_all_named() -> None:
    places = [place(str(number), 31.5 + number * 0.004, 120.2 + number % 2 * 0.006) for number in range(6)]
    assert len(labels(town_map(places, lambda _place: "Helie Pharmacy"))) == 6


def test_more_stores_than_can_be_told_apart_have_no_names() -> None:
    places = [place(str(number), 31.5 + number * 0.01, 120.2) for number in range(NAMED_AT_MOST + 1)]
    drawn = town_map(places, lambda p: p.name)
    assert (drawn.named, labels(drawn)) == (False, [])
