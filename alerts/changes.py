"""What becomes of an alert when findings change: its next state, and whether the store is told anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from alerts.grouping import highest_severity, latest_by_detector
from alerts.lifecycle import Action, State
from alerts.policy import Policy
from alerts.reminders import Card, card_of, withdrawal_card
from alerts.routing import is_alertable, is_stale, joined_route
from detectors.catalogue import Route
from events.findings import Finding, Severity, severity_rank

NoticeKind = Literal["reminder", "update", "withdrawn"]


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """A finding of an alert: as it is, and as it was when the alert was last looked at.

    Fields:
        decided_at_ms: when its present form was decided.
        changed: whether it changed since the alert was last looked at.
        was_standing: whether it stood then; false for one that is new to the alert.
        was_to_store: whether the store might be told of it then.
        snoozed: whether its rule was silenced for it when it was decided.
    """

    finding: Finding
    decided_at_ms: int
    changed: bool
    was_standing: bool
    was_to_store: bool
    snoozed: bool

    @property
    def standing(self) -> bool:
        """Whether the finding counts in the alert now."""
        return is_alertable(self.finding)

    @property
    def was_shown(self) -> bool:
        """Whether the store could know of it."""
        return self.was_standing and self.was_to_store


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The last notice about an alert: what the store's screen shows."""

    kind: NoticeKind
    card: Card


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What an alert comes to.

    Fields:
        shown_to_centre: the standing findings, the latest of each detector, the latest first; empty when none stands.
        shown_to_store: the same of those that the store may be told of.
        to_store: ids of the standing findings that the store may be told of.
        severity: the highest of the standing findings; None when none stands.
        route: who the alert is for.
        action: the transition it takes, None for none.
        notice: what the store is told, None for nothing.
    """

    shown_to_centre: tuple[Finding, ...]
    shown_to_store: tuple[Finding, ...]
    to_store: frozenset[str]
    severity: Severity | None
    route: Route
    action: Action | None
    notice: Told | None


def outlook_of(
    state: State, told: Told | None, members: Sequence[Membership], institution_id: str, policy: Policy
) -> Outlook:
    """Returns what an alert that is not closed comes to, from all its findings and what the store knows.

    The store hears of an alert once (`reminder`), then only when what its screen shows would differ (`update`, the same
    alert anew), and when nothing is left of it (`withdrawn`). It is asked for attention again (`renew`) by another
    rule's fact, a higher severity, a new anchor after its answer, or facts that come back. Findings too old to be asked
    about, of the centre's rules, or silenced, tell it nothing.
    """
    standing = [member.finding for member in members if member.standing]
    visible = [member for member in members if is_for_store(member, policy)]
    to_store = frozenset(member.finding.finding_id for member in visible)
    shown = latest_by_detector([member.finding for member in visible])
    on_screen = None if told is None or told.kind == "withdrawn" else told
    return Outlook(
        shown_to_centre=tuple(latest_by_detector(standing)),
        shown_to_store=tuple(shown),
        to_store=to_store,
        severity=highest_severity(standing) if standing else None,
        route=_route_of(standing, to_store, policy),
        action=_action(state, on_screen, members, visible, policy),
        notice=_notice(on_screen, members, shown, institution_id, policy),
    )


def is_for_store(member: Membership, policy: Policy) -> bool:
    """Returns whether the store may be told of a finding: its rule's route says so, and it was so when it appeared.

    What appears (or appears again) too late or silenced stays the centre's; what the store was told stays told while it
    stands.
    """
    if not member.standing or policy.route(member.finding) == "centre":
        return False
    return member.was_shown or (member.changed and _speaks(member, policy))


def _speaks(member: Membership, policy: Policy) -> bool:
    return not member.snoozed and not is_stale(member.finding, member.decided_at_ms, policy.stale_ms)


def _action(
    state: State, on_screen: Told | None, members: Sequence[Membership], visible: Sequence[Membership], policy: Policy
) -> Action | None:
    if not any(member.standing for member in members):
        return None if state == "withdrawn" else "withdraw"
    if state == "withdrawn":
        return "renew"
    news = [member for member in visible if member.changed and _speaks(member, policy)]
    return "renew" if on_screen and any(_asks_again(state, on_screen, member) for member in news) else None


def _asks_again(state: State, on_screen: Told, member: Membership) -> bool:
    if state == "answered" and not member.was_standing:
        return True
    if member.finding.detector not in _detectors_on(on_screen.card):
        return True
    return severity_rank(member.finding.severity) > severity_rank(_severity_on(on_screen.card))


def _notice(
    on_screen: Told | None,
    members: Sequence[Membership],
    shown: Sequence[Finding],
    institution_id: str,
    policy: Policy,
) -> Told | None:
    if not shown:
        return (
            Told(kind="withdrawn", card=withdrawal_card(on_screen.card, institution_id, policy)) if on_screen else None
        )
    if not any(_is_news(member, policy) for member in members):
        return None
    card = card_of(shown, policy)
    if on_screen is None:
        return Told(kind="reminder", card=card)
    if all(on_screen.card.get(name) == value for name, value in card.items()):
        return None
    return Told(kind="update", card=card)


def _is_news(member: Membership, policy: Policy) -> bool:
    """Whether a change is one to tell the store: a fact taken back, or one that is fresh."""
    if not member.changed:
        return False
    if not is_for_store(member, policy):
        return member.was_shown
    return _speaks(member, policy)


def _route_of(standing: Sequence[Finding], to_store: frozenset[str], policy: Policy) -> Route:
    return joined_route(policy.route(finding) if finding.finding_id in to_store else "centre" for finding in standing)


def _detectors_on(card: Card) -> set[object]:
    facts = card.get("facts")
    return {fact["detector"] for fact in facts} if isinstance(facts, list) else set()


def _severity_on(card: Card) -> Severity:
    severity: Severity = msgspec.convert(card.get("severity", "low"), Severity)
    return severity
