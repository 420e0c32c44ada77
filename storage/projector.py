"""The one writer of findings, alerts and notices. Each call is a transaction; a kill between calls costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.lifecycle import Action
from alerts.policy import Policy
from alerts.texts import Language
from events.findings import Finding
from storage.alerts.desk import Act, AlertChange, act_on, deliver_all, overdue, record_answer
from storage.alerts.projection import AlertProjection
from storage.alerts.upkeep import ACTOR
from storage.database import Database
from storage.errors import AskedAgain
from storage.findings import standing_findings, standing_json, write_changes
from storage.models import FindingRow
from storage.terminals.answers import mark_recorded, was_asked_again

__all__ = ["AlertChange", "Projector"]

FIRST_BATCH = 125
PENDING_BATCH = 1000


class Projector:
    """Keeps findings and what follows from them. Safe to use from several threads."""

    def __init__(self, database: Database, policy: Policy) -> None:
        self._database = database
        self._policy = policy

    def change_policy(self, policy: Policy) -> None:
        """Findings become alerts by this policy from now on; what was told stays told."""
        self._policy = policy

    def rule_titles(self) -> Mapping[str, Mapping[Language, str]]:
        """Returns how the rules call themselves, by detector and language; those that do not say it are left out."""
        return {name: {"zh": title.zh, "en": title.en} for name, title in self._policy.titles().items()}

    def write_findings(
        self,
        raised: Sequence[Finding],
        withdrawn: Sequence[Finding],
        cause: Mapping[str, str],
        now_ms: int,
        *,
        partition: int | None = None,
        within: Callable[[Session], None] = lambda _session: None,
    ) -> None:
        """Afterwards the findings stand as given, on the disk; an unchanged one is not touched.

        Several processes may do so at once, each for findings of its own.

        Args:
            raised: findings that stand, new or with another severity, measure or evidence.
            withdrawn: findings that no longer hold, with status `withdrawn`.
            cause: by finding id, why it changed; for the centre's eyes.
            now_ms: the moment of decision, UTC ms; with it is judged whether a till is still asked.
            partition: of a cluster, that judged them.
            within: is called in the transaction first.
        """
        with self._database.session(alone=False) as session:
            within(session)
            write_changes(session, raised, withdrawn, cause, now_ms, partition)

    def project_alerts(
        self, now_ms: int, tell: Callable[[Sequence[AlertChange]], None] = lambda _changes: None
    ) -> list[AlertChange]:
        """Returns the alerts that changed, each with its new notice if the store is told; done again it does nothing.

        One process does so at a time; another that asks meanwhile waits, and finds nothing left.

        Findings are taken in replay's order, a batch a transaction, and marked in the transaction that writes what
        follows from them: killed at any moment, a later call goes on exactly where this one stopped. Batches grow from
        `FIRST_BATCH` to `PENDING_BATCH`: the first stores hear while the others are written, a backlog is soon done.

        Args: `tell` is called with the changes of each transaction once it is on the disk.
        """
        changes: list[AlertChange] = []
        left, limit = self._has_pending(), min(FIRST_BATCH, PENDING_BATCH)
        while left:
            with self._database.session() as session:
                some, left = AlertProjection(session, self._policy, now_ms).run(limit)
            if some:
                tell(some)
            changes += some
            limit = min(2 * limit, PENDING_BATCH)
        return changes

    def standing(self) -> list[Finding]:
        """Returns all findings that are not withdrawn, in no order."""
        return standing_findings(self._database)

    def findings_json(self) -> Iterator[bytes]:
        """Yields the JSON bytes of the findings that stand at one moment, by (occurred_at_ms, detector, finding_id)."""
        return standing_json(self._database)

    def deliver(self, alert_id: str, actor: str, now_ms: int) -> AlertChange | None:
        """Returns the alert once a terminal has received its notice; None if that was known.

        Raises: UnknownAlert.
        """
        return self._act(alert_id, "deliver", actor, now_ms)

    def deliver_all(self, received: Sequence[tuple[str, str]], now_ms: int) -> list[AlertChange]:
        """Returns the alerts that no terminal had received before, as received now.

        Args: `received` are pairs of alert and actor. Of an alert in any other state, or unknown, nothing changes.
        """
        with self._database.session() as session:
            return deliver_all(session, received, now_ms)

    def see(self, alert_id: str, actor: str, now_ms: int) -> AlertChange | None:
        """Returns the alert once it was on a terminal's screen; None if that was known. Its deadline goes on.

        Raises: UnknownAlert.
        """
        return self._act(alert_id, "see", actor, now_ms)

    def acknowledge(
        self, alert_id: str, actor: str, now_ms: int, *, notice_id: int | None = None
    ) -> AlertChange | None:
        """Returns the alert once somebody at the store took note of it, which stops its deadline; None if known.

        None, too, where the store was asked anew since the notice `notice_id`: of that nobody has taken note.

        Raises: UnknownAlert.
        """
        with self._database.session() as session:
            if notice_id is not None and was_asked_again(session, alert_id, notice_id):
                return None
            return act_on(session, alert_id, Act(action="acknowledge", actor=actor, at_ms=now_ms))

    def answer(
        self,
        alert_id: str,
        actor: str,
        kind: str,
        text: str,
        now_ms: int,
        *,
        answer_id: str | None = None,
        notice_id: int | None = None,
    ) -> AlertChange | None:
        """Returns the alert with the store's answer; a later answer replaces it, the history keeps both.

        An answer that `TerminalAnswers` has taken is recorded once, by its `answer_id`; None if it was before. It is
        one to the notice `notice_id`, where that is given.

        Raises: UnknownAlert; IllegalTransition for an alert that is closed; AskedAgain for one that has asked anew
            since that notice.
        """
        with self._database.session() as session:
            if answer_id is not None and not mark_recorded(session, actor, answer_id, now_ms):
                return None
            if notice_id is not None and was_asked_again(session, alert_id, notice_id):
                raise AskedAgain(f"the store was asked anew after notice {notice_id}")
            return record_answer(session, alert_id, kind, Act(action="answer", actor=actor, at_ms=now_ms, note=text))

    def close(self, alert_id: str, actor: str, reason: str, now_ms: int) -> AlertChange | None:
        """Returns the alert as closed, for the reason given.

        Raises: UnknownAlert; IllegalTransition for one that is closed already.
        """
        return self._act(alert_id, "close", actor, now_ms, reason)

    def escalate_overdue(self, now_ms: int) -> list[AlertChange]:
        """Returns the alerts that nobody acknowledged in their rule's time; they are the centre's now."""
        if not self._look(lambda session: bool(overdue(session, now_ms))):
            return []
        with self._database.session() as session:
            act = Act(action="escalate", actor=ACTOR, at_ms=now_ms, note="no acknowledgement in time")
            changes = [act_on(session, alert_id, act) for alert_id in overdue(session, now_ms)]
        return [change for change in changes if change is not None]

    def _act(self, alert_id: str, action: Action, actor: str, now_ms: int, note: str = "") -> AlertChange | None:
        with self._database.session() as session:
            return act_on(session, alert_id, Act(action=action, actor=actor, at_ms=now_ms, note=note))

    def _has_pending(self) -> bool:
        query = select(FindingRow.finding_id).where(FindingRow.alerted_revision < FindingRow.revision).limit(1)
        return self._look(lambda session: session.scalar(query) is not None)

    def _look(self, question: Callable[[Session], bool]) -> bool:
        """Answers without the writers' lock, so that the pipeline's many idle calls hold nobody up."""
        with self._database.read() as session:
            return question(session)
