"""The versions of a camera's calibration: made anew from batches, and rolled back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from video.calibration import Calibration, merge_calibrations


@dataclass(frozen=True, kw_only=True)
class CalibrationVersion:
    """One state of a camera's calibration: which batches (days, say) it was made of."""

    number: int
    made_at_ms: int
    batches: tuple[str, ...]
    calibration: Calibration


@dataclass(frozen=True, kw_only=True)
class CalibrationHistory:
    """All versions of one camera's calibration, and which is in force; values, never changed in place."""

    versions: tuple[CalibrationVersion, ...] = ()
    current_number: int | None = None

    @property
    def current(self) -> CalibrationVersion | None:
        """The version in force; None where the general calibration is."""
        return next((one for one in self.versions if one.number == self.current_number), None)

    def rebuilt(self, batches: Mapping[str, Calibration], made_at_ms: int) -> CalibrationHistory:
        """Returns the history with a new version in force, made of these batches alone.

        A batch that went wrong is left out by not giving it.

        Raises: ValueError for no batch, or several engine versions.
        """
        made = CalibrationVersion(
            number=max((one.number for one in self.versions), default=0) + 1,
            made_at_ms=made_at_ms,
            batches=tuple(sorted(batches)),
            calibration=merge_calibrations([batches[name] for name in sorted(batches)]),
        )
        return replace(self, versions=(*self.versions, made), current_number=made.number)

    def rolled_back(self, number: int | None) -> CalibrationHistory:
        """Returns the history with an earlier version in force, or with None the general calibration; nothing is lost.

        Raises: ValueError for a version that there is not.
        """
        if number is not None and number not in {one.number for one in self.versions}:
            raise ValueError(f"no version {number}")
        return replace(self, current_number=number)
