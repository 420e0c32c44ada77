"""Every error the product raises on purpose, classed by who is at fault.

SwipewatchError
├── ConfigError      the configuration is wrong: exit 2
├── TransientError   a dependency is away: bounded retries, then exit 3 and the supervisor restarts
└── InvariantError   our own bug: crash, never caught

Bad input is no error but a value: see `events.dead_letters`.
"""

from __future__ import annotations


class SwipewatchError(Exception):
    """Anything that swipewatch raises on purpose."""


class ConfigError(SwipewatchError):
    """A setting is missing, unknown or out of range; the message names file, key, value and what is allowed."""

    def __init__(self, source: str, key: str, value: object, allowed: str) -> None:
        self.source, self.key, self.value, self.allowed = source, key, value, allowed
        super().__init__(f"{source}: {key} = {value!r}: {allowed}")


class TransientError(SwipewatchError):
    """A dependency (disk, database, camera, peer) did not answer; trying again may help."""


class InvariantError(SwipewatchError):
    """Something that cannot happen has happened: a bug in swipewatch."""
