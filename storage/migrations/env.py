"""Runs migrations on the connection that `storage.migrations` hands over. Logging is left as it is."""

from __future__ import annotations

from alembic import context

from storage.models import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
