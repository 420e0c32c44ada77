"""Decimal numbers without rounding: quantities are written in decimal, so 0.1 + 0.2 has to be 0.3."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.windows import Floats

MICRO = 1_000_000
_EXACT_DIGITS = 10**15
_ROOM = 2**61
_LARGEST_SHOWN = 10**15

Units = npt.NDArray[Any]
"""int64, or object (Fraction) where whole micro-units would not do; adds, subtracts and compares exactly."""


def fraction_of(written: float) -> Fraction:
    """Returns the number as it is written in decimal: 0.03 is three hundredths."""
    return Fraction(repr(written))


def in_micro_units(columns: Sequence[Floats]) -> list[Units]:
    """Returns the columns in millionths, exactly; sums over any rows of all of them are exact too.

    A float below 10⁹ that equals a whole number of millionths is written as that number (at most 15 digits). Where a
    value has more decimals, or the sums might leave 64 bits, all columns hold Fractions instead.
    """
    scaled = [np.rint(column * MICRO) for column in columns]
    if all(_is_exact(column, units) for column, units in zip(columns, scaled, strict=True)) and _fits(scaled):
        return [units.astype(np.int64) for units in scaled]
    return [_fractions(column) for column in columns]


def running_totals(units: Units) -> Units:
    """Returns shape (n + 1,): the sum of the rows before each position, so that a difference is a range's sum."""
    totals = np.zeros(len(units) + 1, dtype=units.dtype)
    totals[1:] = np.cumsum(units)
    return totals


def quantity_of(units: Any) -> Fraction:  # noqa: ANN401 - a numpy integer or a Fraction, as the column has it
    """Returns what one value of a column of millionths stands for."""
    return (units if isinstance(units, Fraction) else Fraction(int(units))) / MICRO


def shown(value: Fraction | int) -> int | float:
    """Returns an exact number as a measure shows it: whole, or to three decimals, and never beyond 10¹⁵."""
    bounded = max(min(value, _LARGEST_SHOWN), -_LARGEST_SHOWN)
    return int(bounded) if bounded == int(bounded) else round(float(bounded), 3)


def _is_exact(column: Floats, units: Floats) -> bool:
    return bool(np.all(np.abs(units) < _EXACT_DIGITS) and np.all(units / MICRO == column))


def _fits(columns: Sequence[Floats]) -> bool:
    return float(sum(np.abs(units).sum() for units in columns)) < _ROOM


def _fractions(column: Floats) -> Units:
    exact = np.empty(len(column), dtype=np.object_)
    exact[:] = [fraction_of(value) * MICRO for value in column.tolist()]
    return exact
