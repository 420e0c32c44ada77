"""One alert brought up to date with its findings: its row, its members, its history and the store's notices."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from alerts.changes import Membership, NoticeKind, Outlook, Told, outlook_of
from alerts.lifecycle import advance
from alerts.policy import Policy
from alerts.reminders import Card, card_of, withdrawal_card
from alerts.suppression import Snooze, is_snoozed
from events.findings import Finding, severity_rank
from storage.alert_desk import AlertChange, change_of, state_of
from storage.alert_terms import keep_terms
from storage.findings import decode_finding
from storage.models import AcceptedEvent, AlertFindingRow, AlertHistoryRow, AlertRow, FindingRow, NoticeRow

ACTOR = "swipewatch"
_NOTE_CHARACTERS = 500


class _SwipeTill(msgspec.Struct, frozen=True):
    """The one field of a logged swipe that an alert needs."""

    till_id: str


class AlertUpkeep:
    """Works on the alerts whose findings `changed`, within one transaction of the caller's."""

    def __init__(
        self, session: Session, policy: Policy, now_ms: int, changed: frozenset[str], snoozes: Sequence[Snooze]
    ) -> None:
        self._session = session
        self._policy = policy
        self._now_ms = now_ms
        self._changed = changed
        self._snoozes = snoozes

    def bring_up_to_date(self, alert_id: str) -> AlertChange:
        """Returns the alert's change, with the notice that its store is to be shown, if any.

        A closed alert stays as it was closed; only its history tells what became of its findings.
        """
        alert = self._session.get_one(AlertRow, alert_id)
        members, note = self._members(alert_id)
        keep_terms(self._session, alert, [member.finding for member in members if member.changed])
        if alert.state == "closed":
            self._remember(alert_id, members, frozenset())
            self._write_history(alert, "change", alert.state, note)
            return change_of(alert)
        last = self._last_notice(alert_id)
        told = None if last is None else Told(kind=msgspec.convert(last.kind, NoticeKind), card=last.body)
        outlook = outlook_of(state_of(alert), told, members, alert.institution_id, self._policy)
        self._update(alert, outlook, members)
        self._advance(alert, outlook, note)
        self._remember(alert_id, members, outlook.to_store)
        return change_of(alert, self._write_notices(alert, outlook, last))

    # -------------------------------------------------------------------------------------------- members

    def _members(self, alert_id: str) -> tuple[list[Membership], str]:
        """Returns the alert's findings, and why it changed."""
        query = (
            select(
                FindingRow.body,
                FindingRow.decided_at_ms,
                FindingRow.cause,
                AlertFindingRow.standing,
                AlertFindingRow.to_store,
            )
            .join(FindingRow, FindingRow.finding_id == AlertFindingRow.finding_id)
            .where(AlertFindingRow.alert_id == alert_id)
            .order_by(FindingRow.occurred_at_ms, FindingRow.finding_id)
        )
        members, notes = [], []
        for body, decided_at_ms, cause, standing, to_store in self._session.execute(query):
            member = self._membership(decode_finding(body), decided_at_ms, standing, to_store)
            members.append(member)
            if member.changed:
                notes.append(f"{member.finding.detector} {_became(member)}{f': {cause}' if cause else ''}")
        return members, "; ".join(dict.fromkeys(notes))[:_NOTE_CHARACTERS]

    def _membership(self, finding: Finding, decided_at_ms: int, standing: bool, to_store: bool) -> Membership:  # noqa: FBT001 - the row's columns
        changed = finding.finding_id in self._changed
        return Membership(
            finding=finding,
            decided_at_ms=decided_at_ms,
            changed=changed,
            was_standing=standing,
            was_to_store=to_store,
            snoozed=changed and is_snoozed(finding, self._snoozes, decided_at_ms),
        )

    def _remember(self, alert_id: str, members: Sequence[Membership], to_store: frozenset[str]) -> None:
        """Afterwards the next look knows what stood, and what the store was told, at this one."""
        for member in members:
            finding_id, standing = member.finding.finding_id, member.standing
            if (member.was_standing, member.was_to_store) == (standing, finding_id in to_store):
                continue
            self._session.execute(
                update(AlertFindingRow)
                .where(AlertFindingRow.alert_id == alert_id, AlertFindingRow.finding_id == finding_id)
                .values(standing=standing, to_store=finding_id in to_store)
                .execution_options(synchronize_session=False)
            )

    # -------------------------------------------------------------------------------------------- the row

    def _update(self, alert: AlertRow, outlook: Outlook, members: Sequence[Membership]) -> None:
        alert.changed_at_ms = self._now_ms
        alert.last_anchor_ms = max(member.finding.occurred_at_ms for member in members)
        alert.route = outlook.route
        if outlook.severity is None:
            return
        latest = outlook.shown_to_centre[0]
        worst = max(outlook.shown_to_centre, key=lambda finding: severity_rank(finding.severity))
        alert.severity, alert.detector = outlook.severity, worst.detector
        alert.settlement_id = latest.settlement_id
        alert.till_id = self._till_of(latest)
        alert.body = card_of(outlook.shown_to_centre, self._policy)

    def _advance(self, alert: AlertRow, outlook: Outlook, note: str) -> None:
        before = alert.state
        if outlook.action is not None:
            alert.state = advance(state_of(alert), outlook.action)
        action = outlook.action or ("change" if self._has_history(alert.alert_id) else "open")
        self._write_history(alert, action, before, note)
        self._set_deadline(alert, outlook)

    def _set_deadline(self, alert: AlertRow, outlook: Outlook) -> None:
        """Starts the store's time with what asks for attention; ends it with what no longer does."""
        if outlook.notice is None:
            return
        if outlook.notice.kind == "withdrawn" or alert.state == "escalated":
            alert.escalate_at_ms = None
        elif outlook.notice.kind == "reminder" or outlook.action == "renew":
            rules = (self._policy.rule(finding) for finding in outlook.shown_to_store)
            times = [rule.escalate_after_ms for rule in rules if rule and rule.escalate_after_ms is not None]
            alert.escalate_at_ms = self._now_ms + min(times) if times else None

    def _has_history(self, alert_id: str) -> bool:
        query = select(AlertHistoryRow.entry_id).where(AlertHistoryRow.alert_id == alert_id).limit(1)
        return self._session.scalar(query) is not None

    def _write_history(self, alert: AlertRow, action: str, before: str, note: str) -> None:
        self._session.add(
            AlertHistoryRow(
                alert_id=alert.alert_id,
                at_ms=self._now_ms,
                actor=ACTOR,
                action=action,
                from_state=before,
                to_state=alert.state,
                note=note,
            )
        )

    # -------------------------------------------------------------------------------------------- notices

    def _last_notice(self, alert_id: str) -> NoticeRow | None:
        query = select(NoticeRow).where(NoticeRow.alert_id == alert_id).order_by(NoticeRow.notice_id.desc()).limit(1)
        return self._session.scalar(query)

    def _write_notices(self, alert: AlertRow, outlook: Outlook, last: NoticeRow | None) -> int | None:
        """Returns the newest notice's id. A card that moves to another till is taken back where it was shown."""
        if outlook.notice is None:
            return None
        on_screen = None if last is None or last.kind == "withdrawn" else last
        if outlook.notice.kind == "withdrawn":
            return self._write_notice(alert, "withdrawn", on_screen.till_id if on_screen else "", outlook.notice.card)
        till_id = self._till_of(outlook.shown_to_store[0])
        if on_screen is not None and on_screen.till_id != till_id:
            gone = withdrawal_card(on_screen.body, alert.institution_id, self._policy)
            self._write_notice(alert, "withdrawn", on_screen.till_id, gone)
        return self._write_notice(alert, outlook.notice.kind, till_id, outlook.notice.card)

    def _write_notice(self, alert: AlertRow, kind: NoticeKind, till_id: str, card: Card) -> int:
        notice = NoticeRow(
            alert_id=alert.alert_id,
            institution_id=alert.institution_id,
            till_id=till_id,
            kind=kind,
            created_at_ms=self._now_ms,
            body={**card, "state": alert.state},
        )
        self._session.add(notice)
        self._session.flush()
        return notice.notice_id

    def _till_of(self, finding: Finding) -> str:
        """Returns the till of a finding: its key's, else its swipe's; empty where the log has no such swipe."""
        till_id = finding.key.get("till_id")
        if isinstance(till_id, str):
            return till_id
        query = select(AcceptedEvent.original).where(
            AcceptedEvent.settlement_id == finding.settlement_id, AcceptedEvent.type == "swipe"
        )
        original = self._session.scalar(query)
        return "" if original is None else msgspec.json.decode(original, type=_SwipeTill).till_id


def _became(member: Membership) -> str:
    if member.standing:
        return "changed" if member.was_standing else "raised"
    return "withdrawn"
