"""Distances on the sphere."""

from __future__ import annotations

import numpy as np

from detectors.windows import Floats

EARTH_RADIUS_KM = 6371.0088


def great_circle_km(latitude_a: Floats, longitude_a: Floats, latitude_b: Floats, longitude_b: Floats) -> Floats:
    """Returns haversine distances in km of positions in degrees; NaN where a position is NaN.

    Source: mean earth radius 6371.0088 km, IUGG.
    """
    phi_a, phi_b = np.radians(latitude_a), np.radians(latitude_b)
    half_phi = np.sin((phi_b - phi_a) / 2) ** 2
    half_lambda = np.sin(np.radians(longitude_b - longitude_a) / 2) ** 2
    chord = np.minimum(1.0, half_phi + np.cos(phi_a) * np.cos(phi_b) * half_lambda)
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(chord)), dtype=np.float64)
