"""`GET /openapi.json`: what tills and senders may call, written from the routes themselves. No page is in it."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response

from storage.queries.notices import Notice
from web.access import ANYBODY
from web.camera_agents import Heard, Taken
from web.ingestion import EventsAnswer
from web.openapi import AGENT_TAG, API_TAG, SENDER_TAG, Problem
from web.terminal import Answer, NoticeList

router = APIRouter()
DESCRIPTION = """Reminders for a store's till, and the way in for a sender's events.

Every request carries `Authorization: Bearer TOKEN`: a device token (`swt_…`) for a till, a sender's token (`sws_…`)
for events, a camera agent's (`swa_…`) for what is seen at a store. All times are UTC milliseconds,
all money is in fen. Whatever was refused with 429 or 503 may be sent again as it was: nothing counts twice.
"""
TAGS = [
    {"name": API_TAG, "description": "What a store's terminal shows and says."},
    {"name": SENDER_TAG, "description": "How settlements and everything else come in."},
    {"name": AGENT_TAG, "description": "What `swipewatch video --to` at a store asks and says."},
]
SHOWN = (Answer, EventsAnswer, Heard, Notice, NoticeList, Problem, Taken)


@router.get("/openapi.json", dependencies=[Depends(ANYBODY)])
def api_document(request: Request) -> Response:
    """The API's document, OpenAPI 3.1."""
    return Response(msgspec.json.encode(document_of(request.app)), media_type="application/json")


def document_of(app: FastAPI) -> dict[str, Any]:
    """Returns the document of the routes that carry one of the tags."""
    whole = get_openapi(
        title="swipewatch", version=version("swipewatch"), description=DESCRIPTION, routes=app.routes, tags=TAGS
    )
    names = {tag["name"] for tag in TAGS}
    paths = {
        path: {
            method: _without_empty_body(told) for method, told in methods.items() if names & set(told.get("tags", ()))
        }
        for path, methods in whole["paths"].items()
    }
    _, schemas = msgspec.json.schema_components(SHOWN, ref_template="#/components/schemas/{name}")
    bearer = {"type": "http", "scheme": "bearer", "description": "A device's, a sender's or an agent's token."}
    return {
        **whole,
        "paths": {path: methods for path, methods in paths.items() if methods},
        "components": {"schemas": schemas, "securitySchemes": {"token": bearer}},
        "security": [{"token": []}],
    }


def _without_empty_body(told: dict[str, Any]) -> dict[str, Any]:
    """Returns a route's part with only the answers that the route itself declares."""
    answers = {code: answer for code, answer in told["responses"].items() if "HTTPValidationError" not in str(answer)}
    return {**told, "responses": answers}
