"""Walking all routes of the application: what they declare, and asking each as somebody."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import httpx
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from tests.web.world import World, bearer, log_in
from web.access import declared_access

DEVICES = ("terminal", "sender", "agent")


def routes_of(app: FastAPI) -> list[APIRoute]:
    found: list[APIRoute] = []
    left = list(app.routes)
    while left:
        route = left.pop()
        inner = getattr(route, "original_router", None)
        if inner is not None:
            left += inner.routes
            continue
        assert isinstance(route, APIRoute), f"{route} is beside the mechanism that decides who may"
        found.append(route)
    return found


def calls_of(dependant: Dependant) -> list[object]:
    return [dependant.call, *(call for inner in dependant.dependencies for call in calls_of(inner))]


def declared(route: APIRoute) -> list[str]:
    """Returns what the route says of who may use it: one word, unless it is at fault."""
    return declared_access(calls_of(route.dependant))


def requests_of(app: FastAPI) -> Iterator[tuple[str, APIRoute]]:
    """Yields every method of every route, as `GET /path`."""
    for route in routes_of(app):
        for method in sorted(route.methods or ()):
            yield f"{method} {route.path}", route


def filled(path: str, places: Mapping[str, str] | None = None) -> str:
    """Returns the path with a value in each place: the one given, or `x`."""
    return re.sub(r"{(\w+)[^}]*}", lambda found: (places or {}).get(found[1], "x"), path)


def enter(client: httpx.Client, world: World, who: str) -> None:
    """The client comes as a role, a device or nobody, each with what he has: a session cookie, or a token."""
    client.cookies.clear()
    client.headers.pop("Authorization", None)
    if who in DEVICES:
        tokens = {"terminal": world.terminal, "sender": world.sender_for_all, "agent": world.agent}
        client.headers.update(bearer(tokens[who]))
    elif who != "nobody":
        log_in(client, who)


def knock(client: httpx.Client, request: str, path: str = "") -> httpx.Response:
    """Returns the answer to whoever has entered, asking without the form's token: nothing is changed by it."""
    method, _, template = request.partition(" ")
    return client.request(method, path or filled(template), content=b"", headers={"Accept": "application/json"})


def is_turned_away(answer: httpx.Response) -> bool:
    """Returns whether the answer says that this one may not, whatever he sends."""
    if answer.status_code == 401:
        return answer.json()["error"]["code"] in {"not_logged_in", "no_token"}
    return answer.status_code == 403 and answer.json()["error"]["code"] == "role"
