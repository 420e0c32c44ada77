"""How a process without pages is: the same three addresses as those of the web, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from web.measurements import CONTENT_TYPE, Measurements
from web.ports import NotReady


def status_app(measurements: Measurements, readiness: Callable[[], Sequence[NotReady]], *more: Route) -> Starlette:
    """Returns an ASGI application with /healthz, /readyz and /metrics, and what else the process answers."""

    def healthz(_request: Request) -> Response:
        return _json(200, {"alive": True})

    def readyz(_request: Request) -> Response:
        listed = [{"part": one.part, "reason": one.reason} for one in readiness()]
        return _json(503 if listed else 200, {"ready": not listed, "reasons": listed})

    def metrics(_request: Request) -> Response:
        return Response(measurements.exposition(), media_type=CONTENT_TYPE)

    own = (Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics))
    return Starlette(routes=[*own, *more])


def _json(status: int, body: object) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
