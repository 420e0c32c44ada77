"""`swipewatch keys …`: the key that seals pictures, clips, originals, reference faces and camera addresses."""

from __future__ import annotations

import math
import time
from typing import Annotated

import typer

from app.options import DEFAULT_DATA, DatabaseAddress, DataDirectory, existing_database
from app.progress import count_progress
from app.vault import Vault
from events.errors import ConfigError
from storage.sealing.key_rotation import QUIET_S, KeyRotation, Resealed

keys = typer.Typer(
    help="Changes the key that seals evidence.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@keys.callback()
def _keys() -> None:
    """So that `rotate` is named although it is the only one."""


@keys.command()
def rotate(
    data: DataDirectory = DEFAULT_DATA,
    database: DatabaseAddress = None,
    quiet: Annotated[
        float, typer.Option(min=0, help="Seconds after which no process can still be writing under the old key.")
    ] = QUIET_S,
) -> None:
    """Makes a new key and seals everything anew under it, while the product runs or is stopped.

    The old key is deleted once nothing needs it. Killed half way, run it again: it goes on where it was.
    """
    existing_database(data, database)
    vault = Vault(data, database=database)
    try:
        rotation = vault.key_rotation()
        if rotation.is_unfinished():
            typer.echo("an earlier rotation goes on")
        else:
            rotation.begin()
            typer.echo("a new key is in force; back up the folder keys/")
        resealed = _reseal(rotation)
        wait_s = rotation.seconds_until_quiet(quiet)
        if wait_s:
            typer.echo(f"waiting {math.ceil(wait_s)} s for whoever is writing", err=True)
            time.sleep(wait_s)
        while (last := _reseal(rotation)).done:
            resealed = _sum(resealed, last)
        resealed = _sum(resealed, last)
        if resealed.stuck:
            named = ", ".join(resealed.stuck[:5])
            raise ConfigError(
                "command line",
                "keys rotate",
                f"{len(resealed.stuck)} sealed under no key at hand, or altered: {named}",
                "all of it to open; the old keys stay until it does or is gone",
            )
        rotation.retire()
        typer.echo(f"{resealed.done} sealed anew; the old key is deleted")
    finally:
        vault.close()


def _reseal(rotation: KeyRotation) -> Resealed:
    with count_progress("seal anew", rotation.count()) as progress:
        return rotation.reseal(progress)


def _sum(first: Resealed, last: Resealed) -> Resealed:
    return Resealed(done=first.done + last.done, stuck=last.stuck)
