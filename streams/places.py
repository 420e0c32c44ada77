"""An offer: the original bytes and where they stand."""

from __future__ import annotations

from collections.abc import Callable

from events.dead_letters import Place

Offer = tuple[bytes, Place]
Progress = Callable[[int], None]
"""Is told how many bytes of the input have been read since the last call."""


def unnoticed(_read_bytes: int) -> None:
    """Hears of progress that nobody wants to know of."""
