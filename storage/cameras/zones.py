"""The counter zone of a camera: a polygon in the picture where a customer stands."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

Corner = tuple[float, float]
Zone = tuple[Corner, ...]
LEAST_CORNERS: Final = 3
MOST_CORNERS: Final = 16
LEAST_AREA: Final = 0.005
"""Of the picture: in a smaller zone nobody would ever stand."""


class ZoneRefused(ValueError):
    """A zone that no camera may have."""


def checked_zone(zone: Zone | None) -> Zone | None:
    """Returns the zone with its corners rounded to a thousandth; None, which is the whole picture, as it is.

    Raises: ZoneRefused for fewer than 3 corners or more than 16, one outside of 0..1, sides that cross each other, or
    a zone too small for anybody to stand in.
    """
    if zone is None:
        return None
    if not LEAST_CORNERS <= len(zone) <= MOST_CORNERS:
        raise ZoneRefused(f"{LEAST_CORNERS} to {MOST_CORNERS} corners")
    if not all(0 <= value <= 1 for corner in zone for value in corner):
        raise ZoneRefused("corners within the picture: 0 to 1")
    rounded = tuple((round(x, 3), round(y, 3)) for x, y in zone)
    if _area(rounded) < LEAST_AREA or _crosses_itself(rounded):
        raise ZoneRefused(f"sides that do not cross, around {LEAST_AREA:.1%} of the picture at least")
    return rounded


def zone_text(zone: Zone | None) -> str:
    """Returns the zone for the record of changes."""
    return "" if zone is None else " ".join(f"{x:.3f},{y:.3f}" for x, y in zone)


def _area(zone: Zone) -> float:
    return abs(sum(_turn((0.0, 0.0), one, other) for one, other in pairwise((*zone, zone[0])))) / 2


def _crosses_itself(zone: Zone) -> bool:
    sides = list(pairwise((*zone, zone[0])))
    return any(
        _cross(sides[one], sides[other])
        for one in range(len(sides))
        for other in range(one + 2, len(sides))
        if (one, other) != (0, len(sides) - 1)  # neighbours share a corner
    )


def _cross(side: tuple[Corner, Corner], other: tuple[Corner, Corner]) -> bool:
    apart = _turn(*side, other[0]) * _turn(*side, other[1])
    beside = _turn(*other, side[0]) * _turn(*other, side[1])
    return apart < 0 and beside < 0


def _turn(origin: Corner, one: Corner, other: Corner) -> float:
    """Returns twice the area of the triangle, above 0 where it turns to the left."""
    return (one[0] - origin[0]) * (other[1] - origin[1]) - (one[1] - origin[1]) * (other[0] - origin[0])
