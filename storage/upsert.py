"""Insert-or-update, the one statement whose writing differs between SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.models import Table


def insert_new(session: Session, table: type[Table], rows: Sequence[dict[str, object]], *key: str) -> None:
    """Afterwards each row stands unless one with its `key` stood before, which is left as it was."""
    if rows:
        session.execute(_insert(session, table).on_conflict_do_nothing(index_elements=key), list(rows))


def upsert(session: Session, table: type[Table], rows: Sequence[dict[str, object]], key: str) -> None:
    """Afterwards each row stands; one with its `key` that stood before has all the given columns replaced."""
    if not rows:
        return
    statement = _insert(session, table)
    replaced = {name: statement.excluded[name] for name in rows[0] if name != key}
    session.execute(statement.on_conflict_do_update(index_elements=[key], set_=replaced), list(rows))


def add_up(session: Session, table: type[Table], rows: Sequence[dict[str, object]], *key: str) -> None:
    """Afterwards each row stands; to one with its `key` that stood before, the other columns are added."""
    if not rows:
        return
    statement = _insert(session, table)
    sums = {name: getattr(table, name) + statement.excluded[name] for name in rows[0] if name not in key}
    session.execute(statement.on_conflict_do_update(index_elements=key, set_=sums), list(rows))


def _insert(session: Session, table: type[Table]) -> sqlite.Insert | postgresql.Insert:
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
