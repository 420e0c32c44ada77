"""The address of a camera on the network: what of it may be said, and what is secret. Pure."""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

SCHEMES: Final = ("rtsp", "rtsps", "http", "https")


def is_address(source: str) -> bool:
    """Returns whether a camera's source is an address on the network; else it is a file's path."""
    return "://" in source


def host_of(source: str) -> str:
    """Returns host and port of an address: all of it that may be said."""
    parts = urlsplit(source)
    return _host(parts)


def credentials_of(source: str) -> tuple[str, str] | None:
    """Returns name and password that stand in an address, None where none do."""
    parts = urlsplit(source)
    if parts.username is None:
        return None
    return unquote(parts.username), unquote(parts.password or "")


def without_credentials(source: str) -> str:
    """Returns the address without name and password."""
    parts = urlsplit(source)
    return urlunsplit(parts._replace(netloc=_host(parts)))


def _host(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]
