"""Every route, asked by every role, by devices and by nobody, against the table below."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from storage.access.accounts import ROLES
from tests.web.walking import DEVICES, declared, enter, filled, is_turned_away, knock, requests_of, routes_of
from tests.web.world import PASSWORD, World, bearer, form_token, log_in
from web.access import csrf_of
from web.permissions import MAY, PERMISSIONS

WEB_PAGE = Path(__file__).parents[2] / "docs" / "web.md"
PEOPLE = "viewer operator auditor supervisor rule_editor administrator"
EVERYBODY = f"{PEOPLE} terminal sender agent nobody"

# Who reaches what. Written out by hand, so that a change of the product's own table shows here.
EXPECTED = {
    "GET /static/{digest}/{name:path}": EVERYBODY,
    "GET /healthz": EVERYBODY,
    "GET /readyz": EVERYBODY,
    "GET /metrics": EVERYBODY,
    "GET /openapi.json": EVERYBODY,
    "GET /login": EVERYBODY,
    "POST /login": EVERYBODY,
    "GET /sign-on": EVERYBODY,
    "GET /sign-on/return": EVERYBODY,
    "GET /language/{language}": EVERYBODY,
    "GET /theme/{theme}": EVERYBODY,
    "GET /terminal/login": EVERYBODY,
    "POST /terminal/login": EVERYBODY,
    "GET /terminal/worker.js": EVERYBODY,
    "POST /logout": PEOPLE,
    "GET /account/password": PEOPLE,
    "POST /account/password": PEOPLE,
    "GET /": PEOPLE,
    "GET /stream": PEOPLE,
    "GET /unreviewed": PEOPLE,
    "GET /visitors": PEOPLE,
    "GET /visitors/{visitor_id:path}": PEOPLE,
    "GET /visitors/{visitor_id:path}/stills/{still_id}": "operator auditor supervisor",
    "POST /visitors/{visitor_id:path}/not-this": "operator auditor supervisor",
    "POST /visitors/{visitor_id:path}/undo": "operator auditor supervisor",
    "POST /visitors/{visitor_id:path}/same": "supervisor",
    "GET /rules": PEOPLE,
    "GET /cameras": PEOPLE,
    "GET /cameras/picture": PEOPLE,
    "GET /cameras/edit": "operator supervisor administrator",
    "POST /cameras/change": "operator supervisor administrator",
    "POST /cameras/look": "operator supervisor administrator",
    "GET /cameras/new": "administrator",
    "POST /cameras/add": "administrator",
    "POST /cameras/try": "administrator",
    "POST /cameras/address": "administrator",
    "POST /cameras/who": "administrator",
    "POST /cameras/disable": "administrator",
    "POST /cameras/enable": "administrator",
    "POST /cameras/remove": "administrator",
    "GET /alerts/{alert_id}": PEOPLE,
    "POST /alerts/{alert_id}/review": PEOPLE,
    "POST /alerts/{alert_id}/unreview": PEOPLE,
    "GET /alerts": PEOPLE,
    "GET /search": PEOPLE,
    "POST /searches": PEOPLE,
    "POST /searches/{search_id}/forget": PEOPLE,
    "GET /stills/{still_id}/blurred": PEOPLE,
    "GET /stills/{still_id}": "operator auditor supervisor",
    "GET /clips/{clip_id}": "operator auditor supervisor",
    "POST /originals/{original_id}": "auditor supervisor",
    "GET /removals": "operator auditor supervisor administrator",
    "POST /alerts/{alert_id}/close": "operator supervisor",
    "POST /alerts/{alert_id}/hand-over": "operator supervisor",
    "POST /alerts/{alert_id}/snooze": "operator supervisor",
    "POST /snoozes/{snooze_id}/end": "operator supervisor",
    "POST /rules/{rule}/resume": "operator supervisor rule_editor",
    "GET /dead-letters": "operator auditor supervisor administrator",
    "GET /face-views": "auditor supervisor administrator",
    "GET /access-changes": "auditor supervisor administrator",
    "GET /terminals": "operator supervisor administrator",
    "POST /terminals/pair": "operator supervisor administrator",
    "POST /terminals/revoke": "operator supervisor administrator",
    "GET /senders": "administrator",
    "POST /senders/add": "administrator",
    "POST /senders/revoke": "administrator",
    "GET /accounts": "administrator",
    "POST /accounts/add": "administrator",
    "POST /accounts/role": "administrator",
    "POST /accounts/reset": "administrator",
    "POST /accounts/disable": "administrator",
    "POST /accounts/enable": "administrator",
    "GET /enrolment": "supervisor administrator",
    "POST /enrolment/photos": "supervisor administrator",
    "POST /enrolment/staff": "supervisor administrator",
    "POST /enrolment/opt-out": "supervisor administrator",
    "POST /enrolment/withdraw": "supervisor administrator",
    "POST /enrolment/erase": "supervisor administrator",
    "POST /enrolment/settle": "supervisor",
    "GET /terminal": "terminal",
    "GET /terminal/stream": "terminal",
    "POST /terminal/logout": "terminal",
    "GET /v1/terminal/notices": "terminal",
    "GET /v1/terminal/stream": "terminal",
    "POST /v1/terminal/alerts/{alert_id}/seen": "terminal",
    "POST /v1/terminal/alerts/{alert_id}/acknowledge": "terminal",
    "POST /v1/terminal/alerts/{alert_id}/answer": "terminal",
    "POST /v1/events": "sender",
    "GET /v1/cameras": "agent",
    "GET /v1/cameras/swipes": "agent",
    "POST /v1/cameras/messages": "agent",
    "POST /v1/cameras/report": "agent",
    "POST /v1/cameras/visitor": "agent",
}


def undeclared(world: World) -> list[str]:
    return [route.path for route in routes_of(world.app) if len(declared(route)) != 1]


def reached(client: httpx.Client, world: World, who: str) -> set[str]:
    """Returns every request that somebody is not turned away from."""
    world.feed.close()  # streams end at once
    world.camera_agents.feed.close()
    enter(client, world, who)
    asked = [request for request, _ in requests_of(world.app)]
    return {request for request in asked if not is_turned_away(knock(client, request))}


def test_every_route_declares_once_who_may_use_it(world: World) -> None:
    assert len(routes_of(world.app)) > 40
    assert undeclared(world) == []


def test_a_route_that_declares_nothing_is_found(world: World) -> None:
    @world.app.get("/planted")
    async def planted() -> None:
        return None

    assert undeclared(world) == ["/planted"]


def test_every_route_is_in_the_table_and_the_table_has_no_other(world: World) -> None:
    assert {request for request, _ in requests_of(world.app)} == set(EXPECTED)


@pytest.mark.slow
@pytest.mark.parametrize("who", EVERYBODY.split())
def test_each_reaches_what_the_table_says_and_nothing_else(client: httpx.Client, world: World, who: str) -> None:
    wanted = {request for request, them in EXPECTED.items() if who in them.split()}
    assert reached(client, world, who) == wanted


def test_a_route_with_too_wide_an_access_is_found(client: httpx.Client, world: World) -> None:
    @world.app.get("/planted")
    async def planted() -> None:
        return None

    assert "GET /planted" in reached(client, world, "nobody") - set(EXPECTED)


def test_the_table_in_the_docs_is_the_one_in_force() -> None:
    page = WEB_PAGE.read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if re.match(r"\| (may|`\w+`) +\|.*\|$", line)
    ]
    head, *rows = rows
    assert head[2:] == [role.replace("_", " ") for role in ROLES]
    said = {row[0].strip("`"): tuple(role for role, cell in zip(ROLES, row[2:], strict=True) if cell) for row in rows}
    assert said == {one: MAY[one] for one in PERMISSIONS if not set(MAY[one]) & set(DEVICES)}


def test_whatever_changes_something_by_a_cookie_needs_the_form_of_our_own_page(
    client: httpx.Client, world: World
) -> None:
    """For people and terminals alike, JSON interfaces included; bearer tokens are sent by no foreign page."""
    walked = set()
    for request, route in requests_of(world.app):
        method, _, template = request.partition(" ")
        if method in {"GET", "HEAD"} or declared(route) in (["hand_in_events"], ["look_for_centre"]):
            continue
        walked.add(request)
        client.cookies.clear()
        if declared(route) == ["show_reminders"]:
            _pair(client, world.terminal)
        elif declared(route) != ["anybody"]:
            log_in(client, "supervisor" if "supervisor" in EXPECTED.get(request, "") else "administrator")
        for headers in ({}, {"X-CSRF-Token": "0" * 64}, {"Sec-Fetch-Site": "cross-site"}):
            answer = client.request(method, filled(template), headers={"Accept": "application/json", **headers})
            assert answer.status_code in {403, 422}, (request, headers, answer.status_code)
            if answer.status_code == 403:
                assert answer.json()["error"]["code"] in {"form", "cross_site"}, request
    assert len(walked) > 15


def test_even_a_complete_form_is_refused_without_its_token(client: httpx.Client, world: World) -> None:
    log_in(client, "administrator")
    form = {"username": "mallory", "role": "administrator"}
    assert client.post("/accounts/add", data=form).status_code == 403
    assert client.post("/accounts/add", data={**form, "csrf": "0" * 64}).status_code == 403
    assert "mallory" not in [account.username for account in world.accounts.accounts()]
    foreign = {"Sec-Fetch-Site": "cross-site"}
    good = {**form, "csrf": form_token(client)}
    assert client.post("/accounts/add", data=good, headers=foreign).status_code == 403
    assert client.post("/accounts/add", data=good).status_code == 200


def _pair(client: httpx.Client, token: str) -> None:
    client.get("/terminal/login")
    form = {"token": token, "csrf": csrf_of(client.cookies["swipewatch_form"])}
    assert client.post("/terminal/login", data=form).status_code == 303


def test_a_terminal_reaches_the_alerts_of_no_other_store(client: httpx.Client, world: World) -> None:
    world.raise_alert()
    told = client.get("/v1/terminal/notices", headers=bearer(world.terminal)).json()["notices"]
    alert_id = told[0]["alert_id"]
    assert client.get("/v1/terminal/notices", headers=bearer(world.terminal_elsewhere)).json()["notices"] == []
    for request, route in requests_of(world.app):
        method, _, template = request.partition(" ")
        if declared(route) == ["show_reminders"] and "{alert_id}" in template:
            path = filled(template, {"alert_id": alert_id})
            body = b'{"kind": "checked"}'
            answer = client.request(method, path, content=body, headers=bearer(world.terminal_elsewhere))
            assert answer.status_code in {404, 422}, request


def test_a_change_of_role_counts_at_once(client: httpx.Client, world: World) -> None:
    log_in(client, "operator")
    assert client.get("/dead-letters").status_code == 200
    world.accounts.set_role("operator", "viewer")
    assert client.get("/dead-letters", headers={"Accept": "application/json"}).status_code == 401
    assert world.accounts.log_in("operator", PASSWORD, world.now_ms()) is not None
    log_in(client, "operator")
    assert client.get("/dead-letters", headers={"Accept": "application/json"}).status_code == 403


def test_a_disabled_account_is_out_at_once_and_stays_out(client: httpx.Client, world: World) -> None:
    log_in(client, "operator")
    world.accounts.disable("operator", world.now_ms())
    assert client.get("/", headers={"Accept": "application/json"}).status_code == 401
    assert world.accounts.log_in("operator", PASSWORD, world.now_ms()) is None
    world.accounts.enable("operator")
    assert world.accounts.log_in("operator", PASSWORD, world.now_ms()) is not None


def test_the_pages_offer_only_what_the_role_may(client: httpx.Client) -> None:
    log_in(client, "viewer")
    page = client.get("/").text
    assert 'href="/dead-letters"' not in page
    assert 'href="/terminals"' not in page
    log_in(client, "administrator")
    assert 'href="/terminals"' in client.get("/").text
    assert 'href="/senders"' in client.get("/terminals").text
    log_in(client, "operator")
    assert 'href="/senders"' not in client.get("/terminals").text
