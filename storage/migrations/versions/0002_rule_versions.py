"""Versions of the rules, rules that are halted, and when a finding joined its alert."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | Sequence[str] | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Milliseconds need 64 bits; SQLite's INTEGER has them, and only that name makes a key count by itself.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Ordered by code point whatever language the server speaks.
TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "rule_version",
        sa.Column("number", BIG, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("effective_from_ms", BIG, nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("origin", TEXT, nullable=False),
        sa.Column("stored_at_ms", BIG, nullable=False),
        sa.Column("stored_by", TEXT, nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_rule_version"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "rule_halt",
        sa.Column("halt_id", BIG, nullable=False),
        sa.Column("detector", TEXT, nullable=False),
        sa.Column("halted_at_ms", BIG, nullable=False),
        sa.Column("breaker", BIG, nullable=False),
        sa.Column("resumed_at_ms", BIG, nullable=True),
        sa.Column("resumed_by", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("halt_id", name="pk_rule_halt"),
    )
    op.create_index("ix_rule_halt_detector", "rule_halt", ["detector"])
    op.create_table(
        "held_finding",
        sa.Column("finding_id", TEXT, nullable=False),
        sa.Column("halt_id", BIG, nullable=False),
        sa.ForeignKeyConstraint(["finding_id"], ["finding.finding_id"], name="fk_held_finding_finding_id_finding"),
        sa.ForeignKeyConstraint(["halt_id"], ["rule_halt.halt_id"], name="fk_held_finding_halt_id_rule_halt"),
        sa.PrimaryKeyConstraint("finding_id", name="pk_held_finding"),
    )
    op.create_index("ix_held_finding_halt_id", "held_finding", ["halt_id"])
    op.add_column("alert_finding", sa.Column("placed_at_ms", BIG, nullable=True))
    op.create_index("ix_alert_finding_placed_at_ms", "alert_finding", ["placed_at_ms"])


def downgrade() -> None:
    op.drop_index("ix_alert_finding_placed_at_ms", table_name="alert_finding")
    op.drop_column("alert_finding", "placed_at_ms")
    op.drop_table("held_finding")
    op.drop_table("rule_halt")
    op.drop_table("rule_version")
