"""`/v1/cameras…`: agents that look through cameras at their stores learn what to look at, and say what they saw."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Header, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from events.metrics import CAMERA_MESSAGES, STREAMS_OPEN
from storage.access.accounts import Token
from web.access import AGENT, Refused, Right, Services
from web.ingestion import BodyBudget, BodyTooLarge, read_body
from web.openapi import AGENT_TAG, answers_with
from web.ports import MessageRefused, Overloaded, WebServices
from web.sse import HEARTBEAT, OPENING, event_stream, message, resume_point

router = APIRouter()
MESSAGES_PATH = "/v1/cameras/messages"
KEEPERS = 16
ASKERS = 8
MESSAGE_TYPE = "application/msgpack"
MESSAGE_BODY = {
    "requestBody": {
        "required": True,
        "description": "What camera workers said, in order: an array of messages, MessagePack.",
        "content": {MESSAGE_TYPE: {}},
    }
}

Agent = Annotated[Token, Depends(AGENT)]


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """So many messages are kept: all that were sent."""

    kept: int


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """The centre knows how the agent is."""

    heard: bool


@router.get(
    "/v1/cameras",
    tags=[AGENT_TAG],
    summary="The cameras to look through, with their addresses and how to look",
    responses=answers_with("application/json"),
)
async def cameras(agent: Agent, services: Services) -> Response:
    """The cameras at the token's institutions; `revision` differs whenever anything of them does."""
    told = services.camera_agents.cameras(agent.institution_ids)
    return Response(told.body, media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get(
    "/v1/cameras/swipes",
    tags=[AGENT_TAG],
    summary="What is swiped, as it happens (server-sent events)",
    responses=answers_with("text/event-stream"),
)
async def swipes(
    request: Request,
    agent: Agent,
    services: Services,
    last_event_id: Annotated[str | None, Header(description="Go on after this one.")] = None,
) -> Response:
    """Each fresh swipe with its holder's references (`swipe`), and that cameras or staff are others now.

    `cameras`: their revision. `staff`: what the enrolled staff of the institutions look like; it takes the place of
    what was said before.
    """
    right = Right(AGENT, request)
    return event_stream(swipe_stream(services, agent, resume_point(last_event_id, None) or 0, right))


async def swipe_stream(services: WebServices, agent: Token, after: int, right: Right) -> AsyncIterator[bytes]:
    """Writes the revision of the agent's cameras and its staff, now and when they change, and each fresh swipe once.

    A swipe that came before `after`, by another process's count, may be written again. The stream ends with the process
    or with the agent's right to it.
    """
    agents, told, told_staff = services.camera_agents, "", ""
    services.measurements.add_to_level(STREAMS_OPEN, 1, kind="agent")
    try:
        yield OPENING
        async with agents.feed.subscribe(agent.institution_ids) as ear:
            heard: frozenset[str] | None = frozenset()
            while heard is not None and await right.stands(services.limits.heartbeat_s):
                revision = agents.cameras(agent.institution_ids).revision
                if revision != told:
                    yield message("cameras", {"revision": revision})
                    told = revision
                staff = agents.staff(agent.institution_ids)
                if staff.revision != told_staff:
                    yield message("staff", msgspec.Raw(staff.body))
                    told_staff = staff.revision
                for swipe in await run_in_threadpool(agents.swipes, agent.institution_ids, after):
                    yield message("swipe", msgspec.Raw(swipe.body), id_=swipe.swipe_id)
                    after = swipe.swipe_id
                heard = await ear.wait(services.limits.heartbeat_s)
                if heard is not None and not heard:
                    yield HEARTBEAT
    finally:
        services.measurements.add_to_level(STREAMS_OPEN, -1, kind="agent")


@router.post(
    MESSAGES_PATH,
    tags=[AGENT_TAG],
    summary="Hand in what camera workers said",
    responses=answers_with(Taken, 403, 413, 422, 429, 503),
    openapi_extra=MESSAGE_BODY,
)
async def take_message(request: Request, agent: Agent, services: Services) -> Response:
    """Answers 200 once all are kept; the same again changes nothing. Who is refused may try them one by one."""
    budget: BodyBudget = request.app.state.camera_message_budget
    limits = services.limits
    try:
        async with budget.lease() as lease:
            async with asyncio.timeout(limits.camera_message_deadline_s):
                body = await read_body(request, limits.camera_message_bytes, lease)
            kept = await to_thread.run_sync(services.camera_agents.keep, agent, body, limiter=_keepers(request))
    except BodyTooLarge:
        raise Refused("body_too_large", f"a message has at most {limits.camera_message_bytes} bytes", 413) from None
    except TimeoutError:
        raise Refused("body_too_slow", "the message did not arrive in time", 408) from None
    except Overloaded as overloaded:
        answer = _json(429, {"error": {"code": "too_fast", "detail": overloaded.reason}})
        answer.headers["Retry-After"] = str(overloaded.retry_after_s)
        return answer
    except MessageRefused as refused:
        raise _refusal(refused) from refused
    services.measurements.count(CAMERA_MESSAGES, kept)
    return _json(200, Taken(kept=kept))


@router.post(
    "/v1/cameras/visitor",
    tags=[AGENT_TAG],
    summary="Ask who a visitor is",
    responses=answers_with(MESSAGE_TYPE, 403, 422),
    openapi_extra={"requestBody": {"required": True, "content": {MESSAGE_TYPE: {}}}},
)
async def visitor(request: Request, agent: Agent, services: Services) -> Response:
    """Answers within a second, by the region's one memory; with nobody while that is away."""
    question = await request.body()
    try:
        named = await to_thread.run_sync(services.camera_agents.name_visitor, agent, question, limiter=_askers(request))
    except MessageRefused as refused:
        raise _refusal(refused) from refused
    return Response(named, media_type=MESSAGE_TYPE, headers={"Cache-Control": "no-store"})


@router.post(
    "/v1/cameras/report",
    tags=[AGENT_TAG],
    summary="Say how the agent is",
    responses=answers_with(Heard, 422),
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {}}}},
)
async def report(request: Request, agent: Agent, services: Services) -> Response:
    """The centre has heard of the agent, and knows how much it has not sent yet."""
    try:
        services.camera_agents.heard(agent.name, await request.body())
    except MessageRefused as refused:
        raise _refusal(refused) from refused
    return _json(200, Heard(heard=True))


def _keepers(request: Request) -> CapacityLimiter:
    """Returns the threads that keep messages: not those of the pages, which would wait behind a city's agents."""
    return _threads(request, "camera_message_keepers", KEEPERS)


def _askers(request: Request) -> CapacityLimiter:
    """Returns the threads that ask for visitors: not those that keep messages, behind which a verdict would wait."""
    return _threads(request, "visitor_askers", ASKERS)


def _threads(request: Request, name: str, count: int) -> CapacityLimiter:
    state = request.app.state
    if not hasattr(state, name):
        setattr(state, name, CapacityLimiter(count))
    threads: CapacityLimiter = getattr(state, name)
    return threads


def _refusal(refused: MessageRefused) -> Refused:
    return Refused(refused.code, refused.detail, 403 if refused.code == "foreign_camera" else 422)


def _json(status: int, body: object) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
