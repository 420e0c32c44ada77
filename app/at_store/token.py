"""Where an agent's token comes from: a file or the environment, never the command line, which everybody can see."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import structlog

from events.errors import ConfigError

TOKEN_VARIABLE: Final = "SWIPEWATCH_TOKEN"  # noqa: S105 - a variable's name
ASCII_ALONE: Final = "ASCII alone: a byte order mark, too, is none of a token's characters"

_log = structlog.get_logger()


def token_source(file: Path | None, environment: Mapping[str, str] = os.environ) -> Callable[[], str]:
    """Returns what gives the token; a file is read anew each time, so that another token can be put into it.

    Raises: ConfigError when there is no token, or no header can carry it, or others may read its file.
    """
    if file is None:
        token = environment.get(TOKEN_VARIABLE, "").strip()
        if not token:
            raise ConfigError(
                "command line", "--token-file", None, f"a file with the agent's token, or {TOKEN_VARIABLE}"
            )
        if not token.isascii():
            raise ConfigError("environment", TOKEN_VARIABLE, "…", ASCII_ALONE)
        return lambda: token
    return _Followed(file).token


class _Followed:
    """A token's file; while it cannot be read, or others may read it, the token before stays."""

    def __init__(self, file: Path) -> None:
        self._file, self._token = file, _read(file)

    def token(self) -> str:
        """Returns what the file says now."""
        try:
            self._token = _read(self._file)
        except ConfigError as error:
            _log.warning("token.not_read", error=str(error))
        return self._token


def _read(file: Path) -> str:
    try:
        others = file.stat().st_mode & 0o077
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("command line", "--token-file", str(file), f"cannot be read: {error}") from error
    if others:
        raise ConfigError("command line", "--token-file", str(file), "readable by its owner alone (0600)")
    if not token or any(mark.isspace() for mark in token):
        raise ConfigError("command line", "--token-file", str(file), "one token and nothing else")
    if not token.isascii():
        raise ConfigError("command line", "--token-file", str(file), ASCII_ALONE)
    return token
