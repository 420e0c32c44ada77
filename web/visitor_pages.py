"""The pages of faces that pay with many cards: a list, one face with everything behind it, and its sharp pictures."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from events.metrics import FACE_VIEWS
from storage.faces.visitors import VisitorRecord
from web.access import LoggedIn, Person, Refused, Services
from web.dashboard import AtCentre, InQueries, OnDesk
from web.dossier import cause_of
from web.observations import observation_of
from web.pages import InPages
from web.visitor_corrections import tied
from web.visitors import cut_out, face_of, marks

router = APIRouter()
FACES_AT_ONCE = 24
SeesFaces = Annotated[LoggedIn, Depends(Person("see_faces"))]


@router.get("/visitors")
def visitors(
    request: Request,
    who: AtCentre,
    queries: InQueries,
    pages: InPages,
    before_ms: int | None = None,
    before_id: str = "",
) -> Response:
    """The faces that alerts are about, the newest first."""
    before = None if before_ms is None else (before_ms, before_id)
    places = queries.visitors(FACES_AT_ONCE, before=before)
    return pages.page(
        request,
        "visitors.html",
        who=who,
        faces=marks(places, queries),
        more=places[-1] if len(places) == FACES_AT_ONCE else None,
        is_first=before is None,
    )


@router.get("/visitors/{visitor_id:path}/stills/{still_id}")
def visitor_still(visitor_id: str, still_id: str, who: SeesFaces, services: Services, queries: InQueries) -> Response:
    """The part of a picture around the visitor's face. That this person saw it, and why, is on record before that."""
    kept = queries.still(still_id)
    face = face_of(visitor_id, queries, services.rules_at(services.now_ms()))
    if kept is None or face is None or still_id not in {one.still_id for one in face.steps}:
        raise Refused("no_such_still", "there is no such picture of the visitor", 404)
    observation = observation_of(kept[1].original) if kept[1] else None
    jpeg = cut_out(services.stills.read(still_id), visitor_id, observation)
    services.accounts.record_face_view(still_id, who.account.username, f"visitor {visitor_id}", services.now_ms())
    services.measurements.count(FACE_VIEWS)
    return Response(jpeg, media_type="image/jpeg")


@router.get("/visitors/{visitor_id:path}")
def visitor(
    request: Request,
    visitor_id: str,
    who: AtCentre,
    services: Services,
    queries: InQueries,
    pages: InPages,
    desk: OnDesk,
) -> Response:
    """One face with its cards, stores, times and tiers."""
    last_entry_id = queries.last_entry_id()
    face = face_of(visitor_id, queries, services.rules_at(services.now_ms()))
    if face is None:
        raise Refused("no_such_visitor", "no alert is about such a visitor", 404)
    record = VisitorRecord(services.database)
    return pages.page(
        request,
        "visitor.html",
        who=who,
        face=face,
        tied=tied(record.sightings(visitor_id), [one.swipe for one in face.steps]),
        acts=record.acts(visitor_id),
        reviewed=desk.reviewed_by(who.account.username, [one.alert_id for one in face.alerts]),
        cause_of=cause_of,
        last_entry_id=last_entry_id,
    )
