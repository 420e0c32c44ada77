"""Cuts a multipart/x-mixed-replace stream into its JPEG pictures. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

BEGINS: Final = b"\xff\xd8\xff"
HEADER_ENDS: Final = b"\r\n\r\n"
LARGEST_PICTURE_BYTES: Final = 8 * 1024 * 1024
LENGTH: Final = b"content-length:"


class BrokenStream(ValueError):
    """What came is no stream of pictures."""


class PictureCutter:
    """Takes bytes as they come and gives whole pictures.

    A part that says its length is cut by it; of another a picture ends where the next part begins.
    """

    def __init__(self, boundary: str) -> None:
        """Args: boundary is what the content type says, with or without its leading dashes and quotes."""
        self._boundary = b"--" + boundary.strip('"').removeprefix("--").encode("latin-1")
        self._rest = b""

    def cut(self, content: bytes) -> Iterator[bytes]:
        """Yields the pictures that are whole now. Raises: BrokenStream where no picture ends for 8 MB."""
        self._rest += content
        while (picture := self._next()) is not None:
            if picture.startswith(BEGINS):
                yield picture
        if len(self._rest) > LARGEST_PICTURE_BYTES:
            raise BrokenStream("no picture ends within 8 MB")

    def _next(self) -> bytes | None:
        """Returns the next part's content, whatever it is; None until it is whole."""
        begins = self._rest.find(self._boundary)
        if begins < 0:
            return None
        header_ends = self._rest.find(HEADER_ENDS, begins)
        if header_ends < 0:
            return None
        content_begins = header_ends + len(HEADER_ENDS)
        length = _stated_length(self._rest[begins:header_ends])
        ends = self._rest.find(self._boundary, content_begins) if length is None else content_begins + length
        if ends < 0 or len(self._rest) < ends:
            return None
        picture, self._rest = self._rest[content_begins:ends], self._rest[ends:]
        return picture.rstrip(b"\r\n") if length is None else picture


def _stated_length(header: bytes) -> int | None:
    for line in header.split(b"\r\n"):
        if line.lower().startswith(LENGTH):
            stated = line[len(LENGTH) :].strip()
            return int(stated) if stated.isdigit() else None
    return None
