"""The store's alert terminal: its page, its stream of notices, and what the store says to them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Header, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from events.metrics import ALERT_ACTIONS
from storage.queries import Audience, Notice, Queries
from web.access import TERMINAL, TERMINAL_COOKIE_PREFIX, Refused, Screen, Services, still_has
from web.dashboard import InQueries
from web.live import AT_ONCE, report_delivered, terminal_stream
from web.pages import InPages, Pages
from web.ports import AnswerKind, LiveChange, WebServices
from web.sse import event_stream, resume_point
from web.wording import day_start_ms

router = APIRouter()
MAX_ANSWER_CHARACTERS = 500

AtTerminal = Annotated[Screen, Depends(TERMINAL)]


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a store says to a reminder; `other` needs a text."""

    kind: AnswerKind
    text: Annotated[str, msgspec.Meta(max_length=MAX_ANSWER_CHARACTERS)] = ""


@router.get("/terminal")
async def terminal_page(request: Request, screen: AtTerminal, pages: InPages) -> Response:
    """The full-screen page at the till."""
    if "terminal" not in request.query_params and TERMINAL_COOKIE_PREFIX + screen.slug in request.cookies:
        return RedirectResponse(f"/terminal?terminal={screen.slug}", 303)
    token = screen.token
    institution_id = token.institution_ids[0]
    return pages.page(
        request,
        "terminal.html",
        screen=screen,
        institution_id=institution_id,
        till_id=token.till_id,
        time_zone=pages.time_zone_of(institution_id),
    )


@router.get("/v1/terminal/notices")
def notices(
    screen: AtTerminal, services: Services, queries: InQueries, pages: InPages, after: int | None = None
) -> Response:
    """Answers with the notices after an id, or with today's list: each alert's latest notice, newest first."""
    audience = audience_of(screen)
    last_notice_id = queries.last_notice_id(audience)
    if after is None:
        found = queries.notices_since(audience, _today_ms(services, pages, audience))
    else:
        found = queries.notices_after(audience, after, AT_ONCE)
        last_notice_id = found[-1].notice_id if found else max(after, 0)
    report_delivered(services, screen.token.name, found)
    return _json(200, {"notices": found, "last_notice_id": last_notice_id, "now_ms": services.now_ms()})


@router.get("/terminal/stream")
async def stream(
    request: Request,
    screen: AtTerminal,
    services: Services,
    queries: InQueries,
    pages: InPages,
    after: int | None = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Sends the notices after the last one that the terminal has, and then each as it is written."""
    audience = audience_of(screen)
    start = resume_point(last_event_id, after)
    if start is None:
        today_ms = _today_ms(services, pages, audience)
        start = await run_in_threadpool(queries.last_notice_id, audience, today_ms)

    async def still_allowed() -> bool:
        return await still_has(TERMINAL, request)

    return event_stream(terminal_stream(services, queries, screen.token.name, audience, start, still_allowed))


@router.post("/v1/terminal/alerts/{alert_id}/seen")
def see(alert_id: str, screen: AtTerminal, services: Services, queries: InQueries) -> Response:
    """The alert is on record as shown on the store's screen."""
    notice = _own(queries, screen, alert_id)
    services.actions.see(alert_id, screen.token.name, services.now_ms())
    return _changed(services, queries, screen, notice)


@router.post("/v1/terminal/alerts/{alert_id}/acknowledge")
def acknowledge(alert_id: str, screen: AtTerminal, services: Services, queries: InQueries) -> Response:
    """The alert is on record as noted by somebody at the till."""
    notice = _own(queries, screen, alert_id)
    services.actions.acknowledge(alert_id, screen.token.name, services.now_ms())
    services.measurements.count(ALERT_ACTIONS, action="acknowledge")
    return _changed(services, queries, screen, notice)


@router.post("/v1/terminal/alerts/{alert_id}/answer")
async def answer(
    request: Request, alert_id: str, screen: AtTerminal, services: Services, queries: InQueries
) -> Response:
    """The store's answer is on record; a later one replaces it."""
    said = _answer_of(await request.body())
    notice = await run_in_threadpool(_own, queries, screen, alert_id)
    now_ms = services.now_ms()
    await run_in_threadpool(services.actions.answer, alert_id, screen.token.name, said.kind, said.text.strip(), now_ms)
    services.measurements.count(ALERT_ACTIONS, action="answer")
    return await run_in_threadpool(_changed, services, queries, screen, notice)


def audience_of(screen: Screen) -> Audience:
    """Returns whose notices the terminal shows."""
    return Audience(institution_ids=screen.token.institution_ids, till_id=screen.token.till_id)


def _own(queries: Queries, screen: Screen, alert_id: str) -> Notice:
    notice = queries.told_alert(audience_of(screen), alert_id)
    if notice is None:
        raise Refused("no_such_alert", "this terminal was not told of such an alert", 404)
    return notice


def _changed(services: WebServices, queries: Queries, screen: Screen, notice: Notice) -> Response:
    services.feed.publish([LiveChange(alert_id=notice.alert_id, institution_id=notice.institution_id)])
    return _json(200, queries.told_alert(audience_of(screen), notice.alert_id))


def _answer_of(body: bytes) -> Answer:
    try:
        said = msgspec.json.decode(body, type=Answer)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused("bad_answer", str(error), 422) from error
    if said.kind == "other" and not said.text.strip():
        raise Refused("bad_answer", "an answer of its own kind needs a text", 422)
    return said


def _today_ms(services: WebServices, pages: Pages, audience: Audience) -> int:
    return day_start_ms(services.now_ms(), pages.time_zone_of(audience.institution_ids[0]))


def _json(status: int, body: object) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
