"""Failed attempts to log in, counted over all processes."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | Sequence[str] | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Milliseconds need 64 bits; SQLite's INTEGER has them, and only that name makes a key count by itself.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Ordered by code point whatever language the server speaks.
TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "failed_login",
        sa.Column("failure_id", BIG, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("failure_id", name="pk_failed_login"),
    )
    op.create_index("ix_failed_login_key", "failed_login", ["key"])
    op.create_index("ix_failed_login_at_ms", "failed_login", ["at_ms"])


def downgrade() -> None:
    op.drop_index("ix_failed_login_at_ms", table_name="failed_login")
    op.drop_index("ix_failed_login_key", table_name="failed_login")
    op.drop_table("failed_login")
