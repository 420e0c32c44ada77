"""A camera's address: which ones are taken, what people may see of one, and how a password goes into it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

NETWORK_SCHEMES: Final = ("rtsp", "rtsps", "http", "https")
MOST_CHARACTERS: Final = 2_000
SourceProblem = Literal["empty", "address", "scheme", "no_folder", "outside", "absent"]

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")
_UNSEEN = re.compile(r"[\x00-\x20\x7f]")


class SecretText(str):
    """A text that never shows itself in a log's fields or a traceback."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} secret characters>"


class SourceRefused(ValueError):
    """An address that no camera may have; `problem` is why. Nothing of the address is in the message."""

    def __init__(self, problem: SourceProblem) -> None:
        super().__init__(f"the camera's address is refused: {problem}")
        self.problem: SourceProblem = problem


def checked_source(address: str, folder: Path | None, *, username: str = "", password: str = "") -> SecretText:
    """Returns where the camera is reached, for the camera worker: an address in the network, or a file's whole path.

    Args:
        address: `rtsp`, `rtsps`, `http` or `https`, else a file's path relative to `folder`.
        folder: the only folder whose files may be cameras; None for none at all.
        username: with the password put into a network address in place of what it says, if not empty.
        password: as it is written on the camera: what addresses cannot hold is escaped.

    Raises: SourceRefused.
    """
    address = address.strip()
    if not address:
        raise SourceRefused("empty")
    found = _SCHEME.match(address)
    if found is None:
        return SecretText(_file_below(folder, address))
    if found[1].lower() not in NETWORK_SCHEMES:
        raise SourceRefused("scheme")
    if _UNSEEN.search(address) or len(address) > MOST_CHARACTERS:
        raise SourceRefused("address")
    parts = _split(address)
    if username or password:
        place = parts.netloc.rpartition("@")[2]
        parts = parts._replace(netloc=f"{quote(username, safe='')}:{quote(password, safe='')}@{place}")
    return SecretText(urlunsplit(parts))


def shown_source(source: str) -> str:
    """Returns what people may see of an address: how and where it is reached; of a file its name.

    Names, passwords and paths are left out: many cameras take their password in the path or the query.
    """
    if _SCHEME.match(source) is None:
        return Path(source).name
    try:
        parts = _split(source)
    except SourceRefused:
        return "?"
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def _split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise SourceRefused("address") from None
    if not host or "#" in address:  # an unescaped # in a password cuts the address off
        raise SourceRefused("address")
    return parts


def _file_below(folder: Path | None, name: str) -> str:
    if folder is None:
        raise SourceRefused("no_folder")
    if "\x00" in name:
        raise SourceRefused("address")
    folder = folder.resolve()
    file = (folder / name).resolve()
    if not file.is_relative_to(folder):
        raise SourceRefused("outside")
    if not file.is_file():
        raise SourceRefused("absent")
    return str(file)
