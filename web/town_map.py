"""A schematic map: institutions where they lie, drawn to scale without streets or tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import cos, radians

import msgspec

from storage.institution_places import Place

WIDTH, HEIGHT, EDGE = 400.0, 300.0, 34.0
LABEL_HEIGHT, LABEL_MARGIN = 16.0, 4.0
LETTER_WIDTH, HAN_WIDTH = 5.6, 9.5
NAMED_AT_MOST = 14
KM_PER_DEGREE = 111.195
LEAST_SPAN_KM = 1.0
SCALES_KM = (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)


class Dot(msgspec.Struct, frozen=True, kw_only=True):
    """An institution on the map, in the drawing's units from its upper left corner; its name stays within the map."""

    institution_id: str
    name: str
    x: float
    y: float
    label_above: bool

    @property
    def label_width(self) -> float:
        """Returns about how long the name is."""
        return sum(HAN_WIDTH if one > "\u2e80" else LETTER_WIDTH for one in self.name)

    @property
    def label_anchor(self) -> str:
        """Returns the end of the name that `label_x` is the place of: `middle`, at an edge `start` or `end`."""
        if self.x < LABEL_MARGIN + self.label_width / 2:
            return "start"
        return "end" if self.x > WIDTH - LABEL_MARGIN - self.label_width / 2 else "middle"

    @property
    def label_x(self) -> float:
        """Returns where the name begins, has its middle or ends."""
        return {"start": LABEL_MARGIN, "middle": self.x, "end": WIDTH - LABEL_MARGIN}[self.label_anchor]

    @property
    def label_y(self) -> float:
        """Returns the line that the name stands on."""
        return self.y - 11 if self.label_above else self.y + 19

    @property
    def label_left(self) -> float:
        """Returns about where the name begins."""
        return self.label_x - self.label_width * {"start": 0.0, "middle": 0.5, "end": 1.0}[self.label_anchor]


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
    dots: list[Dot] = []
    for place, (x, y) in zip(places, points, strict=True):
        below = Dot(
            institution_id=place.institution_id,
            name=name_of(place),
            x=round(WIDTH / 2 + (x - centre_x) * px_per_km, 1),
            y=round(HEIGHT / 2 + (y - centre_y) * px_per_km, 1),
            label_above=False,
        )
        above = msgspec.structs.replace(below, label_above=True)
        dots.append(min((below, above), key=lambda dot: sum(_lie_on_each_other(dot, one) for one in dots)))
    scale_km = max((one for one in SCALES_KM if one * px_per_km <= WIDTH / 4), default=SCALES_KM[0])
    return TownMap(
        dots=tuple(dots),
        named=len(dots) <= NAMED_AT_MOST,
        scale_km=scale_km,
        scale_px=round(scale_km * px_per_km, 1),
    )


def _extent(values: Sequence[float]) -> tuple[float, float]:
    """Returns the middle of the values and how far they reach; never less than `LEAST_SPAN_KM`."""
    return (min(values) + max(values)) / 2, max(LEAST_SPAN_KM, max(values) - min(values))


def _lie_on_each_other(one: Dot, other: Dot) -> bool:
    """Whether the two names would."""
    first, second = sorted((one, other), key=lambda dot: dot.label_left)
    is_beside = first.label_left + first.label_width < second.label_left
    return not is_beside and abs(one.label_y - other.label_y) < LABEL_HEIGHT


def _latitude(place: Place) -> float:
    return place.latitude or 0.0


def _longitude(place: Place) -> float:
    return place.longitude or 0.0
