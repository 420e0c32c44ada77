"""How alike the holders are whom each camera recognised, day by day, and the versions of its calibration."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | Sequence[str] | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Milliseconds need 64 bits; SQLite's INTEGER has them, and only that name makes a key count by itself.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Ordered by code point whatever language the server speaks.
TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "camera_pairs",
        sa.Column("camera_id", TEXT, nullable=False),
        sa.Column("engine_version", TEXT, nullable=False),
        sa.Column("day", TEXT, nullable=False),
        sa.Column("begun_at_ms", BIG, autoincrement=False, nullable=False),
        sa.Column("oldest_day", TEXT, nullable=False),
        sa.Column("people", BIG, nullable=False),
        sa.Column("spread", sa.Double(), nullable=False),
        sa.Column("first", BIG, nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("pairs", BIG, nullable=False),
        sa.PrimaryKeyConstraint("camera_id", "engine_version", "day", "begun_at_ms", name="pk_camera_pairs"),
    )
    op.create_table(
        "camera_calibration",
        sa.Column("camera_id", TEXT, nullable=False),
        sa.Column("number", BIG, autoincrement=False, nullable=False),
        sa.Column("made_at_ms", BIG, nullable=False),
        sa.Column("batches", sa.JSON(), nullable=False),
        sa.Column("engine_version", TEXT, nullable=False),
        sa.Column("people", BIG, nullable=False),
        sa.Column("spread", sa.Double(), nullable=False),
        sa.Column("first", BIG, nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("is_in_force", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("camera_id", "number", name="pk_camera_calibration"),
    )


def downgrade() -> None:
    op.drop_table("camera_calibration")
    op.drop_table("camera_pairs")
