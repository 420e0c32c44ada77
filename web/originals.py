"""Sealed originals on an alert's page: what is known of each, and the bytes for those who say why they need them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Form
from starlette.responses import Response

from events.metrics import FACE_VIEWS
from storage.evidence.originals import KeptOriginal
from web.access import LoggedIn, Person, Refused, Services
from web.dashboard import InQueries
from web.observations import Observation

router = APIRouter()
TakesOriginals = Annotated[LoggedIn, Depends(Person("take_originals"))]
MAX_REASON_CHARACTERS = 500
MEDIA_TYPE = "video/x-matroska"


class ShownOriginal(msgspec.Struct, frozen=True, kw_only=True):
    """An original with the engine, and its version, that looked at what it shows; empty where none did."""

    original: KeptOriginal
    engine: str


def shown_originals(originals: Iterable[KeptOriginal], observations: Sequence[Observation]) -> list[ShownOriginal]:
    """Returns the originals of a swipe with who looked through their cameras meanwhile."""
    return [ShownOriginal(original=one, engine=_engine_of(one, observations)) for one in originals]


@router.post("/originals/{original_id}")
def take_original(
    original_id: str,
    who: TakesOriginals,
    services: Services,
    queries: InQueries,
    alert_id: Annotated[str, Form()],
    reason: Annotated[str, Form(max_length=MAX_REASON_CHARACTERS)] = "",
) -> Response:
    """An original of an alert's swipe, as a file. Who took it, and the reason given, is on record before it is sent."""
    if not reason.strip():
        raise Refused("reason", "a sealed original is given out for a reason only, which is put on record", 422)
    found = queries.alerts([alert_id])
    originals = services.originals.for_settlement(found[0].settlement_id) if found else ()
    wanted = next((one for one in originals if one.original_id == original_id), None)
    if wanted is None:
        raise Refused("no_such_original", "the alert has no such original", 404)
    video = services.originals.read(original_id)
    services.accounts.record_face_view(
        original_id, who.account.username, f"alert {alert_id}", services.now_ms(), reason.strip()
    )
    services.measurements.count(FACE_VIEWS)
    digest = base64.b64encode(bytes.fromhex(wanted.sha256)).decode("ascii")
    headers = {
        "Content-Disposition": f'attachment; filename="original-{original_id[:12]}.mkv"',
        "Cache-Control": "no-store",
        "Repr-Digest": f"sha-256=:{digest}:",  # RFC 9530
    }
    return Response(video, media_type=MEDIA_TYPE, headers=headers)


def _engine_of(original: KeptOriginal, observations: Iterable[Observation]) -> str:
    for one in observations:
        meanwhile = original.first_at_ms <= one.occurred_at_ms <= original.last_at_ms
        if meanwhile and one.camera_id == original.camera_id and one.engine:
            return f"{one.engine} {one.engine_version or ''}".strip()
    return ""
