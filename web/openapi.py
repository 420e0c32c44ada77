"""How routes say in the API's document what they take and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

API_TAG = "till"
SENDER_TAG = "sender"
AGENT_TAG = "camera agent"
REFUSALS: Mapping[int, str] = {
    401: "No token, or one that is unknown or revoked.",
    403: "The token does not speak for one of the institutions named.",
    404: "This terminal was not told of such an alert.",
    409: "The alert has changed meanwhile: `error.code` says how.",
    413: "The body is too large; send it in parts.",
    422: "What was sent is not as described; `error.detail` says where.",
    429: "Too fast: wait as long as `Retry-After` says, then send the same again.",
    503: "Not taken, or not known whether: wait as long as `Retry-After` says, then send the same again.",
}


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request was refused: `code` is for programs and stays, `detail` is for people and may change."""

    code: str
    detail: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What every answer of 400 and above says."""

    error: Reason


def answers_with(what: type | str, *refusals: int) -> dict[int | str, dict[str, Any]]:
    """Returns a route's answers: a struct as JSON, or the content of a media type; and how it may refuse."""
    told = {"application/json": {"schema": _named(what)}} if isinstance(what, type) else {what: {}}
    problem = {"application/json": {"schema": _named(Problem)}}
    answers: dict[int | str, dict[str, Any]] = {200: {"description": "Done.", "content": told}}
    return answers | {code: {"description": REFUSALS[code], "content": problem} for code in (401, *refusals)}


def takes(what: type) -> dict[str, Any]:
    """Returns a route's body: a struct as JSON."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": _named(what)}}}}


def _named(what: type) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{what.__name__}"}
