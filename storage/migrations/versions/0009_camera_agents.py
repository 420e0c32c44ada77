"""Stores' camera agents: when each was last heard of and what it said of itself."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | Sequence[str] | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Milliseconds need 64 bits; SQLite's INTEGER has them, and only that name makes a key count by itself.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Ordered by code point whatever language the server speaks.
TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "camera_agent",
        sa.Column("agent", TEXT, nullable=False),
        sa.Column("heard_at_ms", BIG, nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("silent_since_ms", BIG, nullable=True),
        sa.PrimaryKeyConstraint("agent", name="pk_camera_agent"),
    )


def downgrade() -> None:
    op.drop_table("camera_agent")
