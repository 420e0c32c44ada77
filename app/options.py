"""Options that several commands take, and what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from events.errors import ConfigError
from storage.database import FILE_NAME, default_url, shown_url

DataDirectory = Annotated[Path, typer.Option("--data", help="Folder of the product's data; made if absent.")]
SettingsFile = Annotated[Path | None, typer.Option("--config", help="Settings that differ from the defaults (YAML).")]
DATABASE_VARIABLE = "SWIPEWATCH__DATABASE_URL"
DatabaseAddress = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar=DATABASE_VARIABLE,
        help="Address of the database instead of --data's, such as postgresql://USER@HOST/DATABASE.",
    ),
]
BROKERS_VARIABLE = "SWIPEWATCH__CLUSTER__BROKERS"
Brokers = Annotated[
    str,
    typer.Option(
        "--brokers", envvar=BROKERS_VARIABLE, help="Kafka brokers to begin with: HOST:PORT, several with commas."
    ),
]
ConfiguredBrokers = Annotated[
    str | None,
    typer.Option(
        "--brokers",
        envvar=BROKERS_VARIABLE,
        help="Kafka brokers to begin with instead of the configured ones: HOST:PORT, several with commas.",
    ),
]
DEFAULT_DATA = Path("data")


def given_brokers(given: str | None, configured: str | None) -> str:
    """Returns the brokers of a cluster. Raises: ConfigError when nobody has named any."""
    brokers = given or configured
    if brokers is None:
        raise ConfigError("command line", "--brokers", None, "HOST:PORT of a Kafka broker, or several with commas")
    return brokers


def shared_database(given: str | None, configured: str | None) -> str:
    """Returns the database of a cluster. Raises: ConfigError for one that several processes cannot share."""
    database = given or configured
    if database is None or not database.startswith(("postgresql:", "postgresql+", "postgres:")):
        shown = None if database is None else shown_url(database)
        raise ConfigError("command line", "--database", shown, "postgresql://USER@HOST/DATABASE, which processes share")
    return database


def existing_database(data: Path, database: str | None) -> str:
    """Returns the address of the database. Raises: ConfigError when the data folder has none."""
    if database is not None:
        return database
    if not (data / FILE_NAME).exists():
        raise ConfigError("command line", "--data", str(data), "a data folder of swipewatch")
    return default_url(data)
