"""One alert with everything behind it, and what the centre does about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal

import msgspec
import structlog
from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from alerts.suppression import entities_of
from events.errors import TransientError
from events.findings import Finding
from events.metrics import ALERT_ACTIONS
from storage.alerts.centre_desk import StandingSnooze
from storage.alerts.search import AlertFilter
from storage.evidence.owed_clips import OwedClips
from storage.faces.visitors import VisitorRecord
from storage.queries.alerts import AlertDossier, AlertQueries
from storage.queries.cameras import CameraQueries
from storage.queries.summaries import AlertSummary
from web.access import LoggedIn, Person, Refused, Services
from web.alert_clip import clip_of, stills_in, to_try
from web.dashboard import AtCentre, InQueries, OnDesk
from web.dossier import (
    PictureGone,
    Sight,
    cause_of,
    facts_of,
    main_fact,
    note_of,
    observation_by_still,
    picture_of,
    sight_of,
    subject_of,
    values_of,
)
from web.originals import shown_originals
from web.pages import InPages
from web.ports import LiveChange, WebServices
from web.revisions import steps_of
from web.texts import language_of
from web.visitor_corrections import tied
from web.wording import day_start_ms

_log = structlog.get_logger()
router = APIRouter()
DAY_MS = 86_400_000
HISTORY_DAYS = 30
HISTORY_ROWS = 6
MOST_COUNTED = 5_000
LATE_MS = 15 * 60_000
MAX_NOTE_CHARACTERS = 500
SNOOZES_MS: Mapping[str, int] = {
    "hour": 3_600_000,
    "shift": 8 * 3_600_000,
    "day": DAY_MS,
    "week": 7 * DAY_MS,
    "month": 30 * DAY_MS,
    "half_year": 180 * DAY_MS,
}
"""What a snooze may last: never longer than half a year, so that none is for ever."""

CloseReason = Literal["confirmed_risk", "authorised", "device_fault", "false_alarm", "other"]
SnoozeTime = Literal["hour", "shift", "day", "week", "month", "half_year"]
Note = Annotated[str, Form(max_length=MAX_NOTE_CHARACTERS)]
WorksAlerts = Annotated[LoggedIn, Depends(Person("work_alerts"))]
SnoozesRules = Annotated[LoggedIn, Depends(Person("snooze_rules"))]


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """The alerts of a person or a store in the last 30 days: how many each day, the oldest day first, and the newest.

    `more` is whether more were there than are counted.
    """

    days: tuple[int, ...]
    newest: tuple[AlertSummary, ...]
    more: bool

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.days)


@router.get("/alerts/{alert_id}")
def alert(
    request: Request,
    alert_id: str,
    who: AtCentre,
    services: Services,
    queries: InQueries,
    pages: InPages,
    desk: OnDesk,
) -> Response:
    """Everything behind one alert."""
    dossier = queries.dossier(alert_id)
    if dossier is None:
        raise Refused("no_such_alert", "there is no such alert", 404)
    dossier, gone = _with_pictures_there(dossier, services)
    shown, sight, now_ms = dossier.alert, sight_of(dossier, services.calibrations), services.now_ms()
    entities = snoozable(dossier)
    language = language_of(request)
    visitor_ids, record = visitors_of(dossier), VisitorRecord(services.database)
    shown_swipes = [line.swipe for line in sight.swipes]
    revisions = queries.revisions(alert_id)
    camera_ids = services.cameras.ids_by_till().get((shown.institution_id, shown.till_id), ())
    cameras = CameraQueries(services.database).states()
    clips = services.clips.for_settlement(shown.settlement_id)
    originals = services.originals.for_settlement(shown.settlement_id)
    are_asked = not who.may("see_faces") or _ask_for_clips(
        [one.original_id for one in to_try(clips, originals)], services
    )
    clip = clip_of(
        shown,
        next((line.swipe.occurred_at_ms for line in sight.swipes if line.is_anchor), shown.body.time_ms),
        clips,
        originals,
        camera_ids,
        cameras,
        sight.observations,
        now_ms,
        are_asked=are_asked,
    )
    return pages.page(
        request,
        "alert.html",
        who=who,
        alert=shown,
        dossier=dossier,
        sight=sight,
        picture=picture_of(shown, camera_ids, cameras, gone),
        originals=shown_originals(originals, sight.observations),
        clip=clip,
        stills_in=stills_in,
        time_zone=pages.time_zone_of(shown.institution_id),
        observed=observation_by_still(dossier.stills, sight),
        values_of=values_of,
        subject_of=subject_of,
        note_of=note_of,
        cause_of=cause_of,
        facts_of=facts_of,
        main_fact=main_fact,
        steps={finding_id: steps_of(some, language) for finding_id, some in revisions.items()},
        late_ms=LATE_MS,
        person_pasts={
            person_id: past_of(AlertFilter(person_id=person_id), alert_id, services, queries)
            for person_id in persons_of(dossier, sight)
        },
        store_past=past_of(AlertFilter(institution_ids=(shown.institution_id,)), alert_id, services, queries),
        history_days=HISTORY_DAYS,
        visitor_ids=visitor_ids,
        tied_to={one: tied(record.sightings(one), shown_swipes) for one in visitor_ids},
        corrections={one: record.acts(one) for one in visitor_ids},
        entities=entities,
        snooze_times=tuple(SNOOZES_MS),
        snoozes=[one for one in desk.snoozes(now_ms) if (one.detector, one.entity) in entities],
        cases=desk.cases_of(alert_id),
        is_reviewed=bool(desk.reviewed_by(who.account.username, [alert_id])),
        last_entry_id=dossier.history[-1].entry_id if dossier.history else 0,
    )


@router.post("/alerts/{alert_id}/close")
def close(
    alert_id: str,
    who: WorksAlerts,
    services: Services,
    queries: InQueries,
    reason: Annotated[CloseReason, Form()],
    note: Note = "",
) -> Response:
    """The alert is closed, for a reason; `other` needs a note."""
    found = queries.alerts([alert_id])
    if not found:
        raise Refused("no_such_alert", "there is no such alert", 404)
    if reason == "other" and not note.strip():
        raise Refused("note", "another reason needs a note", 422)
    written = f"{reason}: {note.strip()}" if note.strip() else reason
    services.actions.close(alert_id, who.account.username, written, services.now_ms())
    return _done(services, alert_id, found[0].institution_id, "close")


@router.post("/alerts/{alert_id}/snooze")
def snooze(
    alert_id: str,
    who: SnoozesRules,
    services: Services,
    queries: InQueries,
    desk: OnDesk,
    about: Annotated[str, Form()],
    reason: Note,
    lasting: Annotated[SnoozeTime, Form()],
) -> Response:
    """A rule of this alert is silent for one of its entities until then; `about` is the rule, a blank, the entity."""
    dossier = queries.dossier(alert_id)
    if dossier is None:
        raise Refused("no_such_alert", "there is no such alert", 404)
    detector, _, entity = about.partition(" ")
    if (detector, entity) not in snoozable(dossier) or not reason.strip():
        raise Refused("snooze", "a snooze needs a rule and an entity of this alert, and a reason", 422)
    now_ms = services.now_ms()
    wanted = StandingSnooze(
        snooze_id=0,
        detector=detector,
        entity=entity,
        reason=reason.strip(),
        by=who.account.username,
        until_ms=now_ms + SNOOZES_MS[lasting],
    )
    return _done(services, alert_id, desk.snooze(alert_id, wanted, now_ms), "snooze")


@router.post("/snoozes/{snooze_id}/end")
def end_snooze(
    snooze_id: int,
    who: SnoozesRules,
    services: Services,
    desk: OnDesk,
    to: Annotated[Literal["/rules", ""], Form()] = "",
    alert_id: Annotated[str, Form(pattern="^[0-9A-Za-z_-]*$")] = "",
) -> Response:
    """The rule speaks of the entity again from now on."""
    ended = desk.end_snooze(snooze_id, who.account.username, services.now_ms())
    if ended is None:
        raise Refused("no_such_snooze", "no such snooze stands", 404)
    services.measurements.count(ALERT_ACTIONS, action="snooze_ended")
    services.feed.publish([ended])
    return RedirectResponse(to or f"/alerts/{alert_id}", 303)


@router.post("/alerts/{alert_id}/hand-over")
def hand_over(alert_id: str, who: WorksAlerts, services: Services, desk: OnDesk, note: Note) -> Response:
    """The alert is a case that waits for an auditor, with a note of what to look at."""
    if not note.strip():
        raise Refused("note", "an auditor needs a note", 422)
    institution_id = desk.hand_over(alert_id, who.account.username, note.strip(), services.now_ms())
    return _done(services, alert_id, institution_id, "hand_over")


def snoozable(dossier: AlertDossier) -> list[tuple[str, str]]:
    """Returns what can be silenced: each rule of the alert with each entity of its findings, narrow ones first."""
    pairs = {(finding.detector, entity) for finding in _findings(dossier) for entity in entities_of(finding)}
    return sorted(pairs, key=lambda pair: (pair[1].startswith("institution_id="), pair))


def persons_of(dossier: AlertDossier, sight: Sight) -> list[str]:
    """Returns the people whose card the alert is about: those it names, else the one of its swipe."""
    named: list[str] = []
    for finding in _findings(dossier):
        for field in ("person_id", "persons"):
            value = finding.key.get(field, ())
            named += [value] if isinstance(value, str) else value
    anchors = [line.swipe.person_id for line in sight.swipes if line.is_anchor]
    return list(dict.fromkeys(named or anchors))[:2]


def visitors_of(dossier: AlertDossier) -> list[str]:
    """Returns the visitors that the alert is about, each of whom has a page."""
    named = (finding.key.get("visitor_id") for finding in _findings(dossier))
    return list(dict.fromkeys(one for one in named if isinstance(one, str)))


def past_of(wanted: AlertFilter, but_for: str, services: WebServices, queries: AlertQueries) -> Past:
    """Returns the alerts of the last 30 days that are wanted, but for one."""
    today_ms = day_start_ms(services.now_ms(), services.time_zone)
    first_ms = today_ms - (HISTORY_DAYS - 1) * DAY_MS
    recent = msgspec.structs.replace(wanted, from_ms=first_ms)
    days = [0] * HISTORY_DAYS
    times = queries.opened_times(recent, MOST_COUNTED)
    for opened_at_ms in times:
        days[min(HISTORY_DAYS - 1, (opened_at_ms - first_ms) // DAY_MS)] += 1
    newest = [one for one in queries.search(recent, HISTORY_ROWS + 1) if one.alert_id != but_for]
    return Past(days=tuple(days), newest=tuple(newest[:HISTORY_ROWS]), more=len(times) == MOST_COUNTED)


def _with_pictures_there(dossier: AlertDossier, services: WebServices) -> tuple[AlertDossier, PictureGone | None]:
    """Returns the dossier with those pictures alone whose files are there, and what became of its main one if not."""
    there = tuple(one for one in dossier.stills if services.stills.is_there(one.still_id))
    main_id = dossier.alert.still_id
    gone: PictureGone | None = None
    if main_id is None:
        gone = None if dossier.stills_removed_at_ms is None else "removed"
    elif main_id not in {one.still_id for one in there}:
        gone = "missing"
    return msgspec.structs.replace(dossier, stills=there), gone


def _ask_for_clips(original_ids: Sequence[str], services: WebServices) -> bool:
    """Whoever opens the page waits for its clips: they come before those that nobody looks at.

    Returns whether that could be written down; the page shows all else without, and asks again when it looks again.
    """
    if not original_ids:
        return True
    try:
        OwedClips(services.database).ask(original_ids, services.now_ms())
    except TransientError as error:
        _log.warning("clips.not_asked_for", reason=str(error))
        return False
    return True


def _findings(dossier: AlertDossier) -> Iterable[Finding]:
    return (one.finding for one in dossier.findings)


def _done(services: WebServices, alert_id: str, institution_id: str, action: str) -> Response:
    services.measurements.count(ALERT_ACTIONS, action=action)
    services.feed.publish([LiveChange(alert_id=alert_id, institution_id=institution_id)])
    return RedirectResponse(f"/alerts/{alert_id}", 303)
