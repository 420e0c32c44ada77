from __future__ import annotations

import re
import threading
import time

import httpx
import pytest
from starlette.requests import Request

from tests.alerts.builders import STORE
from tests.web.walking import enter, filled, knock, requests_of
from tests.web.world import PASSWORD, World, form_token, log_in, serving
from web.access import csrf_of, is_loopback
from web.login import local_path
from web.ports import LiveChange


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


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\nb", "", "javascript:1"]
)
def test_a_log_in_never_leads_to_another_site(to: str) -> None:
    assert local_path(to) == "/"


def test_every_answer_carries_the_security_headers(client: httpx.Client, world: World) -> None:
    world.feed.close()  # streams end at once
    for who in ("nobody", "supervisor", "administrator", "terminal"):
        enter(client, world, who)
        for request, _ in requests_of(world.app):
            answer = knock(client, request)
            assert is_guarded(answer), f"{who} {request}"
    assert is_guarded(client.get("/no-such-page"))
    assert is_guarded(client.post("/login", content=b"x" * 70_000)), "a body that was refused unread"


def is_guarded(answer: httpx.Response) -> bool:
    policy = answer.headers.get("content-security-policy", "")
    return (
        "default-src 'none'" in policy
        and "frame-ancestors 'none'" in policy
        and "unsafe" not in policy
        and answer.headers["x-content-type-options"] == "nosniff"
        and answer.headers["referrer-policy"] == "same-origin"
        and "cache-control" in answer.headers
    )


def test_no_page_has_inline_script_or_style(client: httpx.Client, world: World) -> None:
    world.feed.close()
    alert = world.raise_alert()
    log_in(client)
    (alert_id,) = set(re.findall(r"/alerts/([0-9a-f]{16,})", client.get("/").text))
    assert alert.finding_id in client.get(f"/alerts/{alert_id}").text
    seen = set()
    for who in ("nobody", "supervisor", "administrator", "terminal"):
        enter(client, world, who)
        for request, _ in requests_of(world.app):
            method, _, template = request.partition(" ")
            if method != "GET":
                continue
            answer = knock(client, request, filled(template, {"alert_id": alert_id}))
            if answer.headers.get("content-type", "").startswith("text/html"):
                seen.add(template)
                assert not inline(answer.text), f"{who} {request}"
    assert {"/", "/alerts/{alert_id}", "/login", "/terminal", "/accounts", "/senders", "/dead-letters"} <= seen


def inline(page: str) -> list[str]:
    """Returns what the policy would not let run, and addresses of other sites (the SVG name space is none)."""
    other = r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|https?://(?!127\.0\.0\.1|www\.w3\.org/)[a-z0-9]"
    return re.findall(other, page)


def test_an_inline_script_is_found() -> None:
    assert inline("<script>1</script>")
    assert inline('<p style="x">')
    assert inline('<p onclick="x">')
    assert inline('<img src="https://example.com/x">')


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


@pytest.mark.parametrize(
    ("who", "path"), [("viewer", "/stream"), ("terminal", "/terminal/stream"), ("agent", "/v1/cameras/swipes")]
)
def test_a_stream_that_is_never_quiet_ends_soon_after_the_right_to_it(
    network_client: httpx.Client, world: World, who: str, path: str
) -> None:
    enter(network_client, world, who)
    opened, ended = threading.Event(), threading.Event()

    def read() -> None:
        with network_client.stream("GET", path) as answer:
            for _ in answer.iter_bytes():
                opened.set()
        ended.set()

    def is_over() -> bool:
        """Something is heard meanwhile, more often than the line would show that it lives."""
        for feed in (world.feed, world.camera_agents.feed):
            feed.publish([LiveChange(alert_id="none", institution_id=STORE)])
        return ended.wait(0.1)

    reader = threading.Thread(target=read)
    reader.start()
    assert opened.wait(10)
    assert not any(is_over() for _ in range(4))
    world.accounts.disable("viewer", 1)
    for name in ("ankang", "ankang-cameras"):
        world.accounts.revoke_token(name, 1)
    over = any(is_over() for _ in range(20))
    world.feed.close()
    world.camera_agents.feed.close()
    reader.join(10)
    assert over
