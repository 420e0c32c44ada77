"""How a transaction that writes says so to its database."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Connection

Manner = Literal["alone", "beside"]
"""`alone`: no other transaction writes meanwhile. `beside`: others of this manner do, to rows of their own."""

OPTION = "swipewatch_writes"
"""The execution option that holds the manner; transactions without it read."""


def manner_of(connection: Connection) -> Manner | None:
    """Returns how the connection's transactions write, or None where they only read."""
    manner: Manner | None = connection.get_execution_options().get(OPTION)
    return manner
