"""How the process is: alive, ready to accept events, and its numbers."""

from __future__ import annotations

from collections import Counter

import msgspec
from fastapi import APIRouter, Depends
from starlette.responses import Response

from events.errors import TransientError
from events.metrics import CAMERAS, CAMERAS_AT_STORES
from storage.queries.cameras import CameraQueries
from web.access import ANYBODY, Services
from web.measurements import CONTENT_TYPE
from web.ports import NotReady, WebServices

CAMERA_STATES = ("ok", "dark", "covered", "defocused", "moved", "frozen", "clock_drift", "offline", "unknown")

router = APIRouter(dependencies=[Depends(ANYBODY)])


@router.get("/healthz")
async def healthz() -> Response:
    """Answers 200 as long as the process can answer at all."""
    return _json(200, {"alive": True})


@router.get("/readyz")
def readyz(services: Services) -> Response:
    """Answers 200 when events can be accepted now, else 503 with every reason why not."""
    reasons = [*services.readiness(), *_database_reasons(services)]
    listed = [{"part": one.part, "reason": one.reason} for one in reasons]
    return _json(503 if reasons else 200, {"ready": not reasons, "reasons": listed})


@router.get("/metrics")
def metrics(services: Services) -> Response:
    """Answers with the metrics in Prometheus' text format."""
    _count_cameras(services)
    return Response(services.measurements.exposition(), media_type=CONTENT_TYPE)


def _count_cameras(services: WebServices) -> None:
    """The cameras' states are those of the database, or those of the last time it answered."""
    try:
        known = CameraQueries(services.database).states()
        cameras = services.cameras.cameras()
    except TransientError:
        return
    camera_ids = [camera.camera_id for camera in cameras]
    counts = Counter(known[one].state if one in known else "unknown" for one in camera_ids)
    services.measurements.set_level(CAMERAS_AT_STORES, sum(camera.at_store for camera in cameras))
    for state in CAMERA_STATES:
        services.measurements.set_level(CAMERAS, counts[state], state=state)


def _database_reasons(services: WebServices) -> list[NotReady]:
    try:
        services.database.is_there()
    except TransientError as error:
        return [NotReady(part="database", reason=str(error))]
    return []


def _json(status: int, body: object) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
