"""The monitoring centre's pages: the live wall, an alert with everything behind it, and what was set aside."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Form, Header, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from events.metrics import ALERT_ACTIONS, FACE_VIEWS
from storage.queries import AlertSummary, Queries
from storage.rule_halts import RuleHalts
from web.access import OPERATOR, VIEWER, LoggedIn, Refused, Services, still_has
from web.dossier import (
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
from web.live import dashboard_stream
from web.observations import observation_of
from web.overview import Wall
from web.pages import InPages, Pages
from web.pictures import blurred_still
from web.ports import Language, LiveChange
from web.sse import event_stream, resume_point
from web.texts import language_of

router = APIRouter()
CARDS_AT_ONCE = 48
CHANGES_AT_ONCE = 100
LETTERS_AT_ONCE = 50
MAX_NOTE_CHARACTERS = 500

CloseReason = Literal["confirmed_risk", "authorised", "device_fault", "false_alarm", "other"]
AtCentre = Annotated[LoggedIn, Depends(VIEWER)]
AsOperator = Annotated[LoggedIn, Depends(OPERATOR)]


def queries_of(request: Request) -> Queries:
    """Returns the read side of this application's database."""
    queries: Queries = request.app.state.queries
    return queries


def wall_of(request: Request) -> Wall:
    """Returns the overview of this application."""
    wall: Wall = request.app.state.wall
    return wall


InQueries = Annotated[Queries, Depends(queries_of)]
OnWall = Annotated[Wall, Depends(wall_of)]


@router.get("/")
def dashboard(request: Request, who: AtCentre, queries: InQueries, pages: InPages, wall: OnWall) -> Response:
    """The wall: the day's numbers, the alerts as they come, every institution and its cameras."""
    last_entry_id = queries.last_entry_id()
    alerts = queries.recent_alerts(CARDS_AT_ONCE)
    return pages.page(
        request,
        "dashboard.html",
        who=who,
        cards=Cards(pages, queries, language_of(request)).shown(alerts),
        more=len(alerts) == CARDS_AT_ONCE,
        overview=wall.overview(),
        last_entry_id=last_entry_id,
    )


@router.get("/alerts")
def older_alerts(
    request: Request, _who: AtCentre, queries: InQueries, pages: InPages, opened_at_ms: int, alert_id: str
) -> Response:
    """The cards after the last one shown, as a part of the wall."""
    alerts = queries.recent_alerts(CARDS_AT_ONCE, before=(opened_at_ms, alert_id))
    cards = Cards(pages, queries, language_of(request)).shown(alerts)
    body = {"cards": cards, "more": len(alerts) == CARDS_AT_ONCE}
    return Response(msgspec.json.encode(body), media_type="application/json")


@router.get("/stream")
async def stream(
    request: Request,
    _who: AtCentre,
    services: Services,
    queries: InQueries,
    pages: InPages,
    wall: OnWall,
    after: int | None = None,
    alert_id: str | None = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Sends each alert that changes (or this one alone), as its card, and the overview."""
    start = resume_point(last_event_id, after)
    if start is None:
        start = await run_in_threadpool(queries.last_entry_id)
    cards = Cards(pages, queries, language_of(request))

    async def still_allowed() -> bool:
        return await still_has(VIEWER, request)

    def changed(entry_id: int, heard: frozenset[str]) -> tuple[int, list[dict[str, object]], bool]:
        return cards.changed(entry_id, heard, alert_id)

    return event_stream(dashboard_stream(services, changed, wall.overview, start, still_allowed))


@router.get("/alerts/{alert_id}")
def alert(request: Request, alert_id: str, who: AtCentre, queries: InQueries, pages: InPages) -> Response:
    """Everything behind one alert."""
    dossier = queries.dossier(alert_id)
    if dossier is None:
        raise Refused("no_such_alert", "there is no such alert", 404)
    shown = dossier.alert
    sight = sight_of(dossier)
    return pages.page(
        request,
        "alert.html",
        who=who,
        alert=shown,
        dossier=dossier,
        sight=sight,
        picture=picture_of(shown, pages.cameras_at(shown.institution_id, shown.till_id), queries.camera_states()),
        observed=observation_by_still(dossier.stills, sight),
        values_of=values_of,
        subject_of=subject_of,
        note_of=note_of,
        cause_of=cause_of,
        facts_of=facts_of,
        main_fact=main_fact,
        last_entry_id=dossier.history[-1].entry_id if dossier.history else 0,
    )


@router.post("/alerts/{alert_id}/close")
def close(
    alert_id: str,
    who: AsOperator,
    services: Services,
    queries: InQueries,
    reason: Annotated[CloseReason, Form()],
    note: Annotated[str, Form(max_length=MAX_NOTE_CHARACTERS)] = "",
) -> Response:
    """The alert is closed, for a reason; `other` needs a note."""
    found = queries.alerts([alert_id])
    if not found:
        raise Refused("no_such_alert", "there is no such alert", 404)
    if reason == "other" and not note.strip():
        raise Refused("note", "another reason needs a note", 422)
    written = f"{reason}: {note.strip()}" if note.strip() else reason
    services.actions.close(alert_id, who.account.username, written, services.now_ms())
    services.measurements.count(ALERT_ACTIONS, action="close")
    services.feed.publish([LiveChange(alert_id=alert_id, institution_id=found[0].institution_id)])
    return RedirectResponse(f"/alerts/{alert_id}", 303)


@router.post("/rules/{rule}/resume")
def resume_rule(rule: str, who: AsOperator, services: Services, wall: OnWall) -> Response:
    """A rule that was halted makes alerts again; what was recorded meanwhile makes none."""
    RuleHalts(services.database).resume(rule, who.account.username, services.now_ms())
    wall.forget()
    return RedirectResponse("/", 303)


@router.get("/stills/{still_id}")
def still(still_id: str, who: AsOperator, services: Services, queries: InQueries, alert_id: str) -> Response:
    """A picture of an alert as it was kept. That this person saw it, and why, is on record before it is sent."""
    dossier = queries.dossier(alert_id)
    if dossier is None or still_id not in {one.still_id for one in dossier.stills}:
        raise Refused("no_such_still", "the alert has no such picture", 404)
    jpeg = services.stills.read(still_id)
    services.accounts.record_face_view(still_id, who.account.username, f"alert {alert_id}", services.now_ms())
    services.measurements.count(FACE_VIEWS)
    return Response(jpeg, media_type="image/jpeg")


@router.get("/stills/{still_id}/blurred")
def blurred(still_id: str, _who: AtCentre, services: Services, queries: InQueries) -> Response:
    """A small picture in which nobody can be recognised, for the wall."""
    found = queries.still(still_id)
    if found is None:
        raise Refused("no_such_still", "there is no such picture", 404)
    observation = observation_of(found[1].original) if found[1] else None
    jpeg = blurred_still(services.stills.read(still_id), observation)
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400, immutable"})


@router.get("/dead-letters")
def dead_letters(
    request: Request, who: AsOperator, queries: InQueries, pages: InPages, before: int | None = None
) -> Response:
    """What was set aside, the newest first."""
    letters = queries.dead_letters(LETTERS_AT_ONCE, before)
    return pages.page(
        request,
        "dead_letters.html",
        who=who,
        letters=letters,
        count=queries.dead_letter_count(),
        more=letters[-1].letter_id if len(letters) == LETTERS_AT_ONCE else None,
    )


class Cards:
    """Alerts as cards in one language."""

    def __init__(self, pages: Pages, queries: Queries, language: Language) -> None:
        self._pages, self._queries, self._language = pages, queries, language

    def changed(self, after: int, heard: frozenset[str], only: str | None) -> tuple[int, list[dict[str, object]], bool]:
        """Returns the last entry looked at, the alerts changed since `after` or heard of, and whether that was all."""
        changes = self._queries.changed_after(after, CHANGES_AT_ONCE)
        alert_ids = {alert_id for _, alert_id in changes} | heard
        if only is not None:
            alert_ids &= {only}
        cards = self.shown(self._queries.alerts(alert_ids)) if alert_ids else []
        return changes[-1][0] if changes else after, cards, len(changes) < CHANGES_AT_ONCE

    def shown(self, alerts: list[AlertSummary]) -> list[dict[str, object]]:
        """Returns each alert as its card's HTML, with what a script sorts and filters by."""
        cameras = self._queries.camera_states() if alerts else {}
        return [
            {
                "alert_id": one.alert_id,
                "opened_at_ms": one.opened_at_ms,
                "severity": one.severity,
                "state": one.state,
                "institution_id": one.institution_id,
                "html": self._pages.text(
                    self._language,
                    "_card.html",
                    alert=one,
                    main_fact=main_fact,
                    picture=picture_of(one, self._pages.cameras_at(one.institution_id, one.till_id), cameras),
                ),
            }
            for one in alerts
        ]
