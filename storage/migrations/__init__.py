"""The database's shape, step by step: one file a step in versions/, run by Alembic from wherever the package lies."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Brings the database up to `revision` inside the transaction that the connection is in."""
    command.upgrade(_config(connection), revision)


def downgrade(connection: Connection, revision: str = "base") -> None:
    """Takes the database back to `revision` inside the transaction that the connection is in; its data is lost."""
    command.downgrade(_config(connection), revision)


def revision_of(connection: Connection) -> str | None:
    """Returns the step that the database has reached; None before the first."""
    return MigrationContext.configure(connection).get_current_revision()


@lru_cache(maxsize=1)
def head_revision() -> str:
    """Returns the last step that this version of the product knows."""
    head = _scripts().get_current_head()
    if head is None:
        raise FileNotFoundError("storage/migrations/versions holds no migration")
    return head


def is_known_revision(revision: str) -> bool:
    """Returns whether this version of the product knows the step."""
    return revision in {script.revision for script in _scripts().walk_revisions()}


@lru_cache(maxsize=1)
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config(None))


def _config(connection: Connection | None) -> Config:
    """Returns a configuration that names the scripts by their absolute place and hands env.py the connection."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
