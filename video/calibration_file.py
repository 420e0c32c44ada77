"""Calibrations as files: numbers alone, no picture and no embedding."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import msgspec
import yaml

from events.errors import ConfigError
from video.calibration import Calibration, Counts, trim_counts, untrimmed_counts

GENERAL = Path(__file__).parent / "calibrations"
"""One file an engine, named for it, made by `swipewatch faces calibrate`."""


class _Steps(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Counts from the first step that has any to the last."""

    first: int
    counts: list[int]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    engine_version: str
    made_from: str
    people: int
    spread: float
    strangers: _Steps
    own: _Steps


def write_calibration(calibration: Calibration, made_from: str) -> str:
    """Returns the file's text. Args: made_from says in words whose pictures were compared."""
    file = _File(
        engine_version=calibration.engine_version,
        made_from=made_from,
        people=calibration.people,
        spread=round(calibration.spread, 3),
        strangers=_steps_of(calibration.strangers),
        own=_steps_of(calibration.own),
    )
    return yaml.safe_dump(msgspec.to_builtins(file), sort_keys=False, width=118, default_flow_style=None)


def read_calibration(path: Path) -> Calibration:
    """Returns the calibration of a file. Raises: ConfigError when it is absent or not of that form."""
    try:
        file = msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), _File)
        return Calibration(
            engine_version=file.engine_version,
            strangers=untrimmed_counts(file.strangers.first, file.strangers.counts),
            own=untrimmed_counts(file.own.first, file.own.counts),
            people=file.people,
            spread=file.spread,
        )
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(str(path), "calibration", str(error), "a file of `swipewatch faces calibrate`") from error


@lru_cache(maxsize=4)
def general_calibration(engine: str, engine_version: str) -> Calibration | None:
    """Returns the calibration that ships for an engine; None where there is none of this very version."""
    path = GENERAL / f"{engine}.yaml"
    if not path.is_file():
        return None
    found = read_calibration(path)
    return found if found.engine_version == engine_version else None


def _steps_of(counts: Counts) -> _Steps:
    first, some = trim_counts(counts)
    return _Steps(first=first, counts=list(some))
