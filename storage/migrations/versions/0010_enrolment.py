"""Why a reference face may be kept, who wants no comparison, and enrolled faces that look like somebody else's."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | Sequence[str] | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Milliseconds need 64 bits; SQLite's INTEGER has them, and only that name makes a key count by itself.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Ordered by code point whatever language the server speaks.
TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    # References that stand were kept on somebody's word alone: it is in consent_basis, and nobody else knows it.
    op.add_column("reference_face", sa.Column("basis", TEXT, nullable=False, server_default="consent"))
    op.add_column("reference_face", sa.Column("basis_day", TEXT, nullable=False, server_default="unknown"))
    op.add_column("reference_face", sa.Column("enrolled_by", TEXT, nullable=False, server_default="swipewatch"))
    op.create_table(
        "face_opt_out",
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("basis", TEXT, nullable=False),
        sa.Column("since_day", TEXT, nullable=False),
        sa.Column("noted_at_ms", BIG, nullable=False),
        sa.Column("noted_by", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("person_id", name="pk_face_opt_out"),
    )
    op.create_table(
        "face_duplicate",
        sa.Column("duplicate_id", BIG, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("other_person_id", TEXT, nullable=False),
        sa.Column("engine", TEXT, nullable=False),
        sa.Column("similarity", sa.Double(), nullable=False),
        sa.Column("found_at_ms", BIG, nullable=False),
        sa.Column("found_by", TEXT, nullable=False),
        sa.Column("outcome", TEXT, nullable=True),
        sa.Column("settled_at_ms", BIG, nullable=True),
        sa.Column("settled_by", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("duplicate_id", name="pk_face_duplicate"),
        sa.UniqueConstraint("person_id", "other_person_id", name="uq_face_duplicate_person_id"),
    )
    op.create_index("ix_face_duplicate_other_person_id", "face_duplicate", ["other_person_id"])


def downgrade() -> None:
    op.drop_index("ix_face_duplicate_other_person_id", table_name="face_duplicate")
    op.drop_table("face_duplicate")
    op.drop_table("face_opt_out")
    for column in ("enrolled_by", "basis_day", "basis"):
        op.drop_column("reference_face", column)
