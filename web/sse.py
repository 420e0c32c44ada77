"""Server-sent events: messages, heartbeats, and streams that end when the process wants to stop."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from starlette.responses import StreamingResponse

from events.errors import TransientError

RETRY_MS = 1_500
# A comment for whatever lies between, and an event, since a browser tells its page nothing of comments.
HEARTBEAT = b": still here\nevent: beat\ndata: {}\n\n"
OPENING = f"retry: {RETRY_MS}\n\n".encode("ascii")


def message(event: str, body: object, *, id_: int | None = None) -> bytes:
    """Returns one message whose data is the body as JSON; a message without id leaves the reader's last id alone."""
    head = f"event: {event}\n" if id_ is None else f"id: {id_}\nevent: {event}\n"
    return head.encode("utf-8") + b"data: " + msgspec.json.encode(body) + b"\n\n"


def event_stream(chunks: AsyncIterator[bytes]) -> StreamingResponse:
    """Returns the answer that writes each chunk as it comes; nothing on the way may keep or change it.

    Where the database does not answer the stream ends: its reader comes again by itself and goes on where it was.
    """
    return StreamingResponse(
        _until_trouble(chunks),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _until_trouble(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        async for chunk in chunks:
            yield chunk
    except TransientError:
        return


def resume_point(last_event_id: str | None, after: int | None) -> int | None:
    """Returns the id to go on after: the greater of what the browser's reconnect and what the page says, else None."""
    known = [after] if after is not None and after >= 0 else []
    if last_event_id is not None and last_event_id.isdigit():
        known.append(int(last_event_id))
    return max(known, default=None)
