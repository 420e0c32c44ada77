"""Measured values as plain ones, for JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from video.evaluation.rates import Rate

DIGITS = 5


def plain(value: object) -> Any:  # noqa: ANN401 - whatever JSON can say
    """Returns numbers, texts, lists and mappings alone; a rate with its value and its interval of 95 %."""
    if isinstance(value, Rate):
        ends = {"value": value.value, "low": value.low, "high": value.high}
        return {**{name: round(end, DIGITS) for name, end in ends.items()}, "hits": value.hits, "of": value.of}
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return round(value, DIGITS) if isinstance(value, float) else value
