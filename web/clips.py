"""The film around an alert's swipe, for those who may see faces: as it is kept, or made because they ask."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Header
from starlette.responses import Response

from events.metrics import FACE_VIEWS
from storage.evidence.clips import clip_id_of
from storage.evidence.owed_clips import OwedClips
from storage.faces.views import FaceViews
from web.access import LoggedIn, Person, Refused, Services
from web.alert_clip import makeable
from web.byte_range import ranged
from web.dashboard import InQueries

router = APIRouter()
SeesFaces = Annotated[LoggedIn, Depends(Person("see_faces"))]
ONE_VIEW_MS = 10 * 60_000
"""A player asks for many parts of one film: within this time one person's are one view."""
MADE_WITHIN_S = 5


@router.get("/clips/{clip_id}")
def clip(
    clip_id: str,
    who: SeesFaces,
    services: Services,
    queries: InQueries,
    alert_id: str,
    range_asked: Annotated[str | None, Header(alias="Range")] = None,
) -> Response:
    """A clip of an alert's swipe, or a part of it. That this person saw it, and why, is on record before it is sent.

    202 says that it is being made now: nobody has seen anything then.
    """
    found = queries.alerts([alert_id])
    clips = services.clips.for_settlement(found[0].settlement_id) if found else ()
    if clip_id not in {one.clip_id for one in clips}:
        originals = services.originals.for_settlement(found[0].settlement_id) if found else ()
        wanted = [
            one.original_id
            for one in makeable(clips, originals)
            if clip_id_of(one.settlement_id, one.camera_id) == clip_id
        ]
        if not wanted:
            raise Refused("no_such_clip", "the alert has no such clip", 404)
        OwedClips(services.database).ask(wanted, services.now_ms())
        return _being_made()
    webm = services.clips.read(clip_id)
    reason, now_ms = f"alert {alert_id}", services.now_ms()
    if not FaceViews(services.database).has_seen(clip_id, who.account.username, reason, now_ms - ONE_VIEW_MS):
        services.accounts.record_face_view(clip_id, who.account.username, reason, now_ms)
        services.measurements.count(FACE_VIEWS)
    return ranged(webm, "video/webm", range_asked)


def _being_made() -> Response:
    headers = {"Retry-After": str(MADE_WITHIN_S), "Cache-Control": "no-store"}
    return Response(msgspec.json.encode({"state": "making"}), 202, headers, "application/json")
