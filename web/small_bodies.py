"""No body may be large but those of programs with a token: a form that nobody asked for must not fill the memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

MAX_BYTES = 64 * 1024


class SmallBodies:
    """Refuses a body above 64 KiB (413), or of unknown length (411), unread.

    `most_bytes` says of some paths how large theirs may be; `except_paths` see to their own.
    """

    def __init__(self, app: ASGIApp, except_paths: Collection[str], most_bytes: Mapping[str, int]) -> None:
        self._app, self._except_paths, self._most_bytes = app, except_paths, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application has answered, or the body was refused."""
        own = scope["type"] != "http" or scope["path"] in self._except_paths
        status = 0 if own else _refusal(scope, self._most_bytes.get(scope["path"], MAX_BYTES))
        if status:
            await PlainTextResponse("body refused", status, {"Connection": "close"})(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _refusal(scope: Scope, most_bytes: int) -> int:
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers:
        return 411
    length = headers.get(b"content-length", b"0")
    return 413 if not length.isdigit() or int(length) > most_bytes else 0
