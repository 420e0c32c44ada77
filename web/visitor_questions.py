"""Where parts of a cluster ask who a visitor is: bytes in, bytes out; who may ask is in the bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

PATH: Final = "/v1/visitors"
MOST_BYTES: Final = 256 * 1024


def question_route(answer: Callable[[bytes], bytes | None]) -> Route:
    """Returns the route. Args: `answer` gives the reply, None to somebody who may not ask."""

    async def ask(request: Request) -> Response:
        length = request.headers.get("content-length", "")
        if not length.isdigit() or int(length) > MOST_BYTES:
            return PlainTextResponse("question refused", 413, {"Connection": "close"})
        reply = await run_in_threadpool(answer, await request.body())
        if reply is None:
            return PlainTextResponse("question refused", 401)
        return Response(reply, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})

    return Route(PATH, ask, methods=["POST"])
