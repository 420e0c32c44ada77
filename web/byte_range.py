"""One part of a file, as players ask for it: the `Range` header (RFC 9110, 14.2)."""

from __future__ import annotations

import re

from starlette.responses import Response

_ONE_RANGE = re.compile(r"^bytes=([0-9]{0,15})-([0-9]{0,15})\Z")


def ranged(content: bytes, media_type: str, asked: str | None) -> Response:
    """Returns the whole as 200, the part that was asked for as 206, or 416 where there is no such part.

    A header that asks for several parts, or makes no sense, is answered with the whole.
    """
    found = _ONE_RANGE.match(asked or "")
    if found is None or not any(found.groups()):
        return Response(content, media_type=media_type, headers={"Accept-Ranges": "bytes"})
    first, last = _bounds(found[1], found[2], len(content))
    if first > last:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{len(content)}"})
    headers = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {first}-{last}/{len(content)}"}
    return Response(content[first : last + 1], 206, headers=headers, media_type=media_type)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """Returns the places of the first and the last byte; without a first, `last` counts from the end."""
    if not first:
        return max(size - int(last), 0), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1
