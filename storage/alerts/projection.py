"""From changed findings to the alerts that hold them, within one transaction of the caller's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from alerts.breaker import Wish, admit
from alerts.grouping import Anchor, Episode, episode_key_of, place_anchors
from alerts.policy import Policy
from alerts.routing import is_alertable
from alerts.suppression import Snooze, is_snoozed
from events.findings import Severity, severity_rank
from storage.alerts.desk import AlertChange
from storage.alerts.upkeep import AlertUpkeep
from storage.findings import decode_finding
from storage.log import chunks, swipes_of_history
from storage.models import AlertFindingRow, AlertRow, FindingRow, SnoozeRow
from storage.rule_halts import alerted_within_hour, halt, halted_now, held_of, hold


class AlertProjection:
    """One transaction's work: the findings that changed since their alerts were last looked at."""

    def __init__(self, session: Session, policy: Policy, now_ms: int) -> None:
        self._session = session
        self._policy = policy
        self._now_ms = now_ms
        self._snoozes: list[Snooze] = []

    def run(self, limit: int) -> tuple[list[AlertChange], bool]:
        """Returns the alerts that changed with the next `limit` findings, and whether findings are left over.

        Afterwards those findings are marked as looked at; the caller's transaction makes all of it one.
        """
        pending = self._pending(limit)
        if not pending:
            return [], False
        self._snoozes = self._load_snoozes(min(row.decided_at_ms for row in pending.values()))
        touched, placeless = self._alerts_of(pending)
        for alert_id, since_ms in self._place(placeless).items():
            touched[alert_id] = min(since_ms, touched.get(alert_id, since_ms))
        upkeep = AlertUpkeep(self._session, self._policy, self._now_ms, frozenset(pending), self._snoozes)
        in_time = sorted(touched, key=lambda alert_id: (touched[alert_id], alert_id))
        changes = upkeep.bring_up_to_date(in_time)
        self._mark(pending)
        return changes, len(pending) == limit

    # -------------------------------------------------------------------------------------------- which alerts

    def _pending(self, limit: int) -> dict[str, FindingRow]:
        query = (
            select(FindingRow)
            .where(FindingRow.alerted_revision < FindingRow.revision)
            .order_by(FindingRow.occurred_at_ms, FindingRow.detector, FindingRow.finding_id)
            .limit(limit)
        )
        return {row.finding_id: row for row in self._session.scalars(query)}

    def _load_snoozes(self, from_ms: int) -> list[Snooze]:
        rows = self._session.scalars(select(SnoozeRow).where(SnoozeRow.until_ms > from_ms))
        return [Snooze(detector=row.detector, entity=row.entity, until_ms=row.until_ms) for row in rows]

    def _alerts_of(self, pending: dict[str, FindingRow]) -> tuple[dict[str, int], list[FindingRow]]:
        """Returns the alerts that hold one of the findings, with its anchor's time, and findings without a place."""
        query = select(AlertFindingRow, AlertRow).join(AlertRow, AlertRow.alert_id == AlertFindingRow.alert_id)
        held: dict[str, list[tuple[AlertFindingRow, AlertRow]]] = defaultdict(list)
        for some in chunks(pending):
            for member, alert in self._session.execute(query.where(AlertFindingRow.finding_id.in_(some))):
                held[member.finding_id].append((member, alert))
        placeless = [row for finding_id, row in pending.items() if self._wants_place(row, held[finding_id])]
        placeless = self._admitted(self._of_the_present(placeless))
        touched = {
            alert.alert_id: pending[finding_id].occurred_at_ms
            for finding_id, places in reversed(held.items())
            for _, alert in places
        }
        return touched, placeless

    def _wants_place(self, row: FindingRow, places: Sequence[tuple[AlertFindingRow, AlertRow]]) -> bool:
        """Whether an alert is still to be found: none holds it, or it came back or grew worse after all were closed."""
        finding = decode_finding(row.body)
        if not is_alertable(finding) or is_snoozed(finding, self._snoozes, row.decided_at_ms):
            return False
        return all(
            alert.state == "closed"
            and (not member.standing or severity_rank(finding.severity) > _rank_of(alert.severity))
            for member, alert in places
        )

    def _of_the_present(self, rows: Sequence[FindingRow]) -> list[FindingRow]:
        """Returns the findings about swipes that came in as they happened; of history nobody is told."""
        past = swipes_of_history(self._session, (row.settlement_id for row in rows))
        return [row for row in rows if row.settlement_id not in past]

    # -------------------------------------------------------------------------------------------- the breaker

    def _admitted(self, rows: Sequence[FindingRow]) -> list[FindingRow]:
        """Returns the findings that no halt keeps from an alert; the others are on record as held back."""
        held = held_of(self._session, [row.finding_id for row in rows])
        free = [row for row in rows if row.finding_id not in held]
        halted = halted_now(self._session)
        alerted = alerted_within_hour(self._session, {row.detector for row in free}, self._now_ms)
        wishes = [Wish(detector=row.detector, limit=self._breaker_of(row)) for row in free]
        admission = admit(wishes, alerted, halted)
        for row, wish, admitted in zip(free, wishes, admission.admitted, strict=True):
            if admitted:
                continue
            if row.detector not in halted:
                halted[row.detector] = halt(self._session, row.detector, wish.limit or 0, self._now_ms)
            hold(self._session, halted[row.detector], row.finding_id)
        return [row for row, admitted in zip(free, admission.admitted, strict=True) if admitted]

    def _breaker_of(self, row: FindingRow) -> int | None:
        rule = self._policy.rule(decode_finding(row.body))
        return None if rule is None else rule.breaker

    # -------------------------------------------------------------------------------------------- placing

    def _place(self, rows: Iterable[FindingRow]) -> dict[str, int]:
        """Returns the alerts that the findings were placed in, with their first anchor; new ones are opened."""
        by_key: dict[str, list[FindingRow]] = defaultdict(list)
        for row in rows:
            by_key[episode_key_of(decode_finding(row.body))].append(row)
        episodes = self._episodes(by_key)
        placed: dict[str, int] = {}
        members: list[dict[str, object]] = []
        for key, of_key in by_key.items():
            places = place_anchors(key, map(_anchor_of, of_key), episodes[key], self._policy.episode_ms)
            known = {episode.alert_id for episode in episodes[key]}
            for row in of_key:
                alert_id = places[row.finding_id]
                if alert_id not in known and alert_id not in placed:
                    self._open(alert_id, key, row)
                placed.setdefault(alert_id, row.occurred_at_ms)
                members.append({"alert_id": alert_id, "finding_id": row.finding_id})
        self._session.flush()  # members name their alerts
        if members:
            new = {"standing": False, "to_store": False, "placed_at_ms": self._now_ms}
            self._session.execute(insert(AlertFindingRow), [{**member, **new} for member in members])
        return placed

    def _episodes(self, by_key: dict[str, list[FindingRow]]) -> dict[str, list[Episode]]:
        """Returns the time that each alert of the keys covers, closed ones and those long past left out."""
        first_ms = min((row.occurred_at_ms for rows in by_key.values() for row in rows), default=0)
        query = (
            select(
                AlertRow.episode_key, AlertRow.alert_id, func.min(FindingRow.occurred_at_ms), AlertRow.last_anchor_ms
            )
            .join(AlertFindingRow, AlertFindingRow.alert_id == AlertRow.alert_id)
            .join(FindingRow, FindingRow.finding_id == AlertFindingRow.finding_id)
            .where(AlertRow.state != "closed", AlertRow.last_anchor_ms >= first_ms - self._policy.episode_ms)
            .group_by(AlertRow.episode_key, AlertRow.alert_id, AlertRow.last_anchor_ms)
        )
        found: dict[str, list[Episode]] = defaultdict(list)
        for some in chunks(by_key):
            for key, alert_id, first, last in self._session.execute(query.where(AlertRow.episode_key.in_(some))):
                found[key].append(Episode(alert_id=alert_id, first_ms=first, last_ms=last))
        return found

    def _open(self, alert_id: str, episode_key: str, founder: FindingRow) -> None:
        self._session.add(
            AlertRow(
                alert_id=alert_id,
                episode_key=episode_key,
                institution_id=founder.institution_id,
                till_id="",
                detector=founder.detector,
                severity=founder.severity,
                route="centre",
                state="open",
                settlement_id=founder.settlement_id,
                opened_at_ms=self._now_ms,
                changed_at_ms=self._now_ms,
                last_anchor_ms=founder.occurred_at_ms,
            )
        )

    def _mark(self, pending: dict[str, FindingRow]) -> None:
        self._session.flush()
        for some in chunks(pending):
            self._session.execute(
                update(FindingRow)
                .where(FindingRow.finding_id.in_(some))
                .values(alerted_revision=FindingRow.revision)
                .execution_options(synchronize_session=False)
            )


def _anchor_of(row: FindingRow) -> Anchor:
    return Anchor(finding_id=row.finding_id, revision=row.revision, occurred_at_ms=row.occurred_at_ms)


def _rank_of(severity: str) -> int:
    return severity_rank(msgspec.convert(severity, type=Severity))
