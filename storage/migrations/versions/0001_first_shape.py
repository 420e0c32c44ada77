"""The first shape."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Milliseconds need 64 bits; SQLite's INTEGER has them, and only that name makes a key count by itself.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Ordered by code point whatever language the server speaks.
TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")
PENDING = sa.text("alerted_revision < revision")


def upgrade() -> None:
    op.create_table(
        "accepted_event",
        sa.Column("seq", BIG, nullable=False),
        sa.Column("identity", TEXT, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("settlement_id", TEXT, nullable=True),
        sa.Column("institution_id", TEXT, nullable=True),
        sa.Column("occurred_at_ms", BIG, nullable=False),
        sa.Column("received_at_ms", BIG, nullable=False),
        sa.Column("sender", TEXT, nullable=False),
        sa.Column("original", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_accepted_event"),
        sa.UniqueConstraint("identity", name="uq_accepted_event_identity"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_accepted_event_settlement_id", "accepted_event", ["settlement_id"])

    op.create_table(
        "account",
        sa.Column("username", TEXT, nullable=False),
        sa.Column("password_hash", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("created_at_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("username", name="pk_account"),
    )
    op.create_table(
        "alert",
        sa.Column("alert_id", TEXT, nullable=False),
        sa.Column("episode_key", TEXT, nullable=False),
        sa.Column("institution_id", TEXT, nullable=False),
        sa.Column("till_id", TEXT, nullable=False),
        sa.Column("detector", TEXT, nullable=False),
        sa.Column("severity", TEXT, nullable=False),
        sa.Column("route", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("settlement_id", TEXT, nullable=False),
        sa.Column("opened_at_ms", BIG, nullable=False),
        sa.Column("changed_at_ms", BIG, nullable=False),
        sa.Column("last_anchor_ms", BIG, nullable=False),
        sa.Column("escalate_at_ms", BIG, nullable=True),
        sa.Column("answer", TEXT, nullable=True),
        sa.Column("answer_text", TEXT, nullable=True),
        sa.Column("answered_at_ms", BIG, nullable=True),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("alert_id", name="pk_alert"),
    )
    op.create_index("ix_alert_episode", "alert", ["episode_key"])
    op.create_index("ix_alert_escalate_at_ms", "alert", ["escalate_at_ms"])
    op.create_index("ix_alert_institution_id", "alert", ["institution_id"])
    op.create_index("ix_alert_order", "alert", ["opened_at_ms", "alert_id"])
    op.create_index("ix_alert_settlement_id", "alert", ["settlement_id"])
    op.create_index("ix_alert_state", "alert", ["state"])

    op.create_table(
        "camera_state",
        sa.Column("camera_id", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.Column("since_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("camera_id", name="pk_camera_state"),
    )
    op.create_table(
        "dead_letter",
        sa.Column("letter_id", BIG, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("place", sa.JSON(), nullable=False),
        sa.Column("stage", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.Column("original", sa.LargeBinary(), nullable=False),
        sa.Column("content_hash", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("letter_id", name="pk_dead_letter"),
        sa.UniqueConstraint("content_hash", name="uq_dead_letter_content_hash"),
    )
    op.create_index("ix_dead_letter_reason", "dead_letter", ["reason"])

    op.create_table(
        "face_view",
        sa.Column("view_id", BIG, nullable=False),
        sa.Column("still_id", TEXT, nullable=False),
        sa.Column("username", TEXT, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("view_id", name="pk_face_view"),
    )
    op.create_table(
        "finding",
        sa.Column("finding_id", TEXT, nullable=False),
        sa.Column("detector", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("settlement_id", TEXT, nullable=False),
        sa.Column("institution_id", TEXT, nullable=False),
        sa.Column("occurred_at_ms", BIG, nullable=False),
        sa.Column("severity", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("cause", TEXT, nullable=False),
        sa.Column("decided_at_ms", BIG, nullable=False),
        sa.Column("revision", BIG, nullable=False),
        sa.Column("alerted_revision", BIG, nullable=False),
        sa.PrimaryKeyConstraint("finding_id", name="pk_finding"),
    )
    op.create_index("ix_finding_order", "finding", ["occurred_at_ms", "detector", "finding_id"])
    op.create_index(
        "ix_finding_pending",
        "finding",
        ["occurred_at_ms", "detector", "finding_id"],
        sqlite_where=PENDING,
        postgresql_where=PENDING,
    )
    op.create_index("ix_finding_settlement_id", "finding", ["settlement_id"])

    op.create_table(
        "reference_face",
        sa.Column("reference_id", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("engine", TEXT, nullable=False),
        sa.Column("engine_version", TEXT, nullable=False),
        sa.Column("embedding", sa.LargeBinary(), nullable=False),
        sa.Column("quality", sa.Double(), nullable=False),
        sa.Column("consent_basis", TEXT, nullable=False),
        sa.Column("enrolled_at_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("reference_id", name="pk_reference_face"),
    )
    op.create_index("ix_reference_face_person_id", "reference_face", ["person_id"])

    op.create_table(
        "progress",
        sa.Column("part", TEXT, nullable=False),
        sa.Column("applied_seq", BIG, nullable=False),
        sa.Column("waiting_until_ms", BIG, nullable=True),
        sa.PrimaryKeyConstraint("part", name="pk_progress"),
    )

    op.create_table(
        "snooze",
        sa.Column("snooze_id", BIG, nullable=False),
        sa.Column("detector", TEXT, nullable=False),
        sa.Column("entity", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("until_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("snooze_id", name="pk_snooze"),
    )
    op.create_table(
        "still",
        sa.Column("still_id", TEXT, nullable=False),
        sa.Column("observation_id", TEXT, nullable=False),
        sa.Column("settlement_id", TEXT, nullable=True),
        sa.Column("camera_id", TEXT, nullable=False),
        sa.Column("captured_at_ms", BIG, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("size_bytes", BIG, nullable=False),
        sa.PrimaryKeyConstraint("still_id", name="pk_still"),
    )
    op.create_index("ix_still_observation_id", "still", ["observation_id"])
    op.create_index("ix_still_settlement_id", "still", ["settlement_id"])

    op.create_table(
        "token",
        sa.Column("token_hash", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("institution_ids", sa.JSON(), nullable=False),
        sa.Column("till_id", TEXT, nullable=True),
        sa.Column("created_at_ms", BIG, nullable=False),
        sa.Column("revoked_at_ms", BIG, nullable=True),
        sa.PrimaryKeyConstraint("token_hash", name="pk_token"),
        sa.UniqueConstraint("name", name="uq_token_name"),
    )
    op.create_table(
        "alert_finding",
        sa.Column("alert_id", TEXT, nullable=False),
        sa.Column("finding_id", TEXT, nullable=False),
        sa.Column("standing", sa.Boolean(), nullable=False),
        sa.Column("to_store", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.alert_id"], name="fk_alert_finding_alert_id_alert"),
        sa.ForeignKeyConstraint(["finding_id"], ["finding.finding_id"], name="fk_alert_finding_finding_id_finding"),
        sa.PrimaryKeyConstraint("alert_id", "finding_id", name="pk_alert_finding"),
    )
    op.create_index("ix_alert_finding_finding_id", "alert_finding", ["finding_id"])

    op.create_table(
        "alert_history",
        sa.Column("entry_id", BIG, nullable=False),
        sa.Column("alert_id", TEXT, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("from_state", TEXT, nullable=False),
        sa.Column("to_state", TEXT, nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.alert_id"], name="fk_alert_history_alert_id_alert"),
        sa.PrimaryKeyConstraint("entry_id", name="pk_alert_history"),
    )
    op.create_index("ix_alert_history_alert_id", "alert_history", ["alert_id"])

    op.create_table(
        "notice",
        sa.Column("notice_id", BIG, nullable=False),
        sa.Column("alert_id", TEXT, nullable=False),
        sa.Column("institution_id", TEXT, nullable=False),
        sa.Column("till_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("created_at_ms", BIG, nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.alert_id"], name="fk_notice_alert_id_alert"),
        sa.PrimaryKeyConstraint("notice_id", name="pk_notice"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notice_alert_id", "notice", ["alert_id"])
    op.create_index("ix_notice_institution_id", "notice", ["institution_id"])

    op.create_table(
        "session",
        sa.Column("token_hash", TEXT, nullable=False),
        sa.Column("username", TEXT, nullable=False),
        sa.Column("expires_at_ms", BIG, nullable=False),
        sa.ForeignKeyConstraint(["username"], ["account.username"], name="fk_session_username_account"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_session"),
    )


def downgrade() -> None:
    op.drop_table("session")
    op.drop_index("ix_notice_institution_id", table_name="notice")
    op.drop_index("ix_notice_alert_id", table_name="notice")

    op.drop_table("notice")
    op.drop_index("ix_alert_history_alert_id", table_name="alert_history")

    op.drop_table("alert_history")
    op.drop_index("ix_alert_finding_finding_id", table_name="alert_finding")

    op.drop_table("alert_finding")
    op.drop_table("token")
    op.drop_index("ix_still_settlement_id", table_name="still")
    op.drop_index("ix_still_observation_id", table_name="still")

    op.drop_table("still")
    op.drop_table("snooze")
    op.drop_table("progress")
    op.drop_index("ix_reference_face_person_id", table_name="reference_face")

    op.drop_table("reference_face")
    op.drop_index("ix_finding_settlement_id", table_name="finding")
    op.drop_index("ix_finding_pending", table_name="finding")
    op.drop_index("ix_finding_order", table_name="finding")

    op.drop_table("finding")
    op.drop_table("face_view")
    op.drop_index("ix_dead_letter_reason", table_name="dead_letter")

    op.drop_table("dead_letter")
    op.drop_table("camera_state")
    op.drop_index("ix_alert_state", table_name="alert")
    op.drop_index("ix_alert_settlement_id", table_name="alert")
    op.drop_index("ix_alert_order", table_name="alert")
    op.drop_index("ix_alert_institution_id", table_name="alert")
    op.drop_index("ix_alert_escalate_at_ms", table_name="alert")
    op.drop_index("ix_alert_episode", table_name="alert")

    op.drop_table("alert")
    op.drop_table("account")
    op.drop_index("ix_accepted_event_settlement_id", table_name="accepted_event")

    op.drop_table("accepted_event")
