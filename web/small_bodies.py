"""No body may be large but those of programs with a token: a form that nobody asked for must not fill the memory."""

from __future__ import annotations

from collections.abc import Collection

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

MAX_BYTES = 64 * 1024


class SmallBodies:
    """Refuses a body above 64 KiB (413), or of unknown length (411), unread; `except_paths` see to their own."""

    def __init__(self, app: ASGIApp, except_paths: Collection[str]) -> None:
        self._app, self._except_paths = app, except_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application has answered, or the body was refused."""
        status = 0 if scope["type"] != "http" or scope["path"] in self._except_paths else _refusal(scope)
        if status:
            await PlainTextResponse("body refused", status, {"Connection": "close"})(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _refusal(scope: Scope) -> int:
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers:
        return 411
    length = headers.get(b"content-length", b"0")
    return 413 if not length.isdigit() or int(length) > MAX_BYTES else 0
