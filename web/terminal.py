"""The store's alert terminal: its page, its stream of notices, and what the store says to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from alerts.lifecycle import IllegalTransition
from events.errors import TransientError
from events.metrics import ALERT_ACTIONS
from storage.errors import AnswerIdTaken, AskedAgain
from storage.queries.notices import Audience, Notice, NoticeQueries
from storage.terminals.answers import TerminalAnswers
from web.access import ANYBODY, TERMINAL, TERMINAL_COOKIE_PREFIX, Refused, Right, Screen, Services
from web.agents import Agent, agent_person_id, registrations
from web.live import AT_ONCE, Delivery, Desk, report_delivered, terminal_stream
from web.openapi import API_TAG, answers_with, takes
from web.pages import InPages, Pages
from web.ports import AnswerKind, LiveChange, Overloaded, WebServices
from web.sse import event_stream, resume_point
from web.wording import day_start_ms

router = APIRouter()
MAX_ANSWER_CHARACTERS = 500


def heard_terminal(screen: Annotated[Screen, Depends(TERMINAL)], services: Services) -> Screen:
    """Returns the terminal, which is there: it has just called. An open stream is no call, its reader may be gone."""
    services.contacts.heard(screen.token.name, services.now_ms())
    return screen


def notices_of(request: Request) -> NoticeQueries:
    """Returns what this application reads of the stores' notices."""
    notices: NoticeQueries = request.app.state.notices
    return notices


AtTerminal = Annotated[Screen, Depends(heard_terminal)]
InNotices = Annotated[NoticeQueries, Depends(notices_of)]
After = Annotated[int | None, Query(description="The `notice_id` of the last notice that the terminal has.")]
ToNotice = Annotated[
    int | None,
    Query(description="The `notice_id` that was on the screen: what asks anew since then is not acknowledged by it."),
]


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a store says to a reminder; `other` needs a text.

    Give each answer an `answer_id` of its own and send it again until it is answered: it counts once. `notice_id` is
    the notice that it answers, `answered_at_ms` when somebody gave it, if it is sent later. `agent` is registered for
    every receipt that the reminder shows, which withdraws what it explains.
    """

    kind: AnswerKind
    text: Annotated[str, msgspec.Meta(max_length=MAX_ANSWER_CHARACTERS)] = ""
    answer_id: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{8,64}$")] | None = None
    notice_id: int | None = None
    answered_at_ms: int | None = None
    agent: Agent | None = None


class NoticeList(msgspec.Struct, frozen=True, kw_only=True):
    """Notices, with the id to go on after and the product's clock (UTC ms)."""

    notices: Sequence[Notice]
    last_notice_id: int
    now_ms: int


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


@router.get("/terminal/worker.js", dependencies=[Depends(ANYBODY)])
async def terminal_worker(pages: InPages) -> Response:
    """The script that keeps the terminal's page at hand while the line is down; its address says what it may serve."""
    asset = pages.assets.get("worker.js")
    headers = {"Cache-Control": "no-cache", "Service-Worker-Allowed": "/terminal"}
    return Response(asset.content if asset else b"", media_type="text/javascript", headers=headers)


@router.get(
    "/v1/terminal/notices", tags=[API_TAG], summary="Read notices", responses=answers_with(NoticeList), name="notices"
)
def notices(screen: AtTerminal, services: Services, told: InNotices, pages: InPages, after: After = None) -> Response:
    """Answers with the notices after an id, the oldest first and at most 100.

    Without `after` it is today's list: each alert's latest notice, newest first, and whatever still waits. The alerts
    are on record as delivered.
    """
    audience = audience_of(screen)
    last_notice_id = told.last_notice_id(audience)
    if after is None:
        found = told.notices_since(audience, _today_ms(services, pages, audience))
    else:
        found = told.notices_after(audience, after, AT_ONCE)
        last_notice_id = found[-1].notice_id if found else max(after, 0)
    report_delivered(services, [Delivery(actor=screen.token.name, notices=tuple(found))])
    return _json(200, NoticeList(notices=found, last_notice_id=last_notice_id, now_ms=services.now_ms()))


@router.get(
    "/v1/terminal/stream", tags=[API_TAG], summary="Follow notices", responses=answers_with("text/event-stream")
)
@router.get("/terminal/stream")
async def stream(
    request: Request,
    screen: AtTerminal,
    services: Services,
    told: InNotices,
    pages: InPages,
    after: After = None,
    last_event_id: Annotated[str | None, Header(description="As `after`; the greater of the two counts.")] = None,
) -> Response:
    """Sends events (server-sent) that never end; after a break connect again with the last id.

    `notice`: a notice, with its id as the event's id; every one once, in order.
    `state`: a notice already sent whose alert has changed (answered at another till, closed by the centre).
    `beat`: nothing happened for a while, the line is up.
    """
    audience = audience_of(screen)
    start = resume_point(last_event_id, after)
    if start is None:
        today_ms = _today_ms(services, pages, audience)
        start = await run_in_threadpool(told.last_notice_id, audience, today_ms)

    desk: Desk = request.app.state.terminal_desk
    return event_stream(terminal_stream(desk, screen.token.name, audience, start, Right(TERMINAL, request)))


@router.post(
    "/v1/terminal/alerts/{alert_id}/seen",
    tags=[API_TAG],
    summary="Report a reminder as shown",
    responses=answers_with(Notice, 404),
)
def see(alert_id: str, screen: AtTerminal, services: Services, told: InNotices) -> Response:
    """The alert is on record as shown on the store's screen. Its time to be acknowledged goes on."""
    notice = _own(told, screen, alert_id)
    services.actions.see(alert_id, screen.token.name, services.now_ms())
    return _changed(services, told, screen, notice)


@router.post(
    "/v1/terminal/alerts/{alert_id}/acknowledge",
    tags=[API_TAG],
    summary="Report a reminder as noted by a person",
    responses=answers_with(Notice, 404),
)
def acknowledge(
    alert_id: str, screen: AtTerminal, services: Services, told: InNotices, notice_id: ToNotice = None
) -> Response:
    """The alert is on record as noted by somebody at the till: the centre is not called any more."""
    notice = _own(told, screen, alert_id)
    services.actions.acknowledge(alert_id, screen.token.name, services.now_ms(), notice_id=notice_id)
    services.measurements.count(ALERT_ACTIONS, action="acknowledge")
    return _changed(services, told, screen, notice)


@router.post(
    "/v1/terminal/alerts/{alert_id}/answer",
    tags=[API_TAG],
    summary="Answer a reminder",
    responses=answers_with(Notice, 404, 409, 422, 503),
    openapi_extra=takes(Answer),
)
async def answer(request: Request, alert_id: str, screen: AtTerminal, services: Services, told: InNotices) -> Response:
    """The store's answer is on record; a later one replaces it.

    409 `asked_again`: the store was asked anew since `notice_id`, so read the notices and ask again.
    409 `illegal_transition`: the centre has closed the alert.
    """
    said = _answer_of(await request.body())
    notice = await run_in_threadpool(_own, told, screen, alert_id)
    events = await run_in_threadpool(_registrations, services, screen, alert_id, said)
    refused: Refused | IllegalTransition | None = None
    try:
        await run_in_threadpool(_record, services, screen, alert_id, said)
    except (Refused, IllegalTransition) as error:
        refused = error  # the agent is a fact all the same
    await _submit(services, screen, events)
    if refused is not None:
        raise refused
    return await run_in_threadpool(_changed, services, told, screen, notice)


def audience_of(screen: Screen) -> Audience:
    """Returns whose notices the terminal shows."""
    return Audience(institution_ids=screen.token.institution_ids, till_id=screen.token.till_id)


def _own(told: NoticeQueries, screen: Screen, alert_id: str) -> Notice:
    notice = told.told_alert(audience_of(screen), alert_id)
    if notice is None:
        raise Refused("no_such_alert", "this terminal was not told of such an alert", 404)
    return notice


def _changed(services: WebServices, told: NoticeQueries, screen: Screen, notice: Notice) -> Response:
    services.feed.publish([LiveChange(alert_id=notice.alert_id, institution_id=notice.institution_id)])
    return _json(200, told.told_alert(audience_of(screen), notice.alert_id))


def _answer_of(body: bytes) -> Answer:
    try:
        said = msgspec.json.decode(body, type=Answer)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused("bad_answer", str(error), 422) from error
    if said.kind == "other" and not said.text.strip():
        raise Refused("bad_answer", "an answer of its own kind needs a text", 422)
    if said.agent is not None and said.kind != "agent_registered":
        raise Refused("bad_answer", "an agent goes with agent_registered", 422)
    return said


def _registrations(services: WebServices, screen: Screen, alert_id: str, said: Answer) -> list[bytes]:
    """Returns the events that go with the answer, which is known from now on by its id."""
    agent_id = agent_person_id(said.agent, services.card_mark) if said.agent is not None else None
    at_ms = min(said.answered_at_ms or services.now_ms(), services.now_ms())
    answers = TerminalAnswers(services.database)
    if said.answer_id is not None:
        content = msgspec.json.encode((msgspec.structs.replace(said, agent=None), agent_id))
        try:
            at_ms = answers.take(screen.token.name, said.answer_id, alert_id, content, at_ms)
        except AnswerIdTaken as error:
            raise Refused("answer_id_taken", "this answer_id stands for another answer", 409) from error
    if agent_id is None:
        return []
    own = [one for one in answers.purchases(alert_id) if screen.token.speaks_for(one.institution_id)]
    return registrations(own, agent_id, at_ms, f"{screen.token.name}/{said.answer_id or at_ms}")


def _record(services: WebServices, screen: Screen, alert_id: str, said: Answer) -> None:
    try:
        recorded = services.actions.answer(
            alert_id,
            screen.token.name,
            said.kind,
            said.text.strip(),
            services.now_ms(),
            answer_id=said.answer_id,
            notice_id=said.notice_id,
        )
    except AskedAgain as error:
        raise Refused("asked_again", "the store was asked anew after this notice", 409) from error
    if recorded is not None:
        services.measurements.count(ALERT_ACTIONS, action="answer")


async def _submit(services: WebServices, screen: Screen, events: Sequence[bytes]) -> None:
    """The events are durable, sent by the terminal. Raises: TransientError, after which the same answer goes on."""
    if not events:
        return
    try:
        results = await services.intake.submit(screen.token.name, events, services.limits.submit_deadline_s)
    except (Overloaded, TimeoutError) as error:
        raise TransientError("the registration could not be taken now") from error
    for result in results:
        if result.status == "dead_letter":
            raise Refused("bad_agent", f"the registration was set aside: {result.reason}", 422)


def _today_ms(services: WebServices, pages: Pages, audience: Audience) -> int:
    return day_start_ms(services.now_ms(), pages.time_zone_of(audience.institution_ids[0]))


def _json(status: int, body: object) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
