"""What every test shares: repeatable random worlds, and the quick lane first."""

from __future__ import annotations

import pytest
from hypothesis import settings

# Order of the lanes (markers of pyproject.toml); a test without one runs before all of them.
LANES = ("slow", "video", "crash", "browser")

settings.register_profile("repeatable", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("repeatable")


def lane_of(item: pytest.Item) -> int:
    """Returns the place of a test's lane in the run, 0 for the unit lane."""
    return max((place for place, lane in enumerate(LANES, start=1) if item.get_closest_marker(lane)), default=0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Afterwards the quick tests stand first, so that a plain mistake is told within seconds."""
    items.sort(key=lane_of)
