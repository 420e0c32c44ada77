"""Decimal numbers without rounding, whether they fit 64 bits or not."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from detectors.exact import MICRO, fraction_of, in_micro_units, quantity_of, running_totals, shown


def sums(*columns: list[float]) -> list[Fraction]:
    """Returns each column's sum, by way of the units."""
    return [quantity_of(running_totals(units)[-1]) for units in in_micro_units([np.array(c) for c in columns])]


@pytest.mark.parametrize(
    "values",
    [
        [0.1, 0.2, 0.3],
        [1e-6, 999_999_999.999999],
        [1e-7, 0.1],
        [1e300, 0.1, -1e300],
        [4e12, 4e12, 4e12],
        [999_999_999.0, 1_000_000_000.0, 1_000_000_001.5],
        [1_000_000_000.1, -1_000_000_000.1],
        [2305843009213.693951, 0.000001],
        [-0.5, 0.5, 0],
        [0.5, 169_639_313_650.5093],
        [],
    ],
)
def test_sums_are_those_of_the_numbers_as_written(values):
    expected = sum(map(fraction_of, values), Fraction(0))
    assert sums(values) == [expected]
    assert sums(values, [0.1, 1e-9]) == [expected, Fraction("0.100000001")]


def test_small_numbers_are_whole_units_and_others_are_fractions():
    assert in_micro_units([np.array([0.1, 2.5])])[0].dtype == np.int64
    for columns in ([[1e-7]], [[0.5], [1e-7]], [[0.5, 1e-7]], [[4e12]], [[1e9]]):
        units = in_micro_units([np.array(column) for column in columns])
        assert {column.dtype for column in units} == {np.dtype(object)}
        assert quantity_of(units[0][0]) == fraction_of(columns[0][0])


def test_columns_whose_sums_might_leave_64_bits_are_fractions():
    largest = 999_999_999.999999
    many = np.full(2400, largest)
    assert in_micro_units([many[:2000]])[0].dtype == np.int64
    assert in_micro_units([many])[0].dtype == object
    assert in_micro_units([many[:1200], many[:1200]])[0].dtype == object


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Fraction(3), "3"),
        (Fraction(-3), "-3"),
        (Fraction(1, 3), "0.333"),
        (Fraction("2.0005001"), "2.001"),
        (Fraction("2.0004"), "2.0"),
        (10**15, "1000000000000000"),
        (10**15 + 1, "1000000000000000"),
        (Fraction(-(10**16)), "-1000000000000000"),
        (10**15 - 1, "999999999999999"),
    ],
)
def test_a_measure_shows_whole_numbers_or_three_decimals(value, written):
    assert repr(shown(value)) == written


def test_a_unit_is_a_millionth():
    assert in_micro_units([np.array([1.0])])[0].tolist() == [MICRO]
    assert quantity_of(MICRO) == 1
