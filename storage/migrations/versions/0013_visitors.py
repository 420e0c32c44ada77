"""Enrolled staff and the hours in which they were seen; visitors as they were seen, corrected and forgotten."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | Sequence[str] | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Milliseconds need 64 bits; SQLite's INTEGER has them, and only that name makes a key count by itself.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Ordered by code point whatever language the server speaks.
TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "staff",
        sa.Column("subject_id", TEXT, nullable=False),
        sa.Column("institution_id", TEXT, nullable=False),
        sa.Column("staff_id", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("subject_id", name="pk_staff"),
    )
    op.create_index("ix_staff_institution_id", "staff", ["institution_id"])
    op.create_table(
        "staff_hour",
        sa.Column("institution_id", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("hour_ms", BIG, autoincrement=False, nullable=False),
        sa.Column("looks", BIG, nullable=False),
        sa.Column("seen", BIG, nullable=False),
        sa.PrimaryKeyConstraint("institution_id", "role", "hour_ms", name="pk_staff_hour"),
    )
    op.create_index("ix_staff_hour_hour_ms", "staff_hour", ["hour_ms"])
    op.create_table(
        "visitor_sighting",
        sa.Column("observation_id", TEXT, nullable=False),
        sa.Column("face_no", BIG, autoincrement=False, nullable=False),
        sa.Column("visitor_id", TEXT, nullable=False),
        sa.Column("settlement_id", TEXT, nullable=True),
        sa.Column("institution_id", TEXT, nullable=False),
        sa.Column("till_id", TEXT, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("verdict", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("observation_id", "face_no", name="pk_visitor_sighting"),
    )
    for column in ("visitor_id", "settlement_id", "at_ms"):
        op.create_index(f"ix_visitor_sighting_{column}", "visitor_sighting", [column])
    op.create_table(
        "visitor_correction",
        sa.Column("correction_id", TEXT, nullable=False),
        sa.Column("act_id", TEXT, nullable=False),
        sa.Column("act", TEXT, nullable=False),
        sa.Column("observation_id", TEXT, nullable=False),
        sa.Column("face_no", BIG, nullable=False),
        sa.Column("visitor_id", TEXT, nullable=True),
        sa.Column("was_visitor_id", TEXT, nullable=True),
        sa.Column("settlement_id", TEXT, nullable=True),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("correction_id", name="pk_visitor_correction"),
    )
    for column in ("act_id", "visitor_id", "was_visitor_id"):
        op.create_index(f"ix_visitor_correction_{column}", "visitor_correction", [column])
    op.create_index("ix_visitor_correction_face", "visitor_correction", ["observation_id", "face_no"])
    op.create_table(
        "visitor_order",
        sa.Column("number", BIG, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("visitor_id", TEXT, nullable=False),
        sa.Column("kept_id", TEXT, nullable=True),
        sa.Column("asked_at_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_visitor_order"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    for table in ("visitor_order", "visitor_correction", "visitor_sighting", "staff_hour", "staff"):
        op.drop_table(table)
