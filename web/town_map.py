"""A schematic map: institutions where they lie, drawn to scale without streets or tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import cos, radians
from typing import Literal, NamedTuple

import msgspec

from storage.institution_places import Place

WIDTH, HEIGHT, EDGE = 400.0, 300.0, 34.0
LINE_HEIGHT, ASCENT, LABEL_MARGIN = 14.0, 11.0, 4.0
LETTER_WIDTH, CAPITAL_WIDTH, HAN_WIDTH = 5.7, 7.6, 10.8
CORE_RADIUS = 7.5
NAMED_AT_MOST = 14
KM_PER_DEGREE = 111.195
LEAST_SPAN_KM = 1.0
SCALES_KM = (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)

Anchor = Literal["start", "middle", "end"]


class Box(NamedTuple):
    """A part of the drawing."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether the two have more in common than an edge."""
        beside = self.right <= other.left or other.right <= self.left
        return not beside and self.top < other.bottom and other.top < self.bottom


MARKS = (Box(0, 264, 116, HEIGHT), Box(368, 4, WIDTH, 40))
"""Where the scale and the north arrow are drawn."""


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """Where a name stands: its line's start, middle or end."""

    x: float
    y: float
    anchor: Anchor
    width: float

    @property
    def box(self) -> Box:
        """Returns about where the name is."""
        left = self.x - self.width * {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor]
        return Box(left, self.y - ASCENT, left + self.width, self.y - ASCENT + LINE_HEIGHT)


class Dot(msgspec.Struct, frozen=True, kw_only=True):
    """An institution on the map, in the drawing's units from its upper left corner.

    Its `label` lies within the map and on nothing else; None where no place is free, or there are too many.
    """

    institution_id: str
    name: str
    x: float
    y: float
    label: Label | None = None

    @property
    def core(self) -> Box:
        """Returns where the dot is."""
        return Box(self.x - CORE_RADIUS, self.y - CORE_RADIUS, self.x + CORE_RADIUS, self.y + CORE_RADIUS)


class TownMap(msgspec.Struct, frozen=True, kw_only=True):
    """The dots, whether there are few enough to be named, and a length for scale (0 without dots)."""

    dots: tuple[Dot, ...]
    named: bool
    scale_km: float
    scale_px: float


def town_map(places: Sequence[Place], name_of: Callable[[Place], str]) -> TownMap:
    """Returns the map on which all the places are as large as fits, north above."""
    if not places:
        return TownMap(dots=(), named=False, scale_km=0, scale_px=0)
    middle = sum(_latitude(one) for one in places) / len(places)
    across = cos(radians(middle))
    points = [(_longitude(one) * across * KM_PER_DEGREE, -_latitude(one) * KM_PER_DEGREE) for one in places]
    (centre_x, span_x), (centre_y, span_y) = (_extent(values) for values in zip(*points, strict=True))
    px_per_km = min((WIDTH - 2 * EDGE) / span_x, (HEIGHT - 2 * EDGE) / span_y)
    dots = [
        Dot(
            institution_id=place.institution_id,
            name=name_of(place),
            x=round(WIDTH / 2 + (x - centre_x) * px_per_km, 1),
            y=round(HEIGHT / 2 + (y - centre_y) * px_per_km, 1),
        )
        for place, (x, y) in zip(places, points, strict=True)
    ]
    named = len(dots) <= NAMED_AT_MOST
    scale_km = max((one for one in SCALES_KM if one * px_per_km <= WIDTH / 4), default=SCALES_KM[0])
    return TownMap(
        dots=_labelled(dots) if named else tuple(dots),
        named=named,
        scale_km=scale_km,
        scale_px=round(scale_km * px_per_km, 1),
    )


def _extent(values: Sequence[float]) -> tuple[float, float]:
    """Returns the middle of the values and how far they reach; never less than `LEAST_SPAN_KM`."""
    return (min(values) + max(values)) / 2, max(LEAST_SPAN_KM, max(values) - min(values))


def _labelled(dots: Sequence[Dot]) -> tuple[Dot, ...]:
    """Returns the dots with their names where nothing else is; those with the fewest such places choose first."""
    fixed = [*MARKS, *(dot.core for dot in dots)]
    free = {number: _free(_around(dot), fixed) for number, dot in enumerate(dots)}
    placed: dict[int, Label] = {}
    while any(free.values()):
        number = min((one for one in free if free[one]), key=lambda one: (len(free[one]), one))
        placed[number] = free.pop(number)[0]
        free = {other: _free(labels, [placed[number].box]) for other, labels in free.items()}
    return tuple(msgspec.structs.replace(dot, label=placed.get(number)) for number, dot in enumerate(dots))


def _free(labels: Iterable[Label], taken: Sequence[Box]) -> list[Label]:
    """Returns those that lie within the map and on nothing that is taken."""
    return [label for label in labels if _is_within(label.box) and not any(label.box.meets(one) for one in taken)]


def _is_within(box: Box) -> bool:
    inside = box.left >= LABEL_MARGIN and box.right <= WIDTH - LABEL_MARGIN
    return inside and box.top >= LABEL_MARGIN and box.bottom <= HEIGHT - LABEL_MARGIN


def _around(dot: Dot) -> Iterator[Label]:
    """Yields the places of a dot's name, the best first: below and above it, at its sides, then at its corners."""
    width = _width_of(dot.name)
    below, above, beside, gap = dot.y + 19, dot.y - 11, dot.y + 4, CORE_RADIUS + 2
    yield Label(x=dot.x, y=below, anchor="middle", width=width)
    yield Label(x=dot.x, y=above, anchor="middle", width=width)
    yield Label(x=dot.x + gap, y=beside, anchor="start", width=width)
    yield Label(x=dot.x - gap, y=beside, anchor="end", width=width)
    for y in (below, above):
        for share in (0.25, 0.75, 0.1, 0.9):
            yield Label(x=round(dot.x - share * width, 1), y=y, anchor="start", width=width)
    for y in (below - 6, above + 6):
        yield Label(x=dot.x + gap - 3, y=y, anchor="start", width=width)
        yield Label(x=dot.x - gap + 3, y=y, anchor="end", width=width)


def _width_of(name: str) -> float:
    """Returns about how long a name is, rather more than less."""
    return sum(HAN_WIDTH if one > "\u2e80" else CAPITAL_WIDTH if one.isupper() else LETTER_WIDTH for one in name)


def _latitude(place: Place) -> float:
    return place.latitude or 0.0


def _longitude(place: Place) -> float:
    return place.longitude or 0.0
