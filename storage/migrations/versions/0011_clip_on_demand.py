"""What a clip is made of, beside its original: since when one is owed, who makes it, and why it could not be made."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | Sequence[str] | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Milliseconds need 64 bits; SQLite's INTEGER has them, and only that name makes a key count by itself.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Ordered by code point whatever language the server speaks.
TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")
OWED = sa.text("clip_owed_since_ms IS NOT NULL")
# Nobody wrote down what the clip of an older original would show: those columns stay null, and it has none.
NULLABLE = (
    ("clip_first_at_ms", BIG),
    ("clip_last_at_ms", BIG),
    ("step_ms", BIG),
    ("camera_state", TEXT),
    ("customer", sa.JSON()),
    ("clip_owed_since_ms", BIG),
    ("clip_asked_at_ms", BIG),
    ("clip_claimed_until_ms", BIG),
    ("clip_failure", TEXT),
)


def upgrade() -> None:
    for name, kind in NULLABLE:
        op.add_column("original", sa.Column(name, kind, nullable=True))
    op.add_column("original", sa.Column("clip_crashes", BIG, nullable=False, server_default="0"))
    op.create_index("ix_original_owed", "original", ["clip_owed_since_ms"], sqlite_where=OWED, postgresql_where=OWED)


def downgrade() -> None:
    op.drop_index("ix_original_owed", table_name="original")
    for name in ("clip_crashes", *(name for name, _ in reversed(NULLABLE))):
        op.drop_column("original", name)
