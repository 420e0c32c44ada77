"""`swipewatch faces calibration …`: what each camera's similarities are judged by, made anew or rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from app.calibrations import Calibrations
from app.options import DEFAULT_DATA, DatabaseAddress, DataDirectory, existing_database
from events.errors import ConfigError
from storage.database import Database
from video.calibration_history import CalibrationVersion

calibration = typer.Typer(
    help="What similarities mean at each camera: shows it, makes it anew, rolls it back.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
CameraId = Annotated[str, typer.Argument(help="The camera.")]


@calibration.command("list")
def list_versions(data: DataDirectory = DEFAULT_DATA, database: DatabaseAddress = None) -> None:
    """Prints each camera that has recognised holders: pairs gathered, the versions made of them, which is in force."""
    with _opened(data, database) as calibrations:
        for camera_id in calibrations.camera_ids():
            standing, history = calibrations.standing([camera_id])[camera_id], calibrations.history(camera_id)
            by = "general" if standing.since_ms is None else "its own"
            gathered = f"{standing.gathered_pairs:,} pairs of {standing.gathered_people} people or more"
            typer.echo(f"{camera_id}: {by} calibration; gathered {gathered}")
            for one in history.versions:
                typer.echo(f"  {_told(one)}{', in force' if one == history.current else ''}")


@calibration.command()
def rebuild(
    camera_id: CameraId,
    without: Annotated[
        list[str] | None, typer.Option(help="A day (UTC, YYYY-MM-DD) to leave out with all who were seen on it; again.")
    ] = None,
    data: DataDirectory = DEFAULT_DATA,
    database: DatabaseAddress = None,
) -> None:
    """Makes a camera's calibration of all that it has gathered; the new version is in force at once."""
    days = [_day(one) for one in without or ()]
    with _opened(data, database) as calibrations:
        try:
            made = calibrations.rebuild(camera_id, days)
        except ValueError as error:
            raise ConfigError("command line", "CAMERA_ID", camera_id, f"a camera with pairs left ({error})") from error
    typer.echo(_told(made))
    if not made.calibration.is_enough:
        typer.echo("these are too few: the general calibration counts until there are more")


@calibration.command()
def rollback(
    camera_id: CameraId,
    to: Annotated[int | None, typer.Option(help="The version; without it the general calibration.")] = None,
    data: DataDirectory = DEFAULT_DATA,
    database: DatabaseAddress = None,
) -> None:
    """Puts an earlier version of a camera's calibration in force; none is made by itself until `rebuild`."""
    with _opened(data, database) as calibrations:
        try:
            calibrations.roll_back(camera_id, to)
        except ValueError as error:
            raise ConfigError("command line", "--to", to, "a version that `list` shows") from error
    typer.echo("the general calibration counts" if to is None else f"version {to} is in force")


def _told(version: CalibrationVersion) -> str:
    made, counted = datetime.fromtimestamp(version.made_at_ms / 1000, UTC), version.calibration
    return (
        f"version {version.number} of {made:%Y-%m-%d %H:%M} UTC: {counted.pairs:,} pairs of {counted.people} people"
        f" or more on {len(version.batches)} days, {version.batches[0]} to {version.batches[-1]}"
    )


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ConfigError("command line", "--without", text, "a day, YYYY-MM-DD") from None


@contextmanager
def _opened(data: Path, database: str | None) -> Iterator[Calibrations]:
    opened = Database.open(existing_database(data, database))
    try:
        yield Calibrations(opened)
    finally:
        opened.close()
