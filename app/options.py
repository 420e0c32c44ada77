"""Options that several commands take, and what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from events.errors import ConfigError
from storage.database import FILE_NAME, default_url

DataDirectory = Annotated[Path, typer.Option("--data", help="Folder of the product's data; made if absent.")]
DATABASE_VARIABLE = "SWIPEWATCH__DATABASE_URL"
DatabaseAddress = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar=DATABASE_VARIABLE,
        help="Address of the database instead of --data's, such as postgresql://USER@HOST/DATABASE.",
    ),
]
DEFAULT_DATA = Path("data")


def existing_database(data: Path, database: str | None) -> str:
    """Returns the address of the database. Raises: ConfigError when the data folder has none."""
    if database is not None:
        return database
    if not (data / FILE_NAME).exists():
        raise ConfigError("command line", "--data", str(data), "a data folder of swipewatch")
    return default_url(data)
