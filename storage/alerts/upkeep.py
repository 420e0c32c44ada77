"""Alerts brought up to date with their findings: rows, members, history and the stores' notices.

However many alerts are looked at together, what they need is read, and what follows is written, in a few statements.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import msgspec
from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from alerts.changes import Membership, NoticeKind, Outlook, Told, outlook_of
from alerts.lifecycle import advance
from alerts.policy import Policy
from alerts.reminders import Card, card_of, withdrawal_card
from alerts.suppression import Snooze, is_snoozed
from events.findings import Finding, severity_rank
from storage.alerts.desk import AlertChange, change_of, state_of
from storage.alerts.terms import SwipeWords, cited_by, keep_terms, swipe_words
from storage.findings import decode_finding
from storage.log import chunks
from storage.models import AlertFindingRow, AlertHistoryRow, AlertRow, FindingRow, NoticeRow

ACTOR = "swipewatch"
_NOTE_CHARACTERS = 500
_KEPT_UP = (
    *("changed_at_ms", "last_anchor_ms", "route", "severity", "detector", "settlement_id", "till_id", "body"),
    *("state", "escalate_at_ms"),
)
_REMEMBER = (
    update(AlertFindingRow.__table__)  # type: ignore[arg-type] # the table of a mapped class, which says any selectable
    .where(AlertFindingRow.alert_id == bindparam("of_alert"), AlertFindingRow.finding_id == bindparam("of_finding"))
    .values(standing=bindparam("is_standing"), to_store=bindparam("is_to_store"))
)


class _Case(msgspec.Struct, kw_only=True):
    """An alert that is looked at: what stood of it, and what it comes to (None where it is closed and stays so)."""

    alert: AlertRow
    members: Sequence[Membership]
    note: str
    last: NoticeRow | None
    is_new: bool
    outlook: Outlook | None

    def changed(self) -> list[Finding]:
        """Returns its findings that changed since it was last looked at."""
        return [member.finding for member in self.members if member.changed]

    def to_store(self) -> frozenset[str]:
        """Returns the standing findings that the store may be told of."""
        return frozenset() if self.outlook is None else self.outlook.to_store


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
        self._swipes: Mapping[str, SwipeWords] = {}
        self._history: list[dict[str, object]] = []
        self._notices: list[dict[str, object]] = []

    def bring_up_to_date(self, alert_ids: Sequence[str]) -> list[AlertChange]:
        """Returns the alerts' changes in the order given, each with the notice that its store is to be shown, if any.

        A closed alert stays as it was closed; only its history tells what became of its findings.
        """
        cases = self._cases(alert_ids)
        changed = [(case.alert, case.changed()) for case in cases]
        self._swipes = swipe_words(self._session, _settlements_of(cases))
        keep_terms(self._session, changed, self._swipes)
        for case in cases:
            self._bring_up_to_date(case)
        self._remember(cases)
        newest = self._insert_written()
        return [change_of(case.alert, newest.get(case.alert.alert_id)) for case in cases]

    def _bring_up_to_date(self, case: _Case) -> None:
        if case.outlook is None:
            self._write_history(case.alert, "change", case.alert.state, case.note)
            return
        self._update(case.alert, case.outlook, case.members)
        self._advance(case, case.outlook)
        self._write_notices(case.alert, case.outlook, case.last)

    def _insert_written(self) -> dict[str, int]:
        """Returns, by alert, the newest of the notices that are on record now."""
        if self._history:
            self._session.execute(insert(AlertHistoryRow), self._history)
        if not self._notices:
            return {}
        self._session.execute(insert(NoticeRow), self._notices)
        newest: dict[str, int] = {}
        for some in chunks(dict.fromkeys(str(notice["alert_id"]) for notice in self._notices)):
            query = select(NoticeRow.alert_id, func.max(NoticeRow.notice_id)).where(NoticeRow.alert_id.in_(some))
            rows = self._session.execute(query.group_by(NoticeRow.alert_id))
            newest.update((alert_id, notice_id) for alert_id, notice_id in rows)
        return newest

    # -------------------------------------------------------------------------------------------- what stood

    def _cases(self, alert_ids: Sequence[str]) -> list[_Case]:
        rows: dict[str, AlertRow] = {}
        for some in chunks(alert_ids):
            found = self._session.scalars(select(AlertRow).where(AlertRow.alert_id.in_(some)))
            rows.update((row.alert_id, row) for row in found)
        members, notes = self._members(alert_ids)
        lasts, old = self._last_notices(alert_ids), self._with_history(alert_ids)
        return [
            _Case(
                alert=rows[alert_id],
                members=members[alert_id],
                note="; ".join(dict.fromkeys(notes[alert_id]))[:_NOTE_CHARACTERS],
                last=lasts.get(alert_id),
                is_new=alert_id not in old,
                outlook=self._outlook(rows[alert_id], members[alert_id], lasts.get(alert_id)),
            )
            for alert_id in alert_ids
        ]

    def _outlook(self, alert: AlertRow, members: Sequence[Membership], last: NoticeRow | None) -> Outlook | None:
        if alert.state == "closed":
            return None
        told = None if last is None else Told(kind=msgspec.convert(last.kind, NoticeKind), card=last.body)
        return outlook_of(state_of(alert), told, members, alert.institution_id, self._policy)

    def _members(self, alert_ids: Collection[str]) -> tuple[Mapping[str, list[Membership]], Mapping[str, list[str]]]:
        """Returns each alert's findings, and why it changed."""
        query = (
            select(
                AlertFindingRow.alert_id,
                FindingRow.body,
                FindingRow.decided_at_ms,
                FindingRow.cause,
                AlertFindingRow.standing,
                AlertFindingRow.to_store,
            )
            .join(FindingRow, FindingRow.finding_id == AlertFindingRow.finding_id)
            .order_by(FindingRow.occurred_at_ms, FindingRow.finding_id)
        )
        members: dict[str, list[Membership]] = defaultdict(list)
        notes: dict[str, list[str]] = defaultdict(list)
        for some in chunks(alert_ids):
            of_some = self._session.execute(query.where(AlertFindingRow.alert_id.in_(some)))
            for alert_id, body, decided_at_ms, cause, standing, to_store in of_some:
                member = self._membership(decode_finding(body), decided_at_ms, standing, to_store)
                members[alert_id].append(member)
                if member.changed:
                    why = f": {cause}" if cause else ""
                    notes[alert_id].append(f"{member.finding.detector} {_became(member)}{why}")
        return members, notes

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

    def _last_notices(self, alert_ids: Collection[str]) -> dict[str, NoticeRow]:
        found: dict[str, NoticeRow] = {}
        for some in chunks(alert_ids):
            newest = (
                select(func.max(NoticeRow.notice_id)).where(NoticeRow.alert_id.in_(some)).group_by(NoticeRow.alert_id)
            )
            rows = self._session.scalars(select(NoticeRow).where(NoticeRow.notice_id.in_(newest.scalar_subquery())))
            found.update((row.alert_id, row) for row in rows)
        return found

    def _with_history(self, alert_ids: Collection[str]) -> set[str]:
        old: set[str] = set()
        for some in chunks(alert_ids):
            query = select(AlertHistoryRow.alert_id).where(AlertHistoryRow.alert_id.in_(some)).distinct()
            old.update(self._session.scalars(query))
        return old

    def _remember(self, cases: Sequence[_Case]) -> None:
        """Afterwards the next look knows what stood, and what the stores were told, at this one."""
        rows: list[dict[str, object]] = []
        for case in cases:
            to_store = case.to_store()
            for member in case.members:
                finding_id, standing = member.finding.finding_id, member.standing
                if (member.was_standing, member.was_to_store) != (standing, finding_id in to_store):
                    now = {"is_standing": standing, "is_to_store": finding_id in to_store}
                    rows.append({"of_alert": case.alert.alert_id, "of_finding": finding_id, **now})
        if rows:
            self._session.connection().execute(_REMEMBER, rows)

    # -------------------------------------------------------------------------------------------- the row

    def _update(self, alert: AlertRow, outlook: Outlook, members: Sequence[Membership]) -> None:
        for column in _KEPT_UP:  # changed or not: rows of which the same columns are written go in one statement
            flag_modified(alert, column)
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
        alert.body = self._card_of(outlook)

    def _card_of(self, outlook: Outlook) -> Card:
        """Returns what the centre sees: the store's card where both are shown the same."""
        told = outlook.notice
        if told is not None and told.kind != "withdrawn" and outlook.shown_to_centre == outlook.shown_to_store:
            return told.card
        return card_of(outlook.shown_to_centre, self._policy)

    def _advance(self, case: _Case, outlook: Outlook) -> None:
        alert, before = case.alert, case.alert.state
        if outlook.action is not None:
            alert.state = advance(state_of(alert), outlook.action)
        action = outlook.action or ("open" if case.is_new else "change")
        self._write_history(alert, action, before, case.note)
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

    def _write_history(self, alert: AlertRow, action: str, before: str, note: str) -> None:
        self._history.append(
            {
                "alert_id": alert.alert_id,
                "at_ms": self._now_ms,
                "actor": ACTOR,
                "action": action,
                "from_state": before,
                "to_state": alert.state,
                "note": note,
            }
        )

    # -------------------------------------------------------------------------------------------- notices

    def _write_notices(self, alert: AlertRow, outlook: Outlook, last: NoticeRow | None) -> None:
        """A card that moves to another till is taken back where it was shown."""
        if outlook.notice is None:
            return
        on_screen = None if last is None or last.kind == "withdrawn" else last
        if outlook.notice.kind == "withdrawn":
            self._write_notice(alert, "withdrawn", on_screen.till_id if on_screen else "", outlook.notice.card)
            return
        till_id = self._till_of(outlook.shown_to_store[0])
        if on_screen is not None and on_screen.till_id != till_id:
            gone = withdrawal_card(on_screen.body, alert.institution_id, self._policy)
            self._write_notice(alert, "withdrawn", on_screen.till_id, gone)
        self._write_notice(alert, outlook.notice.kind, till_id, outlook.notice.card)

    def _write_notice(self, alert: AlertRow, kind: NoticeKind, till_id: str, card: Card) -> None:
        self._notices.append(
            {
                "alert_id": alert.alert_id,
                "institution_id": alert.institution_id,
                "till_id": till_id,
                "kind": kind,
                "created_at_ms": self._now_ms,
                "body": {**card, "state": alert.state},
            }
        )

    def _till_of(self, finding: Finding) -> str:
        """Returns the till of a finding: its key's, else its swipe's; empty where the log has no such swipe."""
        till_id = finding.key.get("till_id")
        if isinstance(till_id, str):
            return till_id
        swipe = self._swipes.get(finding.settlement_id)
        return "" if swipe is None else swipe.till_id


def _settlements_of(cases: Sequence[_Case]) -> set[str]:
    """Returns the settlements whose swipes are asked for: what changed cites, and what is shown first."""
    found = {one for case in cases for finding in case.changed() for one in cited_by(finding)}
    for case in cases:
        if case.outlook is not None:
            shown = (*case.outlook.shown_to_centre[:1], *case.outlook.shown_to_store[:1])
            found.update(finding.settlement_id for finding in shown)
    return found


def _became(member: Membership) -> str:
    if member.standing:
        return "changed" if member.was_standing else "raised"
    return "withdrawn"
