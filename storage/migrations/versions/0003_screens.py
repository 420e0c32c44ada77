"""What the screens keep: who has reviewed what, saved searches, cases, words to search by, and the day's sums."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | Sequence[str] | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Milliseconds need 64 bits; SQLite's INTEGER has them, and only that name makes a key count by itself.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Ordered by code point whatever language the server speaks.
TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")
INSTITUTIONS = sa.text("type = 'institution'")
MINUTE_MS = 60_000
ROWS_AT_ONCE = 500
TAIL_CHARACTERS = 12


def upgrade() -> None:
    _access()
    _centre()
    _terminal()
    _clips()
    _fill_terms()
    _fill_minutes()


def downgrade() -> None:
    for table in ("clip", "webhook_position", "terminal_outage", "terminal_contact", "terminal_answer"):
        op.drop_table(table)
    op.drop_index("ix_still_camera", table_name="still")
    op.drop_index("ix_accepted_event_institutions", table_name="accepted_event")
    op.drop_index("ix_alert_institution", table_name="alert")
    op.create_index("ix_alert_institution_id", "alert", ["institution_id"])
    op.drop_index("ix_alert_order", table_name="alert")
    op.create_index("ix_alert_order", "alert", ["opened_at_ms", "alert_id"])
    for table in ("swipe_minute", "superseded_finding", "alert_term", "case_record", "saved_search", "reviewed"):
        op.drop_table(table)
    op.drop_table("access_change")
    op.drop_table("pairing_code")
    op.drop_column("token", "created_by")
    for column in ("subject", "disabled_at_ms", "must_change_password"):
        op.drop_column("account", column)


def _access() -> None:
    op.add_column("account", sa.Column("must_change_password", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("account", sa.Column("disabled_at_ms", BIG, nullable=True))
    op.add_column("account", sa.Column("subject", TEXT, nullable=True))
    op.add_column("token", sa.Column("created_by", TEXT, nullable=True))
    op.create_table(
        "pairing_code",
        sa.Column("code_hash", TEXT, nullable=False),
        sa.Column("institution_id", TEXT, nullable=False),
        sa.Column("till_id", TEXT, nullable=True),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("expires_at_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("code_hash", name="pk_pairing_code"),
    )
    op.create_table(
        "access_change",
        sa.Column("change_id", BIG, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("change_id", name="pk_access_change"),
        sqlite_autoincrement=True,
    )


def _centre() -> None:
    op.create_table(
        "reviewed",
        sa.Column("username", TEXT, nullable=False),
        sa.Column("alert_id", TEXT, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.alert_id"], name="fk_reviewed_alert_id_alert"),
        sa.PrimaryKeyConstraint("username", "alert_id", name="pk_reviewed"),
    )
    op.create_table(
        "saved_search",
        sa.Column("search_id", BIG, nullable=False),
        sa.Column("username", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("query", TEXT, nullable=False),
        sa.Column("saved_at_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("search_id", name="pk_saved_search"),
    )
    op.create_index("ix_saved_search_username", "saved_search", ["username"])
    op.create_table(
        "case_record",
        sa.Column("case_id", BIG, nullable=False),
        sa.Column("alert_id", TEXT, nullable=False),
        sa.Column("opened_at_ms", BIG, nullable=False),
        sa.Column("opened_by", TEXT, nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.alert_id"], name="fk_case_record_alert_id_alert"),
        sa.PrimaryKeyConstraint("case_id", name="pk_case_record"),
    )
    op.create_index("ix_case_record_alert_id", "case_record", ["alert_id"])
    op.create_table(
        "alert_term",
        sa.Column("term", TEXT, nullable=False),
        sa.Column("opened_at_ms", BIG, nullable=False),
        sa.Column("alert_id", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.alert_id"], name="fk_alert_term_alert_id_alert"),
        sa.PrimaryKeyConstraint("term", "opened_at_ms", "alert_id", name="pk_alert_term"),
    )
    op.create_table(
        "superseded_finding",
        sa.Column("finding_id", TEXT, nullable=False),
        sa.Column("revision", BIG, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("cause", TEXT, nullable=False),
        sa.Column("decided_at_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("finding_id", "revision", name="pk_superseded_finding"),
    )
    op.create_table(
        "swipe_minute",
        sa.Column("minute_ms", BIG, nullable=False, autoincrement=False),
        sa.Column("swipes", BIG, nullable=False),
        sa.Column("total_fen", BIG, nullable=False),
        sa.Column("fund_fen", BIG, nullable=False),
        sa.PrimaryKeyConstraint("minute_ms", name="pk_swipe_minute"),
    )
    order = ["opened_at_ms", "alert_id"]
    op.drop_index("ix_alert_order", table_name="alert")
    op.create_index("ix_alert_order", "alert", [*order, "institution_id", "state", "severity"])
    op.drop_index("ix_alert_institution_id", table_name="alert")
    op.create_index("ix_alert_institution", "alert", ["institution_id", *order, "state", "severity"])
    op.create_index("ix_still_camera", "still", ["camera_id", "captured_at_ms"])
    op.create_index(
        "ix_accepted_event_institutions",
        "accepted_event",
        ["seq"],
        sqlite_where=INSTITUTIONS,
        postgresql_where=INSTITUTIONS,
    )


def _terminal() -> None:
    op.create_table(
        "terminal_answer",
        sa.Column("terminal", TEXT, nullable=False),
        sa.Column("answer_id", TEXT, nullable=False),
        sa.Column("alert_id", TEXT, nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("recorded_at_ms", BIG, nullable=True),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.alert_id"], name="fk_terminal_answer_alert_id_alert"),
        sa.PrimaryKeyConstraint("terminal", "answer_id", name="pk_terminal_answer"),
    )
    op.create_table(
        "terminal_contact",
        sa.Column("terminal", TEXT, nullable=False),
        sa.Column("heard_at_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("terminal", name="pk_terminal_contact"),
    )
    op.create_table(
        "terminal_outage",
        sa.Column("outage_id", BIG, nullable=False),
        sa.Column("terminal", TEXT, nullable=False),
        sa.Column("institution_id", TEXT, nullable=False),
        sa.Column("till_id", TEXT, nullable=True),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("since_ms", BIG, nullable=False),
        sa.Column("noticed_at_ms", BIG, nullable=False),
        sa.Column("ended_at_ms", BIG, nullable=True),
        sa.PrimaryKeyConstraint("outage_id", name="pk_terminal_outage"),
    )
    op.create_index("ix_terminal_outage_terminal", "terminal_outage", ["terminal"])
    op.create_table(
        "webhook_position",
        sa.Column("url", TEXT, nullable=False),
        sa.Column("entry_id", BIG, nullable=False),
        sa.PrimaryKeyConstraint("url", name="pk_webhook_position"),
    )


def _clips() -> None:
    op.create_table(
        "clip",
        sa.Column("clip_id", TEXT, nullable=False),
        sa.Column("settlement_id", TEXT, nullable=False),
        sa.Column("camera_id", TEXT, nullable=False),
        sa.Column("camera_state", TEXT, nullable=False),
        sa.Column("swipe_at_ms", BIG, nullable=False),
        sa.Column("first_at_ms", BIG, nullable=False),
        sa.Column("last_at_ms", BIG, nullable=False),
        sa.Column("first_raw_at_ms", BIG, nullable=False),
        sa.Column("clock_offset_ms", BIG, nullable=False),
        sa.Column("pictures", BIG, nullable=False),
        sa.Column("step_ms", BIG, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("size_bytes", BIG, nullable=False),
        sa.PrimaryKeyConstraint("clip_id", name="pk_clip"),
    )
    op.create_index("ix_clip_settlement_id", "clip", ["settlement_id"])
    op.create_index("ix_clip_swipe_at_ms", "clip", ["swipe_at_ms"])


def _fill_terms() -> None:
    """The alerts of before can be searched for like later ones."""
    columns = "alert.alert_id, alert.opened_at_ms, finding.detector, finding.settlement_id, finding.body"
    joined = "alert JOIN alert_finding USING (alert_id) JOIN finding USING (finding_id)"
    known: set[tuple[str, str]] = set()
    for some in _batches(f"SELECT {columns} FROM {joined} ORDER BY alert.alert_id"):  # noqa: S608 - no value in it
        rows = []
        for alert_id, opened_at_ms, detector, settlement_id, body in some:
            finding = json.loads(body)
            cited = {settlement_id, *finding.get("evidence", ())}
            for term in {*_terms_of(detector, cited, finding), *_persons_of(cited)}:
                if (term, alert_id) not in known:
                    known.add((term, alert_id))
                    rows.append({"term": term, "opened_at_ms": opened_at_ms, "alert_id": alert_id})
        if rows:
            op.bulk_insert(_table("alert_term", "term", "opened_at_ms", "alert_id"), rows)


def _terms_of(detector: str, cited: set[str], finding: dict[str, object]) -> Iterator[str]:
    key = finding.get("key")
    named = key if isinstance(key, dict) else {}
    yield f"rule:{detector}"
    for one in cited:
        yield f"receipt:{one[-TAIL_CHARACTERS:][::-1]}"
    for person_id in {named.get("person_id"), *named.get("persons", ())} - {None}:
        yield f"person:{person_id}"
    if named.get("visitor_id"):
        yield f"visitor:{named['visitor_id']}"


def _persons_of(settlement_ids: set[str]) -> Iterator[str]:
    query = sa.text("SELECT original FROM accepted_event WHERE settlement_id IN :ids AND type = 'swipe'")
    bound = query.bindparams(sa.bindparam("ids", sorted(settlement_ids)[:ROWS_AT_ONCE], expanding=True))
    for (original,) in op.get_bind().execute(bound):
        yield f"person:{json.loads(original)['person_id']}"


def _fill_minutes() -> None:
    minutes: dict[int, list[int]] = {}
    for some in _batches("SELECT occurred_at_ms, original FROM accepted_event WHERE type = 'swipe'"):
        for occurred_at_ms, original in some:
            swipe = json.loads(original)
            sums = minutes.setdefault(occurred_at_ms - occurred_at_ms % MINUTE_MS, [0, 0, 0])
            for place, value in enumerate((1, swipe["total_fen"], swipe["fund_fen"])):
                sums[place] += value
    rows = [
        {"minute_ms": minute_ms, "swipes": swipes, "total_fen": total_fen, "fund_fen": fund_fen}
        for minute_ms, (swipes, total_fen, fund_fen) in sorted(minutes.items())
    ]
    if rows:
        op.bulk_insert(_table("swipe_minute", "minute_ms", "swipes", "total_fen", "fund_fen"), rows)


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(column) for column in columns))


def _batches(query: str) -> Iterator[Sequence[Sequence[Any]]]:
    result = op.get_bind().execute(sa.text(query), execution_options={"yield_per": ROWS_AT_ONCE})
    yield from result.partitions()
