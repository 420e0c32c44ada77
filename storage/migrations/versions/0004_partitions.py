"""What a cluster keeps: who holds each partition and how far it has come; whose partition events and findings are."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | Sequence[str] | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Milliseconds need 64 bits; SQLite's INTEGER has them, and only that name makes a key count by itself.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Ordered by code point whatever language the server speaks.
TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")
CUT = sa.text("partition IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "partition",
        sa.Column("number", BIG, autoincrement=False, nullable=False),
        sa.Column("partitions", BIG, nullable=False),
        sa.Column("epoch", BIG, nullable=False),
        sa.Column("worker", TEXT, nullable=False),
        sa.Column("taken_at_ms", BIG, nullable=False),
        sa.Column("input_offset", BIG, nullable=False),
        sa.Column("flow_offset", BIG, nullable=False),
        sa.Column("flow_begun", BIG, nullable=False),
        sa.Column("applied_seq", BIG, nullable=False),
        sa.Column("waiting_until_ms", BIG, nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_partition"),
    )
    op.add_column("accepted_event", sa.Column("partition", BIG, nullable=True))
    op.add_column("finding", sa.Column("partition", BIG, nullable=True))
    op.create_index(
        "ix_accepted_event_partition",
        "accepted_event",
        ["partition", "seq"],
        sqlite_where=CUT,
        postgresql_where=CUT,
    )
    op.create_index("ix_finding_partition", "finding", ["partition"], sqlite_where=CUT, postgresql_where=CUT)
    op.create_index("ix_dead_letter_at_ms", "dead_letter", ["at_ms"])


def downgrade() -> None:
    op.drop_index("ix_dead_letter_at_ms", table_name="dead_letter")
    op.drop_index("ix_finding_partition", table_name="finding")
    op.drop_index("ix_accepted_event_partition", table_name="accepted_event")
    op.drop_column("finding", "partition")
    op.drop_column("accepted_event", "partition")
    op.drop_table("partition")
