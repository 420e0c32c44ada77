"""Every table of the product's database; migrations/ brings a database to this shape."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from storage.text_type import TEXT

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Table(DeclarativeBase):
    """Base of all tables. `_ms` columns are UTC milliseconds."""

    metadata = MetaData(naming_convention=NAMING)
    # Milliseconds need 64 bits; SQLite's INTEGER has them, and only that name makes a key count by itself.
    type_annotation_map: ClassVar[dict[type, TypeEngine[int] | TypeEngine[str]]] = {
        int: BigInteger().with_variant(Integer(), "sqlite"),
        str: TEXT,
    }


class AcceptedEvent(Table):
    """The accepted log: one row an event that was accepted, in order of acceptance, with its original bytes.

    `partition` is that of a cluster that decided it.
    """

    __tablename__ = "accepted_event"
    __table_args__ = (
        Index(
            "ix_accepted_event_institutions",
            "seq",
            sqlite_where=text("type = 'institution'"),
            postgresql_where=text("type = 'institution'"),
        ),
        Index(
            "ix_accepted_event_partition",
            "partition",
            "seq",
            sqlite_where=text("partition IS NOT NULL"),
            postgresql_where=text("partition IS NOT NULL"),
        ),
        {"sqlite_autoincrement": True},
    )
    seq: Mapped[int] = mapped_column(primary_key=True)
    identity: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    type: Mapped[str]
    settlement_id: Mapped[str | None] = mapped_column(index=True)
    institution_id: Mapped[str | None]
    occurred_at_ms: Mapped[int]
    received_at_ms: Mapped[int]
    sender: Mapped[str]
    original: Mapped[bytes] = mapped_column(LargeBinary)
    partition: Mapped[int | None]


class DeadLetterRow(Table):
    """Input that was set aside, with its original bytes, place, stage and reason."""

    __tablename__ = "dead_letter"
    letter_id: Mapped[int] = mapped_column(primary_key=True)
    at_ms: Mapped[int] = mapped_column(index=True)
    place: Mapped[dict[str, object]] = mapped_column(JSON)
    stage: Mapped[str]
    reason: Mapped[str] = mapped_column(index=True)
    detail: Mapped[str]
    original: Mapped[bytes] = mapped_column(LargeBinary)
    content_hash: Mapped[str] = mapped_column(unique=True)


class ProgressRow(Table):
    """How far a part of the product has decided: the log up to `applied_seq`, save what waits for a time to pass."""

    __tablename__ = "progress"
    part: Mapped[str] = mapped_column(primary_key=True)
    applied_seq: Mapped[int]
    waiting_until_ms: Mapped[int | None]


class PartitionRow(Table):
    """A partition of a cluster: how far it has come; who works on it, under which epoch."""

    __tablename__ = "partition"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    partitions: Mapped[int]
    epoch: Mapped[int]
    worker: Mapped[str]
    taken_at_ms: Mapped[int]
    input_offset: Mapped[int]
    flow_offset: Mapped[int]
    flow_begun: Mapped[int]
    applied_seq: Mapped[int]
    waiting_until_ms: Mapped[int | None]
    told_reach: Mapped[str]


class FindingRow(Table):
    """A finding as it stands; `body` is its JSON line. `revision` grows by each change, `alerted_revision` follows.

    `partition` is that of a cluster that judged it.
    """

    __tablename__ = "finding"
    __table_args__ = (
        Index("ix_finding_order", "occurred_at_ms", "detector", "finding_id"),
        Index(
            "ix_finding_pending",
            "occurred_at_ms",
            "detector",
            "finding_id",
            sqlite_where=text("alerted_revision < revision"),
            postgresql_where=text("alerted_revision < revision"),
        ),
        Index(
            "ix_finding_partition",
            "partition",
            sqlite_where=text("partition IS NOT NULL"),
            postgresql_where=text("partition IS NOT NULL"),
        ),
    )
    finding_id: Mapped[str] = mapped_column(primary_key=True)
    detector: Mapped[str]
    status: Mapped[str]
    settlement_id: Mapped[str] = mapped_column(index=True)
    institution_id: Mapped[str]
    occurred_at_ms: Mapped[int]
    severity: Mapped[str]
    mode: Mapped[str]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    cause: Mapped[str]
    decided_at_ms: Mapped[int]
    revision: Mapped[int]
    alerted_revision: Mapped[int]
    partition: Mapped[int | None]


class SupersededFindingRow(Table):
    """A finding as it stood before it changed: what the centre compares to say what a later event changed."""

    __tablename__ = "superseded_finding"
    finding_id: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    cause: Mapped[str]
    decided_at_ms: Mapped[int]


class AlertRow(Table):
    """What a store or an operator is shown; groups the findings of one subject at one institution in one episode.

    `body` is what the centre sees: a notice's body over all facts, those a store is not told about included.
    """

    __tablename__ = "alert"
    __table_args__ = (
        # Lists are read in this order; the columns behind it are looked at without reading the row.
        Index("ix_alert_order", "opened_at_ms", "alert_id", "institution_id", "state", "severity"),
        Index("ix_alert_institution", "institution_id", "opened_at_ms", "alert_id", "state", "severity"),
        Index("ix_alert_episode", "episode_key"),
    )
    alert_id: Mapped[str] = mapped_column(primary_key=True)
    episode_key: Mapped[str]
    institution_id: Mapped[str]
    till_id: Mapped[str]
    detector: Mapped[str]
    severity: Mapped[str]
    route: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    settlement_id: Mapped[str] = mapped_column(index=True)
    opened_at_ms: Mapped[int]
    changed_at_ms: Mapped[int]
    last_anchor_ms: Mapped[int]
    escalate_at_ms: Mapped[int | None] = mapped_column(index=True)
    answer: Mapped[str | None]
    answer_text: Mapped[str | None]
    answered_at_ms: Mapped[int | None]
    body: Mapped[dict[str, object]] = mapped_column(JSON, default=dict)


class AlertFindingRow(Table):
    """Which findings an alert groups: whether each stood when last looked at, and whether the store may be told of it.

    A finding is in one alert that is not closed; in a second only if it came back or grew worse after the first closed.
    `placed_at_ms` is when it joined; null for those of before it was written down.
    """

    __tablename__ = "alert_finding"
    alert_id: Mapped[str] = mapped_column(ForeignKey("alert.alert_id"), primary_key=True)
    finding_id: Mapped[str] = mapped_column(ForeignKey("finding.finding_id"), primary_key=True, index=True)
    standing: Mapped[bool] = mapped_column(default=True)
    to_store: Mapped[bool] = mapped_column(default=True)
    placed_at_ms: Mapped[int | None] = mapped_column(index=True)


class AlertHistoryRow(Table):
    """Every change of an alert: who, when, from which state to which, and why."""

    __tablename__ = "alert_history"
    entry_id: Mapped[int] = mapped_column(primary_key=True)
    alert_id: Mapped[str] = mapped_column(ForeignKey("alert.alert_id"), index=True)
    at_ms: Mapped[int]
    actor: Mapped[str]
    action: Mapped[str]
    from_state: Mapped[str]
    to_state: Mapped[str]
    note: Mapped[str]


class AlertTermRow(Table):
    """A word that an alert is found by (`storage.alerts.terms`), with the alert's place in a list."""

    __tablename__ = "alert_term"
    term: Mapped[str] = mapped_column(primary_key=True)
    opened_at_ms: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    alert_id: Mapped[str] = mapped_column(ForeignKey("alert.alert_id"), primary_key=True)


class ReviewedRow(Table):
    """An alert that a person of the centre has looked at; each has a list of their own."""

    __tablename__ = "reviewed"
    username: Mapped[str] = mapped_column(primary_key=True)
    alert_id: Mapped[str] = mapped_column(ForeignKey("alert.alert_id"), primary_key=True)
    at_ms: Mapped[int]


class SavedSearchRow(Table):
    """A search that a person wants to find again; `query` is the part of the list's address after the `?`."""

    __tablename__ = "saved_search"
    search_id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(index=True)
    name: Mapped[str]
    query: Mapped[str]
    saved_at_ms: Mapped[int]


class CaseRecordRow(Table):
    """An alert that was handed to an auditor: when, by whom, with which note."""

    __tablename__ = "case_record"
    case_id: Mapped[int] = mapped_column(primary_key=True)
    alert_id: Mapped[str] = mapped_column(ForeignKey("alert.alert_id"), index=True)
    opened_at_ms: Mapped[int]
    opened_by: Mapped[str]
    note: Mapped[str]


class SwipeMinuteRow(Table):
    """The swipes that happened in one minute and their sums; a later reversal takes nothing off."""

    __tablename__ = "swipe_minute"
    minute_ms: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    swipes: Mapped[int]
    total_fen: Mapped[int]
    fund_fen: Mapped[int]


class NoticeRow(Table):
    """One delivery to a store's terminals; `notice_id` only grows, so a terminal resumes from the last it has seen."""

    __tablename__ = "notice"
    __table_args__ = ({"sqlite_autoincrement": True},)
    notice_id: Mapped[int] = mapped_column(primary_key=True)
    alert_id: Mapped[str] = mapped_column(ForeignKey("alert.alert_id"), index=True)
    institution_id: Mapped[str] = mapped_column(index=True)
    till_id: Mapped[str]
    kind: Mapped[str]
    created_at_ms: Mapped[int]
    body: Mapped[dict[str, object]] = mapped_column(JSON)


class TerminalAnswerRow(Table):
    """An answer that a terminal sent, by the id it gave it: sent again it counts once.

    `content` hashes what it says; `at_ms` is when it was given; `recorded_at_ms` is null until it is on the alert.
    """

    __tablename__ = "terminal_answer"
    terminal: Mapped[str] = mapped_column(primary_key=True)
    answer_id: Mapped[str] = mapped_column(primary_key=True)
    alert_id: Mapped[str] = mapped_column(ForeignKey("alert.alert_id"))
    content: Mapped[str]
    at_ms: Mapped[int]
    recorded_at_ms: Mapped[int | None]


class TerminalContactRow(Table):
    """When each terminal was last heard of."""

    __tablename__ = "terminal_contact"
    terminal: Mapped[str] = mapped_column(primary_key=True)
    heard_at_ms: Mapped[int]


class TerminalOutageRow(Table):
    """A time in which a terminal was dark: not heard of since `since_ms`, while its store was open or had reminders."""

    __tablename__ = "terminal_outage"
    outage_id: Mapped[int] = mapped_column(primary_key=True)
    terminal: Mapped[str] = mapped_column(index=True)
    institution_id: Mapped[str]
    till_id: Mapped[str | None]
    reason: Mapped[str]
    since_ms: Mapped[int]
    noticed_at_ms: Mapped[int]
    ended_at_ms: Mapped[int | None]


class WebhookPositionRow(Table):
    """How far one receiver has been told: the changes of alerts up to `entry_id`."""

    __tablename__ = "webhook_position"
    url: Mapped[str] = mapped_column(primary_key=True)
    entry_id: Mapped[int]


class SnoozeRow(Table):
    """A rule silenced for one entity, with reason and end."""

    __tablename__ = "snooze"
    snooze_id: Mapped[int] = mapped_column(primary_key=True)
    detector: Mapped[str]
    entity: Mapped[str]
    reason: Mapped[str]
    by: Mapped[str]
    until_ms: Mapped[int]


class RuleVersionRow(Table):
    """Rules as they were put into force, in order; rows are added and never changed. `version` hashes `content`."""

    __tablename__ = "rule_version"
    __table_args__ = ({"sqlite_autoincrement": True},)
    number: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[str]
    effective_from_ms: Mapped[int]
    content: Mapped[str]
    origin: Mapped[str]
    stored_at_ms: Mapped[int]
    stored_by: Mapped[str]
    note: Mapped[str]


class RuleHaltRow(Table):
    """A rule that the circuit breaker has halted, until somebody resumes it."""

    __tablename__ = "rule_halt"
    halt_id: Mapped[int] = mapped_column(primary_key=True)
    detector: Mapped[str] = mapped_column(index=True)
    halted_at_ms: Mapped[int]
    breaker: Mapped[int]
    resumed_at_ms: Mapped[int | None]
    resumed_by: Mapped[str | None]


class HeldFindingRow(Table):
    """A finding that made no alert because its rule was halted."""

    __tablename__ = "held_finding"
    finding_id: Mapped[str] = mapped_column(ForeignKey("finding.finding_id"), primary_key=True)
    halt_id: Mapped[int] = mapped_column(ForeignKey("rule_halt.halt_id"), index=True)


class StillRow(Table):
    """One evidence picture: an encrypted file outside the database, with the sha256 of its plain bytes.

    `removed_at_ms` is when the file of one that an alert cites was deleted; without an alert the row goes with it.
    """

    __tablename__ = "still"
    __table_args__ = (Index("ix_still_camera", "camera_id", "captured_at_ms"),)
    still_id: Mapped[str] = mapped_column(primary_key=True)
    observation_id: Mapped[str] = mapped_column(index=True)
    settlement_id: Mapped[str | None] = mapped_column(index=True)
    camera_id: Mapped[str]
    captured_at_ms: Mapped[int] = mapped_column(index=True)
    sha256: Mapped[str]
    size_bytes: Mapped[int]
    removed_at_ms: Mapped[int | None]


class ClipRow(Table):
    """One clip around a swipe, a file like a still's. Times are the till's, `first_raw_at_ms` is the camera's."""

    __tablename__ = "clip"
    clip_id: Mapped[str] = mapped_column(primary_key=True)
    settlement_id: Mapped[str] = mapped_column(index=True)
    camera_id: Mapped[str]
    camera_state: Mapped[str]
    swipe_at_ms: Mapped[int] = mapped_column(index=True)
    first_at_ms: Mapped[int]
    last_at_ms: Mapped[int]
    first_raw_at_ms: Mapped[int]
    clock_offset_ms: Mapped[int]
    pictures: Mapped[int]
    step_ms: Mapped[int]
    sha256: Mapped[str]
    size_bytes: Mapped[int]
    removed_at_ms: Mapped[int | None]


class OriginalRow(Table):
    """What a camera sent around a swipe, not re-encoded; a file like a clip's, with the same times.

    What its clip would show is null where nobody wrote it down. `customer` are till times with boxes. A clip is owed
    from `clip_owed_since_ms` on until there is one; `clip_asked_at_ms` is when a person first asked for it.
    """

    __tablename__ = "original"
    __table_args__ = (
        Index(
            "ix_original_owed",
            "clip_owed_since_ms",
            sqlite_where=text("clip_owed_since_ms IS NOT NULL"),
            postgresql_where=text("clip_owed_since_ms IS NOT NULL"),
        ),
    )
    original_id: Mapped[str] = mapped_column(primary_key=True)
    settlement_id: Mapped[str] = mapped_column(index=True)
    camera_id: Mapped[str]
    container: Mapped[str]
    swipe_at_ms: Mapped[int] = mapped_column(index=True)
    first_at_ms: Mapped[int]
    last_at_ms: Mapped[int]
    first_raw_at_ms: Mapped[int]
    clock_offset_ms: Mapped[int]
    sha256: Mapped[str]
    size_bytes: Mapped[int]
    removed_at_ms: Mapped[int | None]
    clip_first_at_ms: Mapped[int | None]
    clip_last_at_ms: Mapped[int | None]
    step_ms: Mapped[int | None]
    camera_state: Mapped[str | None]
    customer: Mapped[list[object] | None] = mapped_column(JSON(none_as_null=True))
    clip_owed_since_ms: Mapped[int | None]
    clip_asked_at_ms: Mapped[int | None]
    clip_claimed_until_ms: Mapped[int | None]
    clip_crashes: Mapped[int] = mapped_column(server_default="0")
    clip_failure: Mapped[str | None]


class EvidenceRemovalRow(Table):
    """What one sweep deleted of a kind of evidence for a reason: how many files, and from when to when they were."""

    __tablename__ = "evidence_removal"
    at_ms: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(primary_key=True)
    file_count: Mapped[int]
    size_bytes: Mapped[int]
    oldest_ms: Mapped[int | None]
    newest_ms: Mapped[int | None]


class CameraStateRow(Table):
    """The latest state of each camera: `ok` or the name of what is wrong."""

    __tablename__ = "camera_state"
    camera_id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    detail: Mapped[str]
    since_ms: Mapped[int]


class CameraSpanRow(Table):
    """A time in which a camera was in one state; `still_id` is the picture that shows it, if one was kept."""

    __tablename__ = "camera_span"
    camera_id: Mapped[str] = mapped_column(primary_key=True)
    since_ms: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str]
    detail: Mapped[str]
    ended_at_ms: Mapped[int | None]
    still_id: Mapped[str | None]


class CameraOutageRow(Table):
    """A time in which a camera was an alert: not well since `since_ms`, for longer than may be."""

    __tablename__ = "camera_outage"
    outage_id: Mapped[int] = mapped_column(primary_key=True)
    camera_id: Mapped[str] = mapped_column(index=True)
    institution_id: Mapped[str]
    till_id: Mapped[str]
    since_ms: Mapped[int]
    noticed_at_ms: Mapped[int]
    ended_at_ms: Mapped[int | None]


class BlindSwipeRow(Table):
    """A swipe of which a camera's pictures tell nothing, and what the camera was; once for each camera."""

    __tablename__ = "blind_swipe"
    settlement_id: Mapped[str] = mapped_column(primary_key=True)
    camera_id: Mapped[str] = mapped_column(primary_key=True)
    institution_id: Mapped[str]
    state: Mapped[str]
    at_ms: Mapped[int] = mapped_column(index=True)


class RegisteredCameraRow(Table):
    """A camera that was added on the page, or what was changed there of one of the registry file.

    Null says nothing: the file does. An empty `zone` is the whole picture. The source is encrypted, it has a password.
    """

    __tablename__ = "registered_camera"
    camera_id: Mapped[str] = mapped_column(primary_key=True)
    institution_id: Mapped[str | None]
    till_id: Mapped[str | None]
    sealed_source: Mapped[bytes | None] = mapped_column(LargeBinary)
    zone: Mapped[list[list[float]] | None] = mapped_column(JSON(none_as_null=True))
    clock_offset_ms: Mapped[int | None]
    is_enabled: Mapped[bool] = mapped_column(default=True)
    at_store: Mapped[bool | None]
    changed_by: Mapped[str]
    changed_at_ms: Mapped[int]


class CameraClockRow(Table):
    """What must be added to a camera's clock to give its till's, as its worker estimated it last, ± `error_ms`."""

    __tablename__ = "camera_clock"
    camera_id: Mapped[str] = mapped_column(primary_key=True)
    offset_ms: Mapped[int]
    error_ms: Mapped[int]
    swipes: Mapped[int]
    at_ms: Mapped[int]


class CameraPairsRow(Table):
    """How alike the holders are whom a camera recognised on a day (UTC): counts of steps of similarity, no face.

    A worker's memory that began at `begun_at_ms` has a row of its own. `oldest_day` is the first on which somebody was
    seen who is in these pairs.
    """

    __tablename__ = "camera_pairs"
    camera_id: Mapped[str] = mapped_column(primary_key=True)
    engine_version: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    begun_at_ms: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    oldest_day: Mapped[str]
    people: Mapped[int]
    spread: Mapped[float]
    first: Mapped[int]
    counts: Mapped[list[int]] = mapped_column(JSON)
    pairs: Mapped[int]


class CameraCalibrationRow(Table):
    """A version of a camera's calibration, made of the pairs of `batches` (days); at most one is in force."""

    __tablename__ = "camera_calibration"
    camera_id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    made_at_ms: Mapped[int]
    batches: Mapped[list[str]] = mapped_column(JSON)
    engine_version: Mapped[str]
    people: Mapped[int]
    spread: Mapped[float]
    first: Mapped[int]
    counts: Mapped[list[int]] = mapped_column(JSON)
    is_in_force: Mapped[bool]


class CameraPictureRow(Table):
    """The last picture taken through a camera to see whether it works; encrypted, faces unrecognisable."""

    __tablename__ = "camera_picture"
    camera_id: Mapped[str] = mapped_column(primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    at_ms: Mapped[int]
    width_px: Mapped[int]
    height_px: Mapped[int]
    codec: Mapped[str]
    frames_per_s: Mapped[float | None]


class CameraAgentRow(Table):
    """A store's camera agent: when it was last heard of and how it said it is; `silent_since_ms` once it is missed."""

    __tablename__ = "camera_agent"
    agent: Mapped[str] = mapped_column(primary_key=True)
    heard_at_ms: Mapped[int]
    report: Mapped[dict[str, object]] = mapped_column(JSON)
    silent_since_ms: Mapped[int | None]


class ReferenceFaceRow(Table):
    """An enrolled reference of one person for one engine; the embedding is encrypted, the photograph not kept.

    `basis` is why the face may be kept, from `basis_day` on (ISO date), `consent_basis` what proves it, in words.
    """

    __tablename__ = "reference_face"
    reference_id: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(index=True)
    engine: Mapped[str]
    engine_version: Mapped[str]
    embedding: Mapped[bytes] = mapped_column(LargeBinary)
    quality: Mapped[float]
    basis: Mapped[str] = mapped_column(server_default="consent")
    basis_day: Mapped[str] = mapped_column(server_default="unknown")
    consent_basis: Mapped[str]
    enrolled_at_ms: Mapped[int]
    enrolled_by: Mapped[str] = mapped_column(server_default="swipewatch")


class FaceOptOutRow(Table):
    """A person who wants no comparison of faces, since when (ISO date) and on what basis, in words."""

    __tablename__ = "face_opt_out"
    person_id: Mapped[str] = mapped_column(primary_key=True)
    basis: Mapped[str]
    since_day: Mapped[str]
    noted_at_ms: Mapped[int]
    noted_by: Mapped[str]


class FaceDuplicateRow(Table):
    """Two persons whose enrolled faces look like one; `person_id` sorts first. `outcome` is null until one is said."""

    __tablename__ = "face_duplicate"
    __table_args__ = (UniqueConstraint("person_id", "other_person_id"),)
    duplicate_id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[str]
    other_person_id: Mapped[str] = mapped_column(index=True)
    engine: Mapped[str]
    similarity: Mapped[float]
    found_at_ms: Mapped[int]
    found_by: Mapped[str]
    outcome: Mapped[str | None]
    settled_at_ms: Mapped[int | None]
    settled_by: Mapped[str | None]


class StaffRow(Table):
    """A member of an institution's staff who is enrolled: references stand under `subject_id`. There is no name."""

    __tablename__ = "staff"
    subject_id: Mapped[str] = mapped_column(primary_key=True)
    institution_id: Mapped[str] = mapped_column(index=True)
    staff_id: Mapped[str]
    role: Mapped[str]


class StaffHourRow(Table):
    """Of one hour: how many looks at an institution's counters sought a role of its staff, and how many saw it."""

    __tablename__ = "staff_hour"
    institution_id: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    hour_ms: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, index=True)
    looks: Mapped[int]
    seen: Mapped[int]


class VisitorSightingRow(Table):
    """A face of an accepted observation that bears a visitor's id, as the observation says it."""

    __tablename__ = "visitor_sighting"
    observation_id: Mapped[str] = mapped_column(primary_key=True)
    face_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    visitor_id: Mapped[str] = mapped_column(index=True)
    settlement_id: Mapped[str | None] = mapped_column(index=True)
    institution_id: Mapped[str]
    till_id: Mapped[str]
    at_ms: Mapped[int] = mapped_column(index=True)
    verdict: Mapped[str | None]


class VisitorCorrectionRow(Table):
    """An accepted correction of one face's visitor; those of one decision of a person share `act_id`.

    `was_visitor_id` is whom the face was taken for before, `by` who says otherwise.
    """

    __tablename__ = "visitor_correction"
    __table_args__ = (Index("ix_visitor_correction_face", "observation_id", "face_no"),)
    correction_id: Mapped[str] = mapped_column(primary_key=True)
    act_id: Mapped[str] = mapped_column(index=True)
    act: Mapped[str]
    observation_id: Mapped[str]
    face_no: Mapped[int]
    visitor_id: Mapped[str | None] = mapped_column(index=True)
    was_visitor_id: Mapped[str | None] = mapped_column(index=True)
    settlement_id: Mapped[str | None]
    at_ms: Mapped[int]
    by: Mapped[str]


class VisitorOrderRow(Table):
    """What whoever remembers visitors is to do, in the order in which it was asked: forget one, or join one to another.

    `kept_id` is whose id both have once they are joined.
    """

    __tablename__ = "visitor_order"
    __table_args__ = ({"sqlite_autoincrement": True},)
    number: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    visitor_id: Mapped[str]
    kept_id: Mapped[str | None]
    asked_at_ms: Mapped[int]


class AccountRow(Table):
    """A person who may log in; `password_hash` is argon2id. `subject` is who it is at the single sign-on, if there."""

    __tablename__ = "account"
    username: Mapped[str] = mapped_column(primary_key=True)
    password_hash: Mapped[str]
    role: Mapped[str]
    created_at_ms: Mapped[int]
    must_change_password: Mapped[bool] = mapped_column(default=False, server_default=false())
    disabled_at_ms: Mapped[int | None]
    subject: Mapped[str | None]


class SessionRow(Table):
    """A log-in that has not ended; only the token's sha256 is kept."""

    __tablename__ = "session"
    token_hash: Mapped[str] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(ForeignKey("account.username"))
    expires_at_ms: Mapped[int]


class TokenRow(Table):
    """The token (sha256 only) of a sender, terminal or camera agent, and its institutions; `["*"]` is all."""

    __tablename__ = "token"
    token_hash: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str] = mapped_column(unique=True)
    institution_ids: Mapped[list[str]] = mapped_column(JSON)
    till_id: Mapped[str | None]
    created_at_ms: Mapped[int]
    revoked_at_ms: Mapped[int | None]
    created_by: Mapped[str | None]


class PairingCodeRow(Table):
    """A code (sha256 only) that makes one device a terminal of the store, or of the till; it goes once it is used."""

    __tablename__ = "pairing_code"
    code_hash: Mapped[str] = mapped_column(primary_key=True)
    institution_id: Mapped[str]
    till_id: Mapped[str | None]
    created_by: Mapped[str]
    expires_at_ms: Mapped[int]


class AccessChangeRow(Table):
    """A change of an account, token, terminal, camera or enrolment: who, when, what; rows are never changed."""

    __tablename__ = "access_change"
    __table_args__ = (
        Index("ix_access_change_kind", "kind", "change_id"),
        Index("ix_access_change_subject", "subject"),
        {"sqlite_autoincrement": True},
    )
    change_id: Mapped[int] = mapped_column(primary_key=True)
    at_ms: Mapped[int]
    actor: Mapped[str]
    kind: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[str]


class FaceViewRow(Table):
    """One view of a picture with a face: who, when and why; `note` is what who took a sealed original wrote."""

    __tablename__ = "face_view"
    view_id: Mapped[int] = mapped_column(primary_key=True)
    still_id: Mapped[str]
    username: Mapped[str]
    at_ms: Mapped[int]
    reason: Mapped[str]
    note: Mapped[str | None]


class FailedLoginRow(Table):
    """An attempt to log in that failed, under a hash of who or whence; kept for minutes."""

    __tablename__ = "failed_login"
    failure_id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(index=True)
    at_ms: Mapped[int] = mapped_column(index=True)
