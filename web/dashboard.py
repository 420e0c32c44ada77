"""The live wall, what each person has reviewed, the pictures, and what was set aside."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Header, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from events.metrics import FACE_VIEWS
from storage.alerts.centre_desk import CentreDesk
from storage.cameras.states import STATE_PICTURE
from storage.institution_places import InstitutionPlaces
from storage.queries.alerts import AlertQueries
from storage.queries.cameras import CameraQueries
from storage.queries.letters import LetterQueries
from web.access import LoggedIn, Person, Refused, Right, Services
from web.cards import Cards
from web.live import dashboard_stream
from web.observations import observation_of
from web.overview import Wall
from web.pages import InPages
from web.pictures import blurred_still, small_still
from web.ports import LiveChange
from web.sse import event_stream, resume_point
from web.texts import language_of
from web.town_map import town_map

router = APIRouter()
LETTERS_AT_ONCE = 50

SEES_ALERTS = Person("see_alerts")
AtCentre = Annotated[LoggedIn, Depends(SEES_ALERTS)]
SeesFaces = Annotated[LoggedIn, Depends(Person("see_faces"))]
SeesDeadLetters = Annotated[LoggedIn, Depends(Person("see_dead_letters"))]


def queries_of(request: Request) -> AlertQueries:
    """Returns what this application reads of alerts."""
    queries: AlertQueries = request.app.state.queries
    return queries


def wall_of(request: Request) -> Wall:
    """Returns the overview of this application."""
    wall: Wall = request.app.state.wall
    return wall


def desk_of(request: Request) -> CentreDesk:
    """Returns what the centre's people keep and do beside the alerts."""
    desk: CentreDesk = request.app.state.desk
    return desk


def places_of(request: Request) -> InstitutionPlaces:
    """Returns where this application's institutions lie."""
    places: InstitutionPlaces = request.app.state.places
    return places


def cards_of(request: Request, who: LoggedIn) -> Cards:
    """Returns the cards of the one who asks, in the language of the browser."""
    state = request.app.state
    return Cards(
        state.pages,
        state.queries,
        CameraQueries(state.services.database),
        state.desk,
        state.services.cameras,
        who.account.username,
        language_of(request),
    )


InQueries = Annotated[AlertQueries, Depends(queries_of)]
OnWall = Annotated[Wall, Depends(wall_of)]
OnDesk = Annotated[CentreDesk, Depends(desk_of)]


@router.get("/")
def dashboard(
    request: Request, who: AtCentre, services: Services, queries: InQueries, pages: InPages, wall: OnWall
) -> Response:
    """The wall: the day's numbers, the alerts that this person has not reviewed, every institution."""
    last_entry_id = queries.last_entry_id()
    cards = cards_of(request, who)
    now_ms = services.now_ms()
    return pages.page(
        request,
        "dashboard.html",
        who=who,
        cards=cards.strip(now_ms),
        unreviewed=cards.unreviewed(now_ms),
        overview=wall.overview(),
        town=town_map(
            places_of(request).now(now_ms),
            lambda place: pages.store_name(place.institution_id, language_of(request), place.name),
        ),
        last_entry_id=last_entry_id,
    )


@router.get("/unreviewed")
def unreviewed(request: Request, who: AtCentre, services: Services) -> Response:
    """The newest cards that this person has not reviewed, as a part of the wall."""
    cards, now_ms = cards_of(request, who), services.now_ms()
    body = {"cards": cards.strip(now_ms), "count": cards.unreviewed(now_ms)}
    return Response(msgspec.json.encode(body), media_type="application/json")


@router.post("/alerts/{alert_id}/review")
def review(alert_id: str, who: AtCentre, services: Services, desk: OnDesk) -> Response:
    """This person has reviewed the alert; everybody else's list stays as it is."""
    institution_id = desk.review(alert_id, who.account.username, services.now_ms())
    services.feed.publish([LiveChange(alert_id=alert_id, institution_id=institution_id)])
    return Response(status_code=204)


@router.post("/alerts/{alert_id}/unreview")
def unreview(alert_id: str, who: AtCentre, services: Services, desk: OnDesk) -> Response:
    """The alert is again among those that this person has not reviewed."""
    institution_id = desk.unreview(alert_id, who.account.username)
    services.feed.publish([LiveChange(alert_id=alert_id, institution_id=institution_id)])
    return Response(status_code=204)


@router.get("/stream")
async def stream(
    request: Request,
    who: AtCentre,
    services: Services,
    queries: InQueries,
    wall: OnWall,
    after: int | None = None,
    alert_id: str | None = None,
    visitor_id: str | None = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Sends each alert that changes (or this one alone, or those about this visitor), as its card, and the overview."""
    start = resume_point(last_event_id, after)
    if start is None:
        start = await run_in_threadpool(queries.last_entry_id)
    cards = cards_of(request, who)

    def among(alert_ids: set[str]) -> set[str]:
        if visitor_id is not None and alert_ids:
            return queries.of_visitor(alert_ids, visitor_id)
        return alert_ids if alert_id is None else alert_ids & {alert_id}

    def changed(entry_id: int, heard: frozenset[str]) -> tuple[int, list[dict[str, object]], bool]:
        return cards.changed(entry_id, heard, among)

    def unreviewed_now() -> int:
        return cards.unreviewed(services.now_ms())

    right = Right(SEES_ALERTS, request)
    return event_stream(dashboard_stream(services, changed, wall.overview, unreviewed_now, start, right))


@router.get("/stills/{still_id}")
def still(still_id: str, who: SeesFaces, services: Services, queries: InQueries, alert_id: str) -> Response:
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
    still, event = found
    observation = observation_of(event.original) if event else None
    kept = services.stills.read(still_id)
    jpeg = small_still(kept) if still.observation_id.startswith(STATE_PICTURE) else blurred_still(kept, observation)
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400, immutable"})


@router.get("/dead-letters")
def dead_letters(
    request: Request, who: SeesDeadLetters, services: Services, pages: InPages, before: int | None = None
) -> Response:
    """What was set aside, the newest first."""
    queries = LetterQueries(services.database)
    letters = queries.dead_letters(LETTERS_AT_ONCE, before)
    return pages.page(
        request,
        "dead_letters.html",
        who=who,
        letters=letters,
        count=queries.dead_letter_count(),
        more=letters[-1].letter_id if len(letters) == LETTERS_AT_ONCE else None,
    )
