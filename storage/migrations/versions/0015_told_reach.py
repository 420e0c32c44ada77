"""A partition remembers under which reach of the rules its meetings and sightings were sent."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | Sequence[str] | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Ordered by code point whatever language the server speaks.
TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("partition", sa.Column("told_reach", TEXT, nullable=True))
    op.execute("UPDATE partition SET told_reach = ''")
    with op.batch_alter_table("partition") as table:
        table.alter_column("told_reach", nullable=False)


def downgrade() -> None:
    op.drop_column("partition", "told_reach")
