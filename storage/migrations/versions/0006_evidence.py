"""Sealed originals, what was deleted of the evidence and why, and the reason somebody gave for taking an original."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | Sequence[str] | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Milliseconds need 64 bits; SQLite's INTEGER has them, and only that name makes a key count by itself.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Ordered by code point whatever language the server speaks.
TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "original",
        sa.Column("original_id", TEXT, nullable=False),
        sa.Column("settlement_id", TEXT, nullable=False),
        sa.Column("camera_id", TEXT, nullable=False),
        sa.Column("container", TEXT, nullable=False),
        sa.Column("swipe_at_ms", BIG, nullable=False),
        sa.Column("first_at_ms", BIG, nullable=False),
        sa.Column("last_at_ms", BIG, nullable=False),
        sa.Column("first_raw_at_ms", BIG, nullable=False),
        sa.Column("clock_offset_ms", BIG, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("size_bytes", BIG, nullable=False),
        sa.Column("removed_at_ms", BIG, nullable=True),
        sa.PrimaryKeyConstraint("original_id", name="pk_original"),
    )
    op.create_index("ix_original_settlement_id", "original", ["settlement_id"])
    op.create_index("ix_original_swipe_at_ms", "original", ["swipe_at_ms"])
    op.create_table(
        "evidence_removal",
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("file_count", BIG, nullable=False),
        sa.Column("size_bytes", BIG, nullable=False),
        sa.Column("oldest_ms", BIG, nullable=True),
        sa.Column("newest_ms", BIG, nullable=True),
        sa.PrimaryKeyConstraint("at_ms", "kind", "reason", name="pk_evidence_removal"),
    )
    op.add_column("still", sa.Column("removed_at_ms", BIG, nullable=True))
    op.create_index("ix_still_captured_at_ms", "still", ["captured_at_ms"])
    op.add_column("clip", sa.Column("removed_at_ms", BIG, nullable=True))
    op.add_column("face_view", sa.Column("note", TEXT, nullable=True))


def downgrade() -> None:
    op.drop_column("face_view", "note")
    op.drop_column("clip", "removed_at_ms")
    op.drop_index("ix_still_captured_at_ms", table_name="still")
    op.drop_column("still", "removed_at_ms")
    op.drop_table("evidence_removal")
    op.drop_index("ix_original_swipe_at_ms", table_name="original")
    op.drop_index("ix_original_settlement_id", table_name="original")
    op.drop_table("original")
