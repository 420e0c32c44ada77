"""What was changed of somebody is found by their id: each picture and film that comes asks whether they were erased."""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0014"
down_revision: str | Sequence[str] | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index("ix_access_change_subject", "access_change", ["subject"])


def downgrade() -> None:
    op.drop_index("ix_access_change_subject", table_name="access_change")
