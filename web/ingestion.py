"""`POST /v1/events`: senders hand in events and learn, once they are durable, what became of each."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from events.errors import TransientError
from events.metrics import EVENTS_RECEIVED, INGESTION_SECONDS, REQUEST_EVENTS, REQUESTS_REFUSED
from storage.access.accounts import Token
from web.access import SENDER, Services
from web.bodies import foreign_institutions, split_body
from web.openapi import SENDER_TAG, answers_with
from web.ports import EventResult, Overloaded, WebServices

router = APIRouter()
PATH = "/v1/events"
# A sender that is told 413 while it still writes would only see a broken connection: so much is read and dropped.
DRAIN_FACTOR = 10
SPLIT_IN_THREAD_BYTES = 256 * 1024


class BodyTooLarge(Exception):
    """The body is above the limit; nothing of it was kept."""


class BodyBudget:
    """How many bytes of bodies are in memory at once, over all requests."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._taken_bytes = 0

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[BodyLease]:
        """Opens a lease that gives everything back at its end."""
        lease = BodyLease(self)
        try:
            yield lease
        finally:
            self._taken_bytes -= lease.taken_bytes

    def take(self, size_bytes: int) -> None:
        """So many bytes more are in memory. Raises: Overloaded when they do not fit."""
        if self._taken_bytes + size_bytes > self._limit_bytes:
            raise Overloaded("too many bodies at once", retry_after_s=1)
        self._taken_bytes += size_bytes


class BodyLease:
    """One request's part of the budget."""

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self.taken_bytes = 0

    def take(self, size_bytes: int) -> None:
        """So many bytes more belong to this request. Raises: Overloaded when they do not fit."""
        self._budget.take(size_bytes)
        self.taken_bytes += size_bytes


class EventsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request's events: a result for each, in their order, and how many of each kind."""

    results: Sequence[EventResult]
    accepted: int
    duplicate: int
    dead_letter: int


EVENTS_BODY = {
    "requestBody": {
        "required": True,
        "description": "One event, an array of events, or an event a line.",
        "content": {"application/json": {}, "application/x-ndjson": {}},
    }
}


@router.post(
    PATH,
    tags=[SENDER_TAG],
    summary="Hand in events",
    responses=answers_with(EventsAnswer, 403, 413, 429, 503),
    openapi_extra=EVENTS_BODY,
)
async def post_events(request: Request, sender: Annotated[Token, Depends(SENDER)], services: Services) -> Response:
    """Answers 200 with a result per event once they are durable; otherwise says why nothing was taken."""
    budget: BodyBudget = request.app.state.body_budget
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        return _refuse(services, 415, "encoding", "bodies are taken without Content-Encoding")
    try:
        async with budget.lease() as lease, asyncio.timeout(services.limits.body_deadline_s):
            body = await read_body(request, services.limits.body_bytes, lease)
    except BodyTooLarge:
        limit = services.limits.body_bytes
        return _refuse(services, 413, "body_too_large", f"a body has at most {limit} bytes; send it in parts")
    except TimeoutError:
        return _refuse(services, 408, "body_too_slow", "the body did not arrive in time")
    except Overloaded as overloaded:
        return _refuse_overload(services, overloaded)
    return await _submit(services, sender, body, request.headers.get("content-type", ""))


async def read_body(request: Request, limit_bytes: int, lease: BodyLease) -> bytes:
    """Returns the whole body. Above the limit nothing is kept and what still comes is dropped unread.

    Raises: BodyTooLarge; Overloaded when other bodies fill the memory set aside for them.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit_bytes:
        if request.headers.get("expect", "").lower() != "100-continue":
            await _drain(request.stream(), limit_bytes * DRAIN_FACTOR)
        raise BodyTooLarge
    stream = request.stream()
    chunks: list[bytes] = []
    size_bytes = 0
    async for chunk in stream:
        size_bytes += len(chunk)
        if size_bytes > limit_bytes:
            chunks.clear()
            await _drain(stream, limit_bytes * DRAIN_FACTOR)
            raise BodyTooLarge
        lease.take(len(chunk))
        chunks.append(chunk)
    return b"".join(chunks)


async def _drain(stream: AsyncIterator[bytes], at_most_bytes: int) -> None:
    dropped_bytes = 0
    async for chunk in stream:
        dropped_bytes += len(chunk)
        if dropped_bytes > at_most_bytes:
            return


async def _submit(services: WebServices, sender: Token, body: bytes, content_type: str) -> Response:
    started_s = time.perf_counter()
    originals, foreign = await _split(body, content_type, sender)
    most = services.limits.request_events
    if (
        len(originals) > most
    ):  # a body of `{},{},…` within its limit would hold the pipeline, and gigabytes, for minutes
        return _refuse(services, 413, "too_many_events", f"a request has at most {most} events; send it in parts")
    if foreign:
        named = ", ".join(sorted(foreign)[:5])
        return _refuse(services, 403, "foreign_institution", f"this token does not speak for {named}")
    try:
        results = await services.intake.submit(sender.name, originals, services.limits.submit_deadline_s)
    except Overloaded as overloaded:
        return _refuse_overload(services, overloaded)
    except (TransientError, TimeoutError):
        return _refuse(services, 503, "not_confirmed", "the events may be durable or not; send them again", 2)
    services.measurements.observe(INGESTION_SECONDS, time.perf_counter() - started_s)
    services.measurements.observe(REQUEST_EVENTS, len(results))
    return _answer(services, results)


async def _split(body: bytes, content_type: str, sender: Token) -> tuple[list[bytes], set[str]]:
    def split() -> tuple[list[bytes], set[str]]:
        originals = split_body(body, content_type)
        return originals, foreign_institutions(originals, sender)

    return split() if len(body) < SPLIT_IN_THREAD_BYTES else await run_in_threadpool(split)


def _answer(services: WebServices, results: Sequence[EventResult]) -> Response:
    counts = Counter(result.status for result in results)
    for status, count in counts.items():
        services.measurements.count(EVENTS_RECEIVED, count, status=status)
    summary = {status: counts[status] for status in ("accepted", "duplicate", "dead_letter")}
    if counts["durable"]:
        summary["durable"] = counts["durable"]
    return _json(200, {"results": results, **summary})


def _refuse_overload(services: WebServices, overloaded: Overloaded) -> Response:
    status = 429 if overloaded.busy else 503
    code = "too_fast" if overloaded.busy else "not_ready"
    return _refuse(services, status, code, overloaded.reason, overloaded.retry_after_s)


def _refuse(services: WebServices, status: int, code: str, detail: str, retry_after_s: int | None = None) -> Response:
    services.measurements.count(REQUESTS_REFUSED, status=str(status))
    response = _json(status, {"error": {"code": code, "detail": detail}})
    if retry_after_s is not None:
        response.headers["Retry-After"] = str(retry_after_s)
    return response


def _json(status: int, body: object) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
