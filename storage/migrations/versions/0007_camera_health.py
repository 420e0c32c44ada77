"""What each camera was when, the times in which one was an alert, and the swipes that a camera could not see."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | Sequence[str] | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Milliseconds need 64 bits; SQLite's INTEGER has them, and only that name makes a key count by itself.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Ordered by code point whatever language the server speaks.
TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "camera_span",
        sa.Column("camera_id", TEXT, nullable=False),
        sa.Column("since_ms", BIG, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.Column("ended_at_ms", BIG, nullable=True),
        sa.Column("still_id", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("camera_id", "since_ms", name="pk_camera_span"),
    )
    op.create_table(
        "camera_outage",
        sa.Column("outage_id", BIG, nullable=False),
        sa.Column("camera_id", TEXT, nullable=False),
        sa.Column("institution_id", TEXT, nullable=False),
        sa.Column("till_id", TEXT, nullable=False),
        sa.Column("since_ms", BIG, nullable=False),
        sa.Column("noticed_at_ms", BIG, nullable=False),
        sa.Column("ended_at_ms", BIG, nullable=True),
        sa.PrimaryKeyConstraint("outage_id", name="pk_camera_outage"),
    )
    op.create_index("ix_camera_outage_camera_id", "camera_outage", ["camera_id"])
    op.create_table(
        "blind_swipe",
        sa.Column("settlement_id", TEXT, nullable=False),
        sa.Column("camera_id", TEXT, nullable=False),
        sa.Column("institution_id", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("settlement_id", "camera_id", name="pk_blind_swipe"),
    )
    op.create_index("ix_blind_swipe_at_ms", "blind_swipe", ["at_ms"])


def downgrade() -> None:
    op.drop_index("ix_blind_swipe_at_ms", table_name="blind_swipe")
    op.drop_table("blind_swipe")
    op.drop_index("ix_camera_outage_camera_id", table_name="camera_outage")
    op.drop_table("camera_outage")
    op.drop_table("camera_span")
