"""Cameras added or changed on the page, the last picture taken to try each, and how its clock stands."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | Sequence[str] | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Milliseconds need 64 bits; SQLite's INTEGER has them, and only that name makes a key count by itself.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Ordered by code point whatever language the server speaks.
TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "registered_camera",
        sa.Column("camera_id", TEXT, nullable=False),
        sa.Column("institution_id", TEXT, nullable=True),
        sa.Column("till_id", TEXT, nullable=True),
        sa.Column("sealed_source", sa.LargeBinary(), nullable=True),
        sa.Column("zone", sa.JSON(), nullable=True),
        sa.Column("clock_offset_ms", BIG, nullable=True),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("at_store", sa.Boolean(), nullable=True),
        sa.Column("changed_by", TEXT, nullable=False),
        sa.Column("changed_at_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("camera_id", name="pk_registered_camera"),
    )
    op.create_table(
        "camera_picture",
        sa.Column("camera_id", TEXT, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("width_px", BIG, nullable=False),
        sa.Column("height_px", BIG, nullable=False),
        sa.Column("codec", TEXT, nullable=False),
        sa.Column("frames_per_s", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("camera_id", name="pk_camera_picture"),
    )
    op.create_table(
        "camera_clock",
        sa.Column("camera_id", TEXT, nullable=False),
        sa.Column("offset_ms", BIG, nullable=False),
        sa.Column("error_ms", BIG, nullable=False),
        sa.Column("swipes", BIG, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("camera_id", name="pk_camera_clock"),
    )
    op.create_index("ix_access_change_kind", "access_change", ["kind", "change_id"])


def downgrade() -> None:
    op.drop_index("ix_access_change_kind", table_name="access_change")
    op.drop_table("camera_clock")
    op.drop_table("camera_picture")
    op.drop_table("registered_camera")
