"""Every metric of the product: its name, kind, unit and meaning. Parts refer to these constants, never to names."""

from __future__ import annotations

from typing import Literal

import msgspec

LATENCY_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BATCH_EVENTS = (1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0)


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One metric; a counter's name ends in `_total`, every other in its unit."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


EVENTS_RECEIVED = Metric(
    name="swipewatch_events_received_total",
    kind="counter",
    unit="events",
    meaning="Events answered by the ingestion API, by what became of them (accepted, duplicate, dead_letter).",
    labels=("status",),
)
REQUESTS_REFUSED = Metric(
    name="swipewatch_requests_refused_total",
    kind="counter",
    unit="requests",
    meaning="Ingestion requests of which nothing was taken, by the HTTP status that said so.",
    labels=("status",),
)
INGESTION_SECONDS = Metric(
    name="swipewatch_ingestion_seconds",
    kind="histogram",
    unit="seconds",
    meaning="From a request's last byte to the answer that its events are durable.",
    buckets=LATENCY_SECONDS,
)
REQUEST_EVENTS = Metric(
    name="swipewatch_request_events",
    kind="histogram",
    unit="events",
    meaning="Events in one ingestion request.",
    buckets=BATCH_EVENTS,
)
LOGINS = Metric(
    name="swipewatch_logins_total",
    kind="counter",
    unit="attempts",
    meaning="Attempts to log in, by result (opened, refused, limited).",
    labels=("result",),
)
STREAMS_OPEN = Metric(
    name="swipewatch_streams_open",
    kind="gauge",
    unit="streams",
    meaning="Pages and camera agents that are connected for live updates, by kind (dashboard, terminal, agent).",
    labels=("kind",),
)
NOTICES_SENT = Metric(
    name="swipewatch_notices_sent_total",
    kind="counter",
    unit="notices",
    meaning="Notices written to connected terminals.",
)
NOTICE_SECONDS = Metric(
    name="swipewatch_notice_seconds",
    kind="histogram",
    unit="seconds",
    meaning="From a notice's creation to the moment it was written to a connected terminal.",
    buckets=LATENCY_SECONDS,
)
ALERT_ACTIONS = Metric(
    name="swipewatch_alert_actions_total",
    kind="counter",
    unit="actions",
    meaning="What stores and operators did to alerts, by action (acknowledge, answer, close, snooze, snooze_ended, "
    "hand_over).",
    labels=("action",),
)
FACE_VIEWS = Metric(
    name="swipewatch_face_views_total",
    kind="counter",
    unit="views",
    meaning="Pictures with a face that were shown unblurred; each is on record with who and why.",
)

EVIDENCE_REMOVED = Metric(
    name="swipewatch_evidence_files_removed_total",
    kind="counter",
    unit="files",
    meaning="Evidence deleted, by kind (still, clip, original) and reason (time_up, disk_full, unnamed).",
    labels=("kind", "reason"),
)
EVIDENCE_REMOVED_BYTES = Metric(
    name="swipewatch_evidence_removed_bytes_total",
    kind="counter",
    unit="bytes",
    meaning="Size of the evidence deleted, by kind and reason.",
    labels=("kind", "reason"),
)
EVIDENCE_FREE_BYTES = Metric(
    name="swipewatch_evidence_free_bytes",
    kind="gauge",
    unit="bytes",
    meaning="Room left on the disk that evidence is kept on, as the process that deletes it last saw it.",
)

RULES_HALTED = Metric(
    name="swipewatch_rules_halted",
    kind="gauge",
    unit="rules",
    meaning="Rules that the circuit breaker has halted and nobody has resumed: their findings make no alerts.",
)

TERMINALS_DARK = Metric(
    name="swipewatch_terminals_dark",
    kind="gauge",
    unit="terminals",
    meaning="Terminals that say nothing although their store is open or has reminders; each is an alert on the wall.",
)

WEBHOOK_WAITING = Metric(
    name="swipewatch_webhook_changes_waiting",
    kind="gauge",
    unit="changes",
    meaning="Changes of alerts that the webhook's receiver has not taken yet.",
)

CAMERAS = Metric(
    name="swipewatch_cameras",
    kind="gauge",
    unit="cameras",
    meaning="Cameras of the registry by their last known state: ok, unknown, or the name of what is wrong.",
    labels=("state",),
)
CAMERA_MESSAGES = Metric(
    name="swipewatch_camera_messages_total",
    kind="counter",
    unit="messages",
    meaning="What stores' camera agents handed in and the centre has kept.",
)
CAMERAS_AT_STORES = Metric(
    name="swipewatch_cameras_at_stores",
    kind="gauge",
    unit="cameras",
    meaning="Cameras of the registry that their stores' own agents look through, and no process of the centre.",
)
AGENTS_SILENT = Metric(
    name="swipewatch_camera_agents_silent",
    kind="gauge",
    unit="agents",
    meaning="Stores' camera agents that say nothing; their cameras are shown off-line.",
)
AGENT_WAITING = Metric(
    name="swipewatch_agent_messages_waiting",
    kind="gauge",
    unit="messages",
    meaning="What this camera agent has not sent yet, by kind (observation, still, original).",
    labels=("kind",),
)
AGENT_WAITING_BYTES = Metric(
    name="swipewatch_agent_waiting_bytes",
    kind="gauge",
    unit="bytes",
    meaning="Size on disk of what this camera agent has not sent yet, by kind.",
    labels=("kind",),
)
AGENT_DROPPED = Metric(
    name="swipewatch_agent_messages_dropped",
    kind="gauge",
    unit="messages",
    meaning="What this camera agent will never send, by kind, since its data folder was made: no room, or refused.",
    labels=("kind",),
)
AGENT_SENT = Metric(
    name="swipewatch_agent_messages_sent_total",
    kind="counter",
    unit="messages",
    meaning="What this camera agent has sent and the centre has kept.",
)
VISITORS = Metric(
    name="swipewatch_visitors",
    kind="gauge",
    unit="visitors",
    meaning="Visitors that this `visitors` process remembers.",
)
VISITOR_LOOKS = Metric(
    name="swipewatch_visitor_looks",
    kind="gauge",
    unit="looks",
    meaning="Looks of visitors that this `visitors` process remembers; beyond 100,000 the longest unseen go.",
)
VISITORS_ASKED = Metric(
    name="swipewatch_visitor_questions_total",
    kind="counter",
    unit="questions",
    meaning="Questions who a visitor is that this `visitors` process has answered, by result (named, doubt).",
    labels=("result",),
)
VISITORS_UNNAMED = Metric(
    name="swipewatch_visitor_unnamed_faces_total",
    kind="counter",
    unit="faces",
    meaning="Faces without a visitor id because whoever remembers visitors was away.",
)
CAMERAS_HELD = Metric(
    name="swipewatch_cameras_held",
    kind="gauge",
    unit="cameras",
    meaning="Cameras that this `video` process looks at.",
)
OBSERVATIONS_WRITTEN = Metric(
    name="swipewatch_observations_written_total",
    kind="counter",
    unit="observations",
    meaning="What this `video` process saw, acknowledged by the brokers.",
)

PARTITIONS_HELD = Metric(
    name="swipewatch_partitions_held",
    kind="gauge",
    unit="partitions",
    meaning="Partitions that this worker works on.",
)
RECORDS_BEHIND = Metric(
    name="swipewatch_records_behind",
    kind="gauge",
    unit="records",
    meaning="Records of a topic that are there and not yet worked on, by partitions that this worker holds.",
    labels=("topic", "partition"),
)
EVENTS_DECIDED = Metric(
    name="swipewatch_events_decided_total",
    kind="counter",
    unit="events",
    meaning="Events that workers have decided, by what became of them (accepted, duplicate).",
    labels=("status",),
)
DEAD_LETTERS_SET_ASIDE = Metric(
    name="swipewatch_dead_letters_total",
    kind="counter",
    unit="letters",
    meaning="Input that workers have set aside, by reason.",
    labels=("reason",),
)
FINDINGS_CHANGED = Metric(
    name="swipewatch_findings_changed_total",
    kind="counter",
    unit="findings",
    meaning="Findings that workers have raised (new or changed) and withdrawn, by rule.",
    labels=("rule", "change"),
)
ALERTS_CHANGED = Metric(
    name="swipewatch_alerts_changed_total",
    kind="counter",
    unit="alerts",
    meaning="Alerts that workers have opened or changed.",
)
STEP_SECONDS = Metric(
    name="swipewatch_step_seconds",
    kind="histogram",
    unit="seconds",
    meaning="From taking some records of a partition to having written all that follows from them.",
    buckets=LATENCY_SECONDS,
)
DECIDED_SECONDS = Metric(
    name="swipewatch_decided_seconds",
    kind="histogram",
    unit="seconds",
    meaning="From a record's arrival at the broker to having written what follows from it at its partition.",
    buckets=LATENCY_SECONDS,
)

METRICS: tuple[Metric, ...] = (
    EVENTS_RECEIVED,
    REQUESTS_REFUSED,
    INGESTION_SECONDS,
    REQUEST_EVENTS,
    LOGINS,
    STREAMS_OPEN,
    NOTICES_SENT,
    NOTICE_SECONDS,
    ALERT_ACTIONS,
    FACE_VIEWS,
    EVIDENCE_REMOVED,
    EVIDENCE_REMOVED_BYTES,
    EVIDENCE_FREE_BYTES,
    RULES_HALTED,
    TERMINALS_DARK,
    WEBHOOK_WAITING,
    CAMERAS,
    CAMERA_MESSAGES,
    CAMERAS_AT_STORES,
    AGENTS_SILENT,
    AGENT_WAITING,
    AGENT_WAITING_BYTES,
    AGENT_DROPPED,
    AGENT_SENT,
    VISITORS,
    VISITOR_LOOKS,
    VISITORS_ASKED,
    VISITORS_UNNAMED,
    CAMERAS_HELD,
    OBSERVATIONS_WRITTEN,
    PARTITIONS_HELD,
    RECORDS_BEHIND,
    EVENTS_DECIDED,
    DEAD_LETTERS_SET_ASIDE,
    FINDINGS_CHANGED,
    ALERTS_CHANGED,
    STEP_SECONDS,
    DECIDED_SECONDS,
)
