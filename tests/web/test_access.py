from __future__ import annotations

import re
import time

import httpx
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request

from tests.web.world import PASSWORD, World, form_token, log_in, serving
from web.access import csrf_of, declared_access, is_loopback
from web.login import FailedLogins, local_path

PUBLIC = {
    "/static/{digest}/{name:path}",
    "/healthz",
    "/readyz",
    "/metrics",
    "/login",
    "/terminal/login",
    "/language/{language}",
}


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


def undeclared(app: FastAPI) -> list[str]:
    return [route.path for route in routes_of(app) if len(declared_access(calls_of(route.dependant))) != 1]


def test_every_route_declares_once_who_may_use_it(world: World) -> None:
    assert len(routes_of(world.app)) > 20
    assert undeclared(world.app) == []


def test_a_route_that_declares_nothing_is_found(world: World) -> None:
    @world.app.get("/planted")
    async def planted() -> None:
        return None

    assert undeclared(world.app) == ["/planted"]


def test_only_these_routes_are_for_everybody(world: World) -> None:
    declared = {route.path: declared_access(calls_of(route.dependant))[0] for route in routes_of(world.app)}
    assert {path for path, access in declared.items() if access == "anybody"} == PUBLIC


def test_a_stranger_reaches_nothing_but_what_is_for_everybody(client: httpx.Client, world: World) -> None:
    for route in routes_of(world.app):
        if route.path in PUBLIC:
            continue
        path = re.sub(r"{[^}]*}", "x", route.path)
        for method in route.methods or ():
            answer = client.request(method, path, content=b"", headers={"Accept": "application/json"})
            assert answer.status_code == 401, f"{method} {path}: {answer.status_code}"


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [
        ("viewer", "/", 200),
        ("viewer", "/dead-letters", 403),
        ("operator", "/dead-letters", 200),
        ("administrator", "/dead-letters", 200),
    ],
)
def test_a_role_reaches_its_pages(client: httpx.Client, role: str, path: str, status: int) -> None:
    assert log_in(client, role).get(path).status_code == status


def test_a_viewer_neither_closes_alerts_nor_sees_sharp_pictures(client: httpx.Client) -> None:
    log_in(client, "viewer")
    form = {"reason": "false_alarm", "csrf": form_token(client)}
    assert client.post("/alerts/x/close", data=form).status_code == 403
    assert client.get("/stills/x?alert_id=y").status_code == 403


def test_a_terminal_is_no_operator_and_an_operator_no_terminal(client: httpx.Client, world: World) -> None:
    headers = {"Authorization": f"Bearer {world.terminal}"}
    assert client.get("/dead-letters", headers=headers).status_code == 401
    log_in(client)
    assert client.get("/v1/terminal/notices").status_code == 401


def test_a_browser_without_a_session_is_led_to_the_log_in_and_back(client: httpx.Client) -> None:
    answer = client.get("/dead-letters", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?to=%2Fdead-letters"
    page = client.get(answer.headers["location"])
    assert 'name="to" value="/dead-letters"' in page.text


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(client: httpx.Client) -> None:
    client.get("/login")
    form = {"username": "operator", "password": PASSWORD, "csrf": csrf_of(client.cookies["swipewatch_form"])}
    cookie = client.post("/login", data=form).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie  # this is loopback


def test_off_loopback_the_cookie_goes_over_tls_only(client: httpx.Client) -> None:
    answer = client.get("/login", headers={"Host": "centre.example"})
    assert "Secure" in answer.headers["set-cookie"]
    assert "not encrypted" in client.get("/login", headers={"Host": "centre.example", "Accept-Language": "en"}).text


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("localhost", True), ("[::1]:80", True), ("10.0.0.1", False), ("127.0.0.1.evil", False)],
)
def test_loopback_is_this_machine_alone(host: str, expected: bool) -> None:  # noqa: FBT001
    scope = {"type": "http", "headers": [(b"host", host.encode())], "path": "/", "query_string": b"", "scheme": "http"}
    assert is_loopback(Request({**scope, "method": "GET", "server": None})) is expected


@pytest.mark.parametrize("password", ["", "wrong", PASSWORD + " "])
def test_a_wrong_password_opens_nothing(client: httpx.Client, password: str) -> None:
    client.get("/login")
    form = {"username": "operator", "password": password, "csrf": csrf_of(client.cookies["swipewatch_form"])}
    answer = client.post("/login", data=form)
    assert answer.status_code in {401, 422}
    assert "swipewatch_session" not in client.cookies


def test_a_form_without_its_token_or_from_another_site_is_refused(client: httpx.Client) -> None:
    client.get("/login")
    form = {"username": "operator", "password": PASSWORD}
    assert client.post("/login", data=form).status_code == 403
    good = {**form, "csrf": csrf_of(client.cookies["swipewatch_form"])}
    assert client.post("/login", data=good, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.post("/login", data=good).status_code == 303


def test_logging_out_ends_the_session_on_the_server(client: httpx.Client) -> None:
    log_in(client)
    session = client.cookies["swipewatch_session"]
    assert client.post("/logout", data={"csrf": form_token(client)}).status_code == 303
    client.cookies.set("swipewatch_session", session)
    assert client.get("/", headers={"Accept": "text/html"}).status_code == 303


def test_a_session_ends_by_itself(client: httpx.Client, world: World) -> None:
    log_in(client)
    world.clock_ms = lambda: time.time_ns() // 1_000_000 + 13 * 3_600_000
    assert client.get("/", headers={"Accept": "text/html"}).status_code == 303


def test_after_too_many_failures_even_the_right_password_waits(client: httpx.Client, world: World) -> None:
    client.get("/login")
    form = {"username": "operator", "password": "wrong", "csrf": csrf_of(client.cookies["swipewatch_form"])}
    for _ in range(world.services.limits.failed_logins):
        assert client.post("/login", data=form).status_code == 401
    answer = client.post("/login", data={**form, "password": PASSWORD})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 300
    other = client.post("/login", data={**form, "username": "viewer", "password": PASSWORD})
    assert other.status_code == 303


def test_failures_are_forgotten_when_the_window_has_passed() -> None:
    failed = FailedLogins(allowed=2, window_s=60)
    for at_s in (0.0, 10.0):
        failed.add("a", "here", at_s)
    assert failed.wait_s("a", "here", 11.0) == 49
    assert failed.wait_s("a", "here", 60.5) == 0


def test_one_address_and_one_name_have_bounds_of_their_own() -> None:
    failed = FailedLogins(allowed=2, window_s=60)
    for number in range(8):
        failed.add(f"name-{number}", "here", 0.0)
    assert failed.wait_s("fresh", "here", 1.0) == 59
    assert failed.wait_s("fresh", "elsewhere", 1.0) == 0
    for number in range(20):
        failed.add("known", f"address-{number}", 0.0)
    assert failed.wait_s("known", "elsewhere", 1.0) == 59


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\nb", "", "javascript:1"]
)
def test_a_log_in_never_leads_to_another_site(to: str) -> None:
    assert local_path(to) == "/"


def test_every_answer_carries_the_security_headers(client: httpx.Client) -> None:
    for path in ("/login", "/healthz", "/no-such-page", "/static/x/base.css"):
        answer = client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in policy


def test_no_page_has_inline_script_or_style(client: httpx.Client, world: World) -> None:
    alert = world.raise_alert()
    log_in(client)
    terminal = {"Authorization": f"Bearer {world.terminal}"}
    pages = [client.get("/login"), client.get("/"), client.get("/dead-letters"), client.get("/terminal/login")]
    pages.append(client.get("/terminal", headers=terminal))
    pages.append(client.get(re.findall(r"/alerts/[0-9a-f]+", client.get("/").text)[0]))
    assert alert.finding_id in pages[-1].text
    for page in pages:
        assert page.status_code == 200
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|https?://", page.text), page.url


def test_a_large_or_endless_form_is_refused_unread(client: httpx.Client) -> None:
    assert client.post("/login", content=b"x" * 70_000).status_code == 413
    assert client.post("/login", content=iter([b"x"])).status_code == 411


def test_assets_are_kept_for_a_year_under_their_contents_address(client: httpx.Client, world: World) -> None:
    url = world.app.state.assets.url("base.css")
    assert "immutable" in client.get(url).headers["cache-control"]
    assert client.get("/static/old/base.css").headers["cache-control"] == "no-store"
    assert client.get("/static/x/../app.py").status_code == 404
    assert client.get("/static/x/%2e%2e/app.py").status_code == 404


def test_the_language_is_chosen_once_and_kept(client: httpx.Client) -> None:
    assert 'lang="zh-CN"' in client.get("/login", headers={"Accept-Language": "fr"}).text
    assert 'lang="en"' in client.get("/login", headers={"Accept-Language": "en-GB,zh"}).text
    assert client.get("/language/en?to=/login").headers["location"] == "/login"
    assert 'lang="en"' in client.get("/login", headers={"Accept-Language": "zh"}).text


def test_a_session_survives_a_restart_of_the_web(data, world: World) -> None:
    with httpx.Client() as client:
        with serving(world) as address:
            client.base_url = httpx.URL(address)
            log_in(client)
        world.feed.close()
        again = World(data)
        with serving(again) as address:
            client.base_url = httpx.URL(address)
            assert client.get("/", headers={"Accept": "text/html"}).status_code == 200
        again.close()
