"""Every camera of the registry: its newest picture, how it is, and how its clock stands against the till's."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from storage.queries import LoggedEvent, Still
from web.access import Services
from web.dashboard import AtCentre, InQueries
from web.observations import observation_of
from web.overview import CameraMark, camera_mark
from web.pages import InPages

router = APIRouter()
CAMERAS_AT_ONCE = 60
# Ill ones first, then those not heard of, then the healthy.
_ORDER = {"unknown": 1, "ok": 2}


class CameraView(msgspec.Struct, frozen=True, kw_only=True):
    """A camera on its page; the offset is what its worker applied at its newest picture, None where it told none."""

    institution_id: str
    mark: CameraMark
    still: Still | None
    offset_ms: float | None


@router.get("/cameras")
def cameras(
    request: Request,
    who: AtCentre,
    services: Services,
    queries: InQueries,
    pages: InPages,
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    """The cameras, those that are ill in front."""
    states = queries.camera_states()
    marks = [
        (one.institution_id, camera_mark(camera_id, till.till_id, states.get(camera_id)))
        for one in services.institutions
        for till in one.tills
        for camera_id in till.camera_ids
    ]
    marks.sort(key=lambda pair: (_ORDER.get(pair[1].state, 0), pair[0], pair[1].camera_id))
    shown = marks[(page - 1) * CAMERAS_AT_ONCE : page * CAMERAS_AT_ONCE]
    newest = queries.newest_stills([mark.camera_id for _, mark in shown])
    return pages.page(
        request,
        "cameras.html",
        who=who,
        cameras=[_view_of(institution_id, mark, newest.get(mark.camera_id)) for institution_id, mark in shown],
        count=len(marks),
        ill=sum(mark.state not in _ORDER for _, mark in marks),
        page=page,
        pages=-(-len(marks) // CAMERAS_AT_ONCE),
    )


def _view_of(institution_id: str, mark: CameraMark, newest: tuple[Still, LoggedEvent | None] | None) -> CameraView:
    still, event = newest or (None, None)
    observation = observation_of(event.original) if event else None
    return CameraView(
        institution_id=institution_id,
        mark=mark,
        still=still,
        offset_ms=observation.clock_offset_ms if observation else None,
    )
